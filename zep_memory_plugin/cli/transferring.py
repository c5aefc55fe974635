"""`zep-memory export` and `import`: conversations out to files, and in again."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .. import importers
from ..errors import InvalidInput
from ..models import TransferReport
from ..transfer.zep import ZepLines
from ..types import TransferSource
from .opening import opened
from .options import DEFAULT_DATABASE, AsJson, Database
from .printing import print_json, say, working

_PIPE = "-"
"""What stands for the output, or the input, of the command instead of a file."""


class FileFormat(StrEnum):
    """How an export is written."""

    jsonl = "jsonl"
    markdown = "markdown"
    csv = "csv"


class Store(StrEnum):
    """Who has written what is imported."""

    export = "export"
    zep = "zep"
    langchain = "langchain"
    llama_index = "llama-index"
    llama_index_json = "llama-index-json"
    openai_agents = "openai-agents"
    chatgpt = "chatgpt"


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write, - for the output.")] = _PIPE,
    database: Database = DEFAULT_DATABASE,
    session: Annotated[str | None, typer.Option("--session", help="Only this session, and its user.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this user, and all of theirs.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also what is soft-deleted.")] = False,
    file_format: Annotated[
        FileFormat, typer.Option("--format", "-f", help="jsonl keeps everything; the others are for people.")
    ] = FileFormat.jsonl,
) -> None:
    """Write a session, a user or everything to a file."""
    with opened(database) as manager, working("exporting") as work:
        report = manager.export_memory(
            sys.stdout.buffer if file == _PIPE else file,
            session_id=session,
            user_id=user,
            deleted=deleted,
            file_format=file_format.value,
            progress=work.at,
        )
    say(f"exported {_counted(report)}")


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` has written, - for the input.")] = _PIPE,
    database: Database = DEFAULT_DATABASE,
    kept_by: Annotated[
        Store, typer.Option("--from", help="What has kept it; FILE is the URL of its database where it has one.")
    ] = Store.export,
    table: Annotated[
        str | None, typer.Option("--table", help="Its table, where it does not have the usual name.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Whose sessions they are, where it does not say.")] = None,
    as_json: AsJson = False,
) -> None:
    """Store what an export has written, or another library keeps; what is there already stays as it is."""
    with opened(database) as manager, working("importing") as work, _source(kept_by, file, table, user) as source:
        report = manager.import_memory(source, progress=work.at)
    conclude(report, as_json=as_json)


_OF_TABLES = (Store.langchain, Store.llama_index, Store.openai_agents)
_OF_FILES = (Store.llama_index_json, Store.chatgpt)


@contextmanager
def _source(kept_by: Store, file: str, table: str | None, user: str | None) -> Iterator[TransferSource]:
    """Open what is to be imported for the block."""
    if table is not None and kept_by not in _OF_TABLES:
        raise InvalidInput("--table", f"is not for what {kept_by.value} keeps")
    if user is not None and kept_by not in _OF_TABLES + _OF_FILES:
        raise InvalidInput("--user", f"is not for what {kept_by.value} keeps, which says whose sessions they are")
    if kept_by in _OF_TABLES + _OF_FILES:
        read = getattr(importers, f"from_{kept_by.name}")
        with read(file, *([table] if table else []), user_id=user) as lines:
            yield lines
    elif kept_by is Store.zep:
        with closing(ZepLines(file)) as lines:
            yield lines
    else:
        yield sys.stdin.buffer if file == _PIPE else Path(file)


def conclude(report: TransferReport, *, as_json: bool) -> None:
    """Say what an import came to, and end with 1 where it had to leave something out."""
    if as_json:
        print_json([report])
    else:
        say(f"imported {_counted(report)}; {report.known} were there already")
    for session_id in report.refused:
        say(f"session {session_id!r} was left out: another one has its id")
    for session_id in report.erased:
        say(f"session {session_id!r} was left out: its user was erased since")
    if report.refused:
        raise typer.Exit(1)


def _counted(report: TransferReport) -> str:
    counts = [f"{getattr(report, name)} {name}" for name in ("users", "sessions", "messages", "summaries")]
    return ", ".join(counts)
