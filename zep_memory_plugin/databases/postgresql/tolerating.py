"""Reading what Postgres stores and Python or `jsonb` has no room for: moments of another age, JSON that is none.

Postgres checks text and types by itself, so that is all that can be garbled in a row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, cast, func, or_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.util import await_only

from ..protocol import DriverConnection

_TOLERANT = "zep_memory_tolerant"
"""The key under which a connection has that it is made tolerant."""

_MOMENT = "timestamptz"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_KNOWS_VALIDITY = (16,)
"""The first version of Postgres that tells whether text is JSON without an error where it is not."""

DEEPEST = 33
"""Levels of JSON that are checked on an older one, one more than metadata may have."""

_STRING = r'"([^"\\[:cntrl:]]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_SCALAR = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?|true|false|null"
_CONTAINER = r"\{(s:[sv](,s:[sv])*)?\}|\[([sv](,[sv])*)?\]"


@contextmanager
def tolerant(connection: Connection) -> Iterator[None]:
    """Read a moment that Python has no room for as None, and JSON that is none as such, in the block."""
    driver = connection.connection.driver_connection
    connection.info[_TOLERANT] = True
    try:
        with _of_psycopg(driver) if hasattr(driver, "pgconn") else _of_asyncpg(connection, driver):
            yield
    finally:
        connection.info.pop(_TOLERANT, None)


def is_tolerant(connection: Connection) -> bool:
    """Tell whether a connection is to read what is garbled."""
    return _TOLERANT in connection.info


def is_jsonb(connection: Connection, document: ColumnElement[Any]) -> ColumnElement[bool]:
    """Match text that can be cast to `jsonb`."""
    if (connection.dialect.server_version_info or ()) >= _KNOWS_VALIDITY:
        return func.pg_input_is_valid(document, "jsonb")
    left = func.regexp_replace(document, _STRING, "s", "g")
    left = func.regexp_replace(func.regexp_replace(left, _SCALAR, "v", "g"), r"[ \t\n\r]", "", "g")
    for _ in range(DEEPEST):
        left = func.regexp_replace(left, _CONTAINER, "v", "g")
    return and_(left.in_(["s", "v"]), or_(document.like("%{%"), document.like("%[%")))


def holds(document: ColumnElement[Any], wanted: ColumnElement[Any]) -> ColumnElement[bool]:
    """Match JSON text that holds the object *wanted*."""
    return cast(document, JSONB).op("@>", is_comparison=True)(cast(wanted, JSONB))


@contextmanager
def _of_psycopg(driver: DriverConnection) -> Iterator[None]:
    from psycopg import DataError, adapt

    usual = driver.adapters.get_loader(driver.adapters.types[_MOMENT].oid, 0)

    class Tolerant(adapt.Loader):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._load = usual(*arguments).load

        def load(self, data: Any) -> datetime | None:
            try:
                return self._load(data)  # type: ignore[no-any-return]  # psycopg's is typed as Any
            except DataError:
                return None

    driver.adapters.register_loader(_MOMENT, Tolerant)
    try:
        yield
    finally:
        driver.adapters.register_loader(_MOMENT, usual)


@contextmanager
def _of_asyncpg(connection: Connection, driver: DriverConnection) -> Iterator[None]:
    adapted: Any = connection.connection.dbapi_connection
    prepared, adapted._prepared_statement_cache = adapted._prepared_statement_cache, None  # they read as they did
    codec: dict[str, Callable[[Any], Any]] = {"encoder": _sent, "decoder": _received}
    await_only(driver.set_type_codec(_MOMENT, schema="pg_catalog", format="tuple", **codec))
    try:
        yield
    finally:
        adapted._prepared_statement_cache = prepared
        if not connection.invalidated:
            await_only(driver.reset_type_codec(_MOMENT, schema="pg_catalog"))


def _sent(moment: datetime) -> tuple[int]:
    return ((moment - _EPOCH) // _MICROSECOND,)


def _received(sent: tuple[int]) -> datetime | None:
    try:
        return _EPOCH + sent[0] * _MICROSECOND
    except OverflowError:
        return None
