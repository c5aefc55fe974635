"""SQLite, through sqlite3 or aiosqlite."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any, cast

from sqlalchemy import URL, ColumnElement, Connection, Table, and_, case, exists, func, literal, select, tuple_
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import StaticPool

from ..tables import ROWID_SEQ_BITS, listing_ids, messages, metadata, sessions, unindexed
from . import transaction
from ._protocol import Append, Appended, JsonScalar, Row, Send, filled
from .prepared import Prepared, sender
from .statements import take_places

BUSY_TIMEOUT = 15_000
"""Milliseconds that a connection waits for another process's write; `?timeout=` in the URL, in seconds, wins."""

CHECKPOINT_PATIENCE = 0.5
"""How long a purge waits for readers before it leaves the log of changes to a later checkpoint, in seconds."""

RELEASED_PAGES = 1_000
"""Pages given back per transaction, so that no lock is held for long."""

_INCREMENTAL = 2

_aiosqlite_logger = logging.getLogger("aiosqlite")

_DURABILITY = {"full": "FULL", "normal": "NORMAL"}


for _table in metadata.tables.values():
    _table.dialect_options["sqlite"].update(_table.info.get("sqlite", {}))


class Dialect:
    """One file or a database in memory."""

    one_writer = True

    def in_memory(self, url: URL) -> bool:
        if url.database in (None, "", ":memory:", "file::memory:"):
            return True
        return url.query.get("mode") == "memory"  # of a database named by a URI

    def engine_options(self, url: URL) -> dict[str, Any]:
        if not self.in_memory(url):
            return {}
        return {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}

    def configure(self, cursor: DBAPICursor, url: URL, durability: str) -> None:
        if "timeout" not in url.query:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
        # Only before the first page is written, which journal_mode does; in a file that has it, it would be a write.
        if not _value_of(cursor, "auto_vacuum"):
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={_DURABILITY[durability]}",
            "foreign_keys=ON",
            "secure_delete=ON",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")

    @contextmanager
    def autocommit(self, connection: Connection) -> Iterator[None]:
        connection.begin()  # an application that sends a BEGIN by an event does so now, and not amid our statements
        driver: Any = connection.connection
        before = driver.dbapi_connection.isolation_level
        driver.dbapi_connection.isolation_level = None  # commits, too
        always_in_transaction = driver.driver_connection.in_transaction  # as with sqlite3's autocommit=False
        if always_in_transaction:
            connection.exec_driver_sql("COMMIT")
        try:
            yield
        finally:
            if not connection.invalidated:
                if always_in_transaction:
                    connection.exec_driver_sql("BEGIN")
                driver.dbapi_connection.isolation_level = before

    def keep_logs_clean(self) -> None:
        # aiosqlite logs every statement with its parameters at DEBUG, which the root logger's level turns on.
        if _aiosqlite_logger.level == logging.NOTSET:
            _aiosqlite_logger.setLevel(logging.INFO)

    def begin(self, connection: Connection, send: Send) -> None:
        send("BEGIN IMMEDIATE")

    def roll_back(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if driver.in_transaction:  # no longer so when the disk was full, and then ROLLBACK would be an error
            connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def impatient(self, connection: Connection, patience: float) -> Iterator[None]:
        before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={round(patience * 1000)}")
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={before}")

    def lock_schema(self, connection: Connection) -> None:
        """Do nothing: BEGIN IMMEDIATE has locked the file."""

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def listing_id(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        counter = sqlite.insert(listing_ids).values(table_name=table.name, last_id=1)
        counter = counter.on_conflict_do_update(
            index_elements=[listing_ids.c.table_name], set_={"last_id": listing_ids.c.last_id + 1}
        )
        return {"id": connection.execute(counter.returning(listing_ids.c.last_id)).scalar_one()}

    def metadata_contains(self, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]) -> ColumnElement[bool]:
        return and_(*(_has_entry(column, key, value) for key, value in wanted.items()))

    def fill(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        _fill(connection, sender(connection), session_id, before, rows)

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append messages whose uuids are new, with statements that were compiled once and are sent as they are."""
        if not append.fresh:
            return None
        send = sender(connection)
        driver: Any = connection.connection.driver_connection
        with nullcontext() if driver.in_transaction else transaction(connection, send):
            places = {
                "session": append.session_id,
                "count": len(append.rows),
                "now": append.now,
                "owner": append.user_id,
            }
            taken = _taking(owned=append.user_id is not None).rows(connection, places, send)
            if not taken:
                return None
            last_seq, session = taken[0]
            before = last_seq - len(append.rows)
            _fill(connection, send, append.session_id, before, append.rows)
            noted = {"first": session << ROWID_SEQ_BITS | before + 1, "count": len(append.rows)}
            _NOTE.run(connection, [noted], send)
            return filled(append.rows, before)

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        keys = list(table.primary_key)
        rows = select(*keys).where(condition).order_by(order).limit(count)
        return tuple_(*keys).in_(rows) if len(keys) > 1 else keys[0].in_(rows)

    def release_space(self, connection: Connection) -> bool:
        if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() != _INCREMENTAL:
            return False
        free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        send = sender(connection)
        for _ in range(min(free, RELEASED_PAGES)):
            # One page at a time: the pragma makes a step for each, and drivers take only the first.
            send("PRAGMA incremental_vacuum(1)")
        return free > RELEASED_PAGES

    def forget_deleted(self, connection: Connection) -> None:
        with self.impatient(connection, CHECKPOINT_PATIENCE):
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def _value_of(cursor: DBAPICursor, pragma: str) -> Any:
    cursor.execute(f"PRAGMA {pragma}")
    return cast("Sequence[Any]", cursor.fetchone())[0]


@cache
def _taking(*, owned: bool) -> Prepared:
    return Prepared(take_places(owned=owned).returning(sessions.c.last_seq, sessions.c.id))


_UNSET = ("updated_at", "deleted_at", "terms")
_FILL = Prepared(messages.insert(), column_keys=[column.name for column in messages.c if column.name not in _UNSET])
_NOTE = Prepared(unindexed.insert())


def _fill(connection: Connection, send: Send, session_id: str, before: int, rows: Sequence[Row]) -> None:
    placed = ({**row, "session_id": session_id, "seq": seq} for seq, row in enumerate(rows, start=before + 1))
    _FILL.run(connection, placed, send)


def _without_nul(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the JSON of *column* with U+FFFD for NUL, at which `json_each` would cut a text off.

    JSON text holds no raw U+0001, so that can stand for an escaped backslash meanwhile.
    """
    marked = func.replace(func.replace(column, "\\\\", "\x01"), "\\u0000", "\ufffd")
    return case((column.contains("\\u0000", autoescape=True), func.replace(marked, "\x01", "\\\\")), else_=column)


def _has_entry(column: ColumnElement[Any], key: str, value: JsonScalar) -> ColumnElement[bool]:
    entry = func.json_each(_without_nul(column)).table_valued("key", "value", "type", name="entry")
    same = select(literal(1)).where(entry.c.key == key, entry.c.type.in_(_json_types(value)))
    if value is not None and not isinstance(value, bool):
        same = same.where(entry.c.value == value)
    return exists(same)


def _json_types(value: JsonScalar) -> list[str]:
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return ["text"] if isinstance(value, str) else ["integer", "real"]
