"""`zep-memory stats`, `upgrade`, `backup`, `reindex`: the database as a whole."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..databases import database_of
from ..errors import InvalidInput, shown
from ..filters import moment
from ..manager import SessionManager
from ..migrations import upgrade as upgrade_tables
from ..models import Usage
from ..running import schema as tables_in_use
from ..running.engines import source_of
from .opening import connected, opened, url_of
from .options import DEFAULT_DATABASE, AsJson, Database
from .printing import Columns, print_fields, print_rows, say, working


def stats(database: Database = DEFAULT_DATABASE, as_json: AsJson = False) -> None:
    """Count users, sessions, messages and summaries, live and deleted, and the bytes they take."""
    with opened(database) as manager:
        print_fields(manager.stats().model_dump(mode="json"), as_json=as_json)


class Key(StrEnum):
    """By what usage is summed."""

    session = "session"
    user = "user"
    day = "day"


_COLUMNS: Columns[Usage] = {
    "by": lambda usage: usage.session_id or usage.user_id or usage.day,
    "messages": lambda usage: usage.messages,
    "input tokens": lambda usage: usage.input_tokens,
    "output tokens": lambda usage: usage.output_tokens,
    "cost": lambda usage: usage.cost,
    "rated": lambda usage: usage.rated,
    "score": lambda usage: usage.score,
}


def usage(
    by: Annotated[Key, typer.Argument(help="By what to sum.")] = Key.day,
    database: Database = DEFAULT_DATABASE,
    user: Annotated[str | None, typer.Option("--user", help="Only sessions of this user.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="DATE", help="Messages from then on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Messages until then.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sum the tokens and the cost that were reported of messages, by day, session or user."""
    start, end = moment("--since", since), moment("--until", until)
    with opened(database) as manager:
        print_rows(manager.usage(by.value, user_id=user, start_date=start, end_date=end), _COLUMNS, as_json=as_json)


def reindex(
    database: Database = DEFAULT_DATABASE,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Also embed every message anew, with the word vectors of `static`.")
    ] = False,
) -> None:
    """Make the search index anew from the messages, while others go on reading and writing."""
    with opened(database, "static" if embeddings else None) as manager, working("indexing") as work:
        count = manager.rebuild_search(work.at, embeddings=embeddings)
    say(f"indexed {count} messages")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; one that is there is kept.")],
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Copy an SQLite database as it is at one moment, while others go on writing.

    To copy its file would lose what is in the log of changes beside it, the file with -wal at its end.
    """
    if file.exists():
        raise InvalidInput("FILE", f"is {shown(str(file))}, which exists; name another one")
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        with connected(database) as connection, working("copying") as work:
            unfinished.touch(mode=0o600)
            database_of(connection).back_up(connection, str(unfinished), work.at)
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
    say(f"copied {file.stat().st_size} bytes to {file}")


def upgrade(
    database: Database = DEFAULT_DATABASE,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 5 if there is something to do.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the SQLite file if there is none.")] = False,
) -> None:
    """Bring the tables to this version, or create them where there are none."""
    if create and not check:
        _make_file(database)
    with connected(database) as connection:
        before = tables_in_use.revision_of(connection)
    if before == tables_in_use.REVISION:
        say(f"the tables are at revision {before}, which is this version's")
        return
    if check:
        say(f"the tables are at revision {before}, not {tables_in_use.REVISION}; `zep-memory upgrade` changes that")
        raise typer.Exit(5)
    _create(database) if before is None else _upgrade(database)
    say(f"the tables are at revision {tables_in_use.REVISION}")


def _make_file(database: str) -> None:
    """Make an empty file where *database* names one that is not there."""
    source = source_of(url_of(database), "full")
    if path := source.database.path_of(source.located):
        Path(path).touch(mode=0o600)  # as a manager makes it


def _upgrade(database: str) -> None:
    with connected(database) as connection:
        upgrade_tables(connection)


def _create(database: str) -> None:
    """Let a manager create the tables, which has settings of its own for a new file."""
    with SessionManager(url_of(database)) as manager:
        manager.list_users(1)
