"""Connections through a pooler that hands each transaction to another server, as PgBouncer in transaction mode does.

A statement that has a name on one server has none, or another's, on the next: a driver that prepares statements would
get errors there, and now and then another caller's rows. So nothing has a name there, which costs some speed and no
round trip. A pooler shows by its own number for what is the server's process id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import LRUCache

from ...types import Pooler
from ..naming import names_of
from ..protocol import DriverConnection, Settings
from . import guarding

STRICT = "zep_memory_strict"
"""The key under which a connection says that its transactions are stricter than READ COMMITTED by default."""

_POOLED = "zep_memory_pooled"
_UNNAMED = "zep_memory_unnamed"

_ASK = "SELECT pg_backend_pid(), current_setting('default_transaction_isolation'), "
_READ_COMMITTED = "read committed"
_STATEMENTS_KEPT = 100

_numbers = count(1)


def configure(cursor: DBAPICursor, record: ConnectionPoolEntry, settings: Settings) -> None:
    """Make the settings of a new connection of ours, that of *record*, and note in there what cannot be set."""
    connection: Any = record.dbapi_connection
    driver: DriverConnection = record.driver_connection
    cursor.execute(_ASK + guarding.asked(settings.names))
    ((pid, isolation, guarded),) = cursor.fetchall()
    pooled = _is_pooled(driver, pid, settings.pooler)
    if not _is_psycopg(driver):
        # Without a cache of its own asyncpg gives no names.
        connection._prepared_statement_name_func = _no_name if pooled else _name
    elif pooled:
        driver.prepare_threshold = None
    if _is_psycopg(driver) and not _is_iso(driver):
        cursor.execute("SET DateStyle TO ISO")  # which poolers keep for each of their clients
    if isolation != _READ_COMMITTED and not pooled:
        cursor.execute(f"SET default_transaction_isolation TO '{_READ_COMMITTED}'")
    _note(record.info, strict=pooled and isolation != _READ_COMMITTED, guarded=guarded)


@contextmanager
def as_given(connection: Connection, pooler: Pooler) -> Iterator[None]:
    """Make the settings of a connection of the application's for the block, and take them back afterwards."""
    driver: DriverConnection = connection.connection.driver_connection
    if _POOLED not in connection.info:
        with _unnamed(connection, driver):
            asked = _ASK + guarding.asked(names_of(connection))
            pid, isolation, guarded = connection.exec_driver_sql(asked).one()
        connection.info[_POOLED] = _is_pooled(driver, pid, pooler)
        _note(connection.info, strict=isolation != _READ_COMMITTED, guarded=guarded)
    if not connection.info[_POOLED]:
        with _iso(connection, driver):
            yield
        return
    with _unnamed(connection, driver), _iso(connection, driver):
        yield


def _note(info: dict[Any, Any], *, strict: bool, guarded: bool | None) -> None:
    info |= dict.fromkeys([STRICT] * strict + [guarding.GUARDED] * bool(guarded), True)


def _is_psycopg(driver: DriverConnection) -> bool:
    return hasattr(driver, "pgconn")


def _is_pooled(driver: DriverConnection, pid: int, pooler: Pooler) -> bool:
    if pooler != "auto":
        return pooler == "transaction"
    known: int = driver.info.backend_pid if _is_psycopg(driver) else driver.get_server_pid()
    return pid != known


def _is_iso(driver: DriverConnection) -> bool:
    style: str = driver.info.parameter_status("DateStyle") or "ISO"
    return style.startswith("ISO")


def _name() -> str:
    return f"zep_memory_{next(_numbers)}"


def _no_name() -> str:
    return ""


@contextmanager
def _iso(connection: Connection, driver: DriverConnection) -> Iterator[None]:
    """Let psycopg get dates that it can read."""
    if not _is_psycopg(driver) or _is_iso(driver):
        yield
        return
    before = driver.info.parameter_status("DateStyle")
    connection.exec_driver_sql("SET DateStyle TO ISO")
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql(f"SET DateStyle TO {before}")


@contextmanager
def _unnamed(connection: Connection, driver: DriverConnection) -> Iterator[None]:
    """Give no name to any statement in the block."""
    if _is_psycopg(driver):
        threshold, driver.prepare_threshold = driver.prepare_threshold, None
        try:
            yield
        finally:
            driver.prepare_threshold = threshold
        return
    adapted: Any = connection.connection.dbapi_connection
    before = adapted._prepared_statement_name_func, adapted._prepared_statement_cache, driver._stmt_cache_enabled
    kept = connection.info.setdefault(_UNNAMED, LRUCache(_STATEMENTS_KEPT))
    adapted._prepared_statement_name_func, adapted._prepared_statement_cache = _no_name, kept
    driver._stmt_cache_enabled = False  # so that each statement is parsed in the message that carries it out
    try:
        yield
    finally:
        adapted._prepared_statement_name_func, adapted._prepared_statement_cache, driver._stmt_cache_enabled = before
