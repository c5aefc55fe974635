"""Connections to SQLite, through sqlite3 or aiosqlite: their settings, transactions and locks, and freed space."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, cast

from sqlalchemy import URL, Connection, inspect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from ...errors import DatabaseUnavailable
from ...types import RebuildProgress
from ..garbled import decoded
from ..naming import names_of
from ..prepared import sender
from ..protocol import DriverConnection, FileId, Finding, Send, Settings, Trace
from . import locking
from .files import FileConnection, FileReplaced, KeptConnection, file_at, keep_parents, not_closed

BUSY_TIMEOUT = 15_000
"""Milliseconds that a connection waits for another process's write; `?timeout=` in the URL, in seconds, wins."""

CHECKPOINT_PATIENCE = 0.5
"""How long a purge waits for readers before it leaves the log of changes to a later checkpoint, in seconds."""

RELEASED_PAGES = 1_000
"""Pages given back per transaction, so that no lock is held for long."""

COPIED_PAGES = 2_000
"""Pages that a backup copies at a time, after each of which it says how far it is."""

DAMAGED = "the database is damaged, and so would be its copy; `zep-memory export` saves what can be read"

_INCREMENTAL = 2

_FILE = "zep_memory_file"
"""The key under which a connection of the application's has the path of its file, and which file that is."""

_SECURE_DELETE = "zep_memory_secure_delete"
"""The key under which a connection of the application's has how it deletes by itself."""

_OVERWRITES = 1

_aiosqlite_logger = logging.getLogger("aiosqlite")

_DURABILITY = {"full": "FULL", "normal": "NORMAL"}


class Connecting:
    """How one file, or a database in memory, is connected to."""

    one_writer = True
    bound_to_process = True
    has_replicas = False

    def in_memory(self, url: URL) -> bool:
        if url.database in (None, "", ":memory:", "file::memory:"):
            return True
        return url.query.get("mode") == "memory"  # of a database named by a URI

    def engine_options(self, url: URL) -> dict[str, Any]:
        if not self.in_memory(url):
            return {"connect_args": {"factory": FileConnection}}
        return {"connect_args": {"factory": KeptConnection, "check_same_thread": False}}

    def located(self, url: URL) -> URL:
        if self.in_memory(url) or "uri" in url.query:
            return url
        return url.set(database=os.path.abspath(url.database or ""))

    def path_of(self, url: URL) -> str | None:
        return None if self.in_memory(url) else (url.database or "").removeprefix("file:")

    def file_of(self, url: URL) -> FileId | None:
        path = self.path_of(url)
        return None if path is None else file_at(path)

    def open_file_of(self, driver: DriverConnection) -> FileId | None:
        connection = _sqlite(driver)
        return connection.file if isinstance(connection, FileConnection) else None

    def not_closed(self, file: FileId) -> bool:
        return not_closed(file)

    def keep_parents(self) -> None:
        keep_parents()

    def confirm(self, connection: Connection) -> None:
        path, file = _file_known_of(connection)
        if path and _file_now_at(connection, path) != file:
            connection.invalidate()
            raise FileReplaced

    def clean(self, driver: DriverConnection) -> bool:
        connection = _sqlite(driver)
        try:
            return connection is not None and not connection.in_transaction
        except sqlite3.ProgrammingError:  # it is closed
            return False

    def undo(self, driver: DriverConnection) -> None:
        if isinstance(driver, sqlite3.Connection):
            with suppress(sqlite3.Error):
                driver.rollback()
        elif driver._connection is not None:
            driver._tx.put_nowait((None, driver._connection.rollback))  # before what closes it

    def end(self, driver: DriverConnection) -> None:
        connection = _sqlite(driver)
        if isinstance(driver, sqlite3.Connection):
            _end(driver)
        elif connection is not None:
            _end_in_its_thread(driver, connection)

    def configure(self, cursor: DBAPICursor, record: ConnectionPoolEntry, settings: Settings) -> None:
        if "timeout" not in settings.url.query:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
        # Only before the first page is written, which journal_mode does; in a file that has it, it would be a write.
        if not _value_of(cursor, "auto_vacuum"):
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={_DURABILITY[settings.durability]}",
            "foreign_keys=ON",
            "secure_delete=ON",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")

    @contextmanager
    def autocommit(self, connection: Connection, settings: Settings) -> Iterator[None]:
        connection.begin()  # an application that sends a BEGIN by an event does so now, and not amid our statements
        driver: Any = connection.connection
        before = driver.dbapi_connection.isolation_level
        driver.dbapi_connection.isolation_level = None  # commits, too
        always_in_transaction = driver.driver_connection.in_transaction  # as with sqlite3's autocommit=False
        if always_in_transaction:
            connection.exec_driver_sql("COMMIT")
        try:
            with _overwriting(connection):
                yield
        finally:
            if not connection.invalidated:
                if always_in_transaction:
                    connection.exec_driver_sql("BEGIN")
                driver.dbapi_connection.isolation_level = before

    def joined(self, connection: Connection, settings: Settings) -> AbstractContextManager[None]:
        return _overwriting(connection)

    def joins(self, connection: Connection) -> bool:
        if not connection.in_transaction():
            connection.exec_driver_sql("SELECT 1")  # an application that sends a BEGIN by an event does so now
        adapted: Any = connection.connection.dbapi_connection
        return adapted.isolation_level is not None or not self.clean(connection.connection.driver_connection)

    def begin_joined(self, connection: Connection) -> None:
        if self.clean(connection.connection.driver_connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def tolerant(self, connection: Connection) -> Iterator[None]:
        driver: Any = _sqlite(connection.connection.driver_connection)
        before = driver.text_factory
        driver.text_factory = decoded
        try:
            yield
        finally:
            driver.text_factory = before

    def keep_logs_clean(self) -> None:
        # aiosqlite logs every statement with its parameters at DEBUG, which the root logger's level turns on.
        if _aiosqlite_logger.level == logging.NOTSET:
            _aiosqlite_logger.setLevel(logging.INFO)

    def begin(self, connection: Connection, send: Send) -> None:
        locking.begin(connection, send)

    def roll_back(self, connection: Connection) -> None:
        # Not as a statement, which is an error when there is nothing left to roll back, as when the disk was full.
        connection.connection.rollback()

    def present(self, connection: Connection, names: Sequence[str]) -> set[str]:
        there = set(inspect(connection).get_table_names())
        return {name for name in names if names_of(connection).of(name) in there}

    @contextmanager
    def impatient(self, connection: Connection, patience: float) -> Iterator[None]:
        before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={round(patience * 1000)}")
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={before}")

    def back_up(self, connection: Connection, path: str, progress: RebuildProgress) -> None:
        driver: Any = connection.connection.driver_connection
        # In one transaction that only reads, so that no write of others makes the copy begin anew.
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
        with closing(sqlite3.connect(path)) as copy:
            driver.backup(copy, pages=COPIED_PAGES, progress=lambda _, left, total: progress(total - left, total))
            problem: str = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.exec_driver_sql("ROLLBACK")
        if problem != "ok":
            raise DatabaseUnavailable(
                "the database is damaged, and so is the copy; `zep-memory export` saves what can be read"
            )

    def examine(self, connection: Connection) -> Iterable[Finding]:
        from . import examining  # here: only an operator's command asks for it

        return examining.findings(connection)

    def traces(self, connection: Connection, words: Sequence[str]) -> Iterable[Trace]:
        from . import remaining  # here: only who verifies an erasure asks for it

        return remaining.traces(connection, words, self.forget_deleted(connection))

    def size(self, connection: Connection) -> int:
        pages, page = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return int(pages * page)

    def release_space(self, connection: Connection) -> bool:
        if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() != _INCREMENTAL:
            return False
        free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        send = sender(connection)
        for _ in range(min(free, RELEASED_PAGES)):
            # One page at a time: the pragma makes a step for each, and drivers take only the first.
            send("PRAGMA incremental_vacuum(1)")
        return free > RELEASED_PAGES

    def forget_deleted(self, connection: Connection) -> Sequence[str]:
        with self.impatient(connection, CHECKPOINT_PATIENCE):
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return ["the write-ahead log, which somebody is reading"] if busy else _kept_in_journal(connection)


def _value_of(cursor: DBAPICursor, pragma: str) -> Any:
    cursor.execute(f"PRAGMA {pragma}")
    return cast("Sequence[Any]", cursor.fetchone())[0]


def _kept_in_journal(connection: Connection) -> list[str]:
    """Return what keeps text where an engine of the application's has a journal that is not deleted."""
    persists = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "persist"
    limited = persists and connection.exec_driver_sql("PRAGMA journal_size_limit").scalar_one() == 0
    return ["the rollback journal, which journal_mode=PERSIST keeps"] if persists and not limited else []


@contextmanager
def _overwriting(connection: Connection) -> Iterator[None]:
    """Let what is deleted in the block be overwritten in the file, on a connection of the application's."""
    if _SECURE_DELETE not in connection.info:
        connection.info[_SECURE_DELETE] = connection.exec_driver_sql("PRAGMA main.secure_delete").scalar_one()
    before = connection.info[_SECURE_DELETE]
    if before == _OVERWRITES:
        yield
        return
    _delete_as(connection, _OVERWRITES)
    try:
        yield
    except Exception:  # after an interrupt the connection is ended
        _delete_as(connection, before)
        raise
    _delete_as(connection, before)


def _delete_as(connection: Connection, mode: int) -> None:
    if not connection.invalidated:
        connection.exec_driver_sql(f"PRAGMA main.secure_delete={mode}")


def _end(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.rollback()
    connection.end() if isinstance(connection, KeptConnection) else connection.close()


def _end_in_its_thread(driver: Any, connection: sqlite3.Connection) -> None:
    """End a *connection* of aiosqlite where nothing else uses it; closed amid a statement, it crashes the process."""

    def end() -> None:
        driver._connection = None  # so that aiosqlite does not miss a farewell
        _end(connection)

    driver._tx.put_nowait((None, end))
    driver.stop()
    driver._thread.join()
    if driver._connection is not None:  # the thread broke down when it had a result for a loop that was closed
        end()


def _sqlite(driver: DriverConnection) -> sqlite3.Connection | None:
    """Return the connection of sqlite3 that a driver's is or has, unless it is closed."""
    return driver if isinstance(driver, sqlite3.Connection) else driver._connection


def _file_known_of(connection: Connection) -> tuple[str, FileId | None]:
    """Return the path of the file of a connection, none where it is in memory, and which file was there at first."""
    if _FILE not in connection.info:
        path = cast("str", connection.exec_driver_sql("PRAGMA database_list").all()[0][2])
        connection.info[_FILE] = path, _file_now_at(connection, path)
    return cast("tuple[str, FileId | None]", connection.info[_FILE])


def _file_now_at(connection: Connection, path: str) -> FileId | None:
    """Return which file is at *path*, without holding up an event loop."""
    if connection.dialect.is_async:
        return await_only(asyncio.to_thread(file_at, path))
    return file_at(path)
