"""SQLite, through sqlite3 or aiosqlite."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Table, and_, exists, func, literal, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import StaticPool

from ..tables import listing_ids
from ._protocol import Append, Appended, JsonScalar

BUSY_TIMEOUT = 15_000
"""Milliseconds that a connection waits for another process's write; `?timeout=` in the URL, in seconds, wins."""

CHECKPOINT_TIMEOUT = 500
"""How long a purge waits for readers before it leaves the log of changes to a later checkpoint, in milliseconds."""

RECLAIMED_PAGES = 1_000
"""Pages given back per statement, so that no lock is held for long."""

_DURABILITY = {"full": "FULL", "normal": "NORMAL"}


class Dialect:
    """One file or a database in memory."""

    one_writer = True

    def in_memory(self, url: URL) -> bool:
        return url.database in (None, "", ":memory:")

    def engine_options(self, url: URL) -> dict[str, Any]:
        if not self.in_memory(url):
            return {}
        return {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}

    def connection_statements(self, url: URL, durability: str) -> Sequence[str]:
        # auto_vacuum only takes before the first page is written, which journal_mode does.
        pragmas = [
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            f"synchronous={_DURABILITY[durability]}",
            "foreign_keys=ON",
            "secure_delete=ON",
            "trusted_schema=OFF",
        ]
        if "timeout" not in url.query:
            pragmas.insert(0, f"busy_timeout={BUSY_TIMEOUT}")
        return [f"PRAGMA {pragma}" for pragma in pragmas]

    def begin(self, connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        if driver is not None and getattr(driver, "in_transaction", False):
            connection.exec_driver_sql("COMMIT")  # an engine of the application may have sent a BEGIN by itself
        connection.exec_driver_sql("BEGIN IMMEDIATE")

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

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        return None

    def reclaim(self, connection: Connection) -> None:
        while connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() and (
            connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == 2
        ):
            connection.exec_driver_sql(f"PRAGMA incremental_vacuum({RECLAIMED_PAGES})").all()
        patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={CHECKPOINT_TIMEOUT}")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={patience}")


def _has_entry(column: ColumnElement[Any], key: str, value: JsonScalar) -> ColumnElement[bool]:
    entry = func.json_each(column).table_valued("key", "value", "type", name="entry")
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
