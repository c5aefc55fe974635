"""Rows by the million, past every contender: what listings and purges are measured on."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import psycopg

from zep_memory_plugin import SessionManager
from zep_memory_plugin.moments import hour_of
from zep_memory_plugin.tables import listing_ids
from zep_memory_plugin.terms.cutting import index_numbers

from .peers.bare import COLUMNS, create_tables
from .peers.bare_sqlite import connect
from .places import Place
from .workload import session_id, texts

CHUNK = 10_000
SESSION_COLUMNS = (
    *("session_id", "id", "uuid", "user_id", "created_at", "updated_at", "last_active_at", "active_hour"),
    *("deleted_at", "last_seq", "revision"),
)
MESSAGE_COLUMNS = (*COLUMNS, "deleted_at")

NOW = datetime.now(UTC) - timedelta(days=1)
SQLITE_NOW = int(NOW.timestamp() * 1_000_000)


def add_sessions(place: Place, count: int, *, each_user: int) -> None:
    """Store *count* live sessions, of users who have *each_user* of them, scattered over the listing."""
    users = count // each_user
    rows = (
        (session_id(number), number + 1, uuid.uuid4(), f"user-{number % users}", *_active(number), None, 0, 0)
        for number in range(count)
    )
    create_tables(place)
    _store(place, "zep_sessions", SESSION_COLUMNS, rows)


def add_deleted(place: Place, count: int, *, each: int) -> None:
    """Store *count* soft-deleted messages, *each* of them in a soft-deleted session."""
    sessions = count // each
    create_tables(place)
    _store(
        place,
        "zep_sessions",
        SESSION_COLUMNS,
        (
            (session_id(number), number + 1, uuid.uuid4(), None, *_active(number), _deleted(number), each, 1)
            for number in range(sessions)
        ),
    )
    indexed = ("terms",) if place.kind == "postgres" else ()
    _store(place, "zep_messages", (*MESSAGE_COLUMNS, *indexed), _deleted_messages(sessions, each, terms=bool(indexed)))
    if place.kind == "sqlite":
        _store_on_sqlite(place, listing_ids.name, ("table_name", "last_id"), [("zep_sessions", sessions)])
        with SessionManager(place.url) as manager:
            manager.rebuild_search()


def _active(number: int) -> tuple[datetime, datetime, datetime, int]:
    """Return when a session was created, updated and active: one a minute, the newest last."""
    moment = NOW - timedelta(minutes=5_000_000 - number)
    return moment, moment, moment, hour_of(moment)


def _deleted(number: int) -> datetime:
    """Return when a session was deleted: one after the other."""
    return NOW + timedelta(milliseconds=number)


def _deleted_messages(sessions: int, each: int, *, terms: bool) -> Iterator[tuple[Any, ...]]:
    said = cycle((text, (index_numbers(text),) if terms else ()) for text in texts())
    for number in range(sessions):
        for seq, (text, found) in enumerate(islice(said, each), start=1):
            yield (*_message(session_id(number), seq, text), _deleted(number), *found)


def _message(session: str, seq: int, content: str) -> tuple[Any, ...]:
    role = ("user", "assistant")[seq % 2]
    return (session, seq, uuid.uuid4(), role, role, None, content, None, None, 50, None, NOW, None, None)


def _store(place: Place, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    if place.kind == "sqlite":
        _store_on_sqlite(place, table, columns, rows)
        return
    with psycopg.connect(place.url) as connection:
        with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[arg-type]
            for row in rows:
                copy.write_row(row)
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]


def _store_on_sqlite(place: Place, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    connection = connect(place)
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for chunk in _chunks(rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, [tuple(map(_on_sqlite, row)) for row in chunk])
        connection.execute("COMMIT")
    connection.close()


def _on_sqlite(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, datetime):
        return SQLITE_NOW if value is NOW else int(value.timestamp() * 1_000_000)
    return value


def _chunks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk
