"""What an operator should know of an SQLite file: whether it is sound, and what stands in its way."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DatabaseError

from ...tables import MESSAGE_INDEX, SEQ_BITS, messages, sessions
from ...terms.cutting import terms
from ..protocol import INTEGRITY, Finding
from . import waiting

SAMPLE = 200
"""Messages, the newest ones, that are looked for in the index."""

LARGEST_LOG = 100 * 1024 * 1024
"""Bytes of a log of changes above which something keeps it from being emptied."""

_INDEXED = text(f"SELECT count(*) FROM {MESSAGE_INDEX} WHERE {MESSAGE_INDEX} MATCH :term AND rowid = :rowid")  # noqa: S608 - a name of ours


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield what is found, one check after the other; the whole file is read."""
    yield Finding("SQLite", True, sqlite3.sqlite_version)
    problems = _problems(connection)
    yield Finding(INTEGRITY, problems == ["ok"], "the file is sound" if problems == ["ok"] else "; ".join(problems))
    orphans = len(_pragma(connection, "foreign_key_check"))
    yield Finding("references", not orphans, f"{orphans} rows refer to what is not there" if orphans else "all lead on")
    yield _index(connection)
    yield from _files(connection)


def _problems(connection: Connection) -> list[str]:
    try:
        return _pragma(connection, "integrity_check(5)")
    except DatabaseError:  # it is damaged where SQLite cannot even look
        return ["the file is damaged"]


def _pragma(connection: Connection, name: str) -> list[str]:
    return [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {name}")]


def _index(connection: Connection) -> Finding:
    """Look for the newest messages in the index, but for those that wait to be taken in."""
    spans = waiting.first(connection, 2**31)
    newest = (
        select(sessions.c.id, messages.c.seq, messages.c.content)
        .join_from(sessions, messages, messages.c.session_id == sessions.c.session_id)
        .where(messages.c.deleted_at.is_(None), messages.c.content != "")
        .order_by(sessions.c.id.desc(), messages.c.seq.desc())
        .limit(SAMPLE)
    )
    missing = 0
    for number, seq, content in connection.execute(newest):
        rowid = number << SEQ_BITS | seq
        words = terms(content)
        if words and not any(first <= rowid <= last for first, last in spans):
            missing += not connection.execute(_INDEXED, {"term": f'"{words[0]}"', "rowid": rowid}).scalar_one()
    waits = sum(last - first + 1 for first, last in spans)
    says = f"{missing} of the newest {SAMPLE} messages are not in it; `zep-memory reindex` mends it"
    return Finding("index", not missing, says if missing else f"in step, {waits} messages wait to be taken in")


def _files(connection: Connection) -> Iterator[Finding]:
    path = Path(next(row.file for row in connection.exec_driver_sql("PRAGMA database_list") if row.name == "main"))
    mode = _pragma(connection, "journal_mode")[0]
    says = mode if mode == "wal" else f"{mode}; readers and writers wait for each other, which wal avoids"
    yield Finding("journal", mode == "wal", says)
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    says = f"{size} bytes of changes beside the file"
    if size > LARGEST_LOG:
        says += "; a reader or a transaction that stays open keeps them there"
    yield Finding("log", size <= LARGEST_LOG, says)
    yield _space(path)
    yield _access(path)


def _space(path: Path) -> Finding:
    free, needed = shutil.disk_usage(path.parent).free, path.stat().st_size
    says = f"{free} bytes are free, the file has {needed}"
    return Finding("space", free > needed, says if free > needed else f"{says}; there is no room for a copy of it")


def _access(path: Path) -> Finding:
    others = path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH) if os.name == "posix" else 0
    return Finding("access", not others, "everybody on the machine may read it; chmod 600" if others else "not for all")
