"""Rows of other libraries' tables, read as they are at one moment, some at a time, and never written to."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, MetaData, Table, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from ..errors import InvalidInput, ZepMemoryError, shown

ROWS_AT_ONCE = 1_000
"""Rows that are in memory."""


def rows(database: str, table: str, columns: Sequence[str], order: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of *table* in an *order*, with those of *columns* that it has.

    Raises:
        InvalidInput: there is no such database or table.
    """
    engine = _engine(database)
    try:
        yield from _read(engine, table, columns, order)
        return
    except NoSuchTableError:
        problem: ZepMemoryError = InvalidInput("source", f"has no table {shown(table)}; name the one that it has")
    except SQLAlchemyError:
        problem = InvalidInput("source", "cannot be read")
    finally:
        engine.dispose()
    raise problem  # without the driver's error, whose words may hold a password or text of a conversation


def _read(engine: Engine, table: str, columns: Sequence[str], order: Sequence[str]) -> Iterator[Any]:
    options = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE}
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        there = Table(table, MetaData(), autoload_with=connection)
        missing = [name for name in order if name not in there.c]
        if missing:
            raise InvalidInput("source", f"has a table {shown(table)} without a column {missing[0]}")
        query = select(*(there.c[name] for name in columns if name in there.c)).order_by(*(there.c[n] for n in order))
        yield from connection.execution_options(**options).execute(query)


def _engine(database: str) -> Engine:
    url = _url(database)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return create_engine("sqlite://", creator=lambda: _read_only(url.database or ""))
    if backend == "postgresql":
        return create_engine(url.set(drivername="postgresql+psycopg"))
    raise InvalidInput("source", f"is a database of {backend}; those of SQLite and Postgres are read")


def _url(database: str) -> URL:
    with suppress(ArgumentError, ValueError):
        return make_url(database if "://" in database else f"sqlite:///{database}")
    raise InvalidInput("source", "is neither the URL of a database nor the path of an SQLite file")


def _read_only(path: str) -> sqlite3.Connection:
    """Connect to a file so that nothing in it changes, not even how it is written to."""
    if not Path(path).is_file():
        raise InvalidInput("source", f"is {shown(path)}, where no file is")
    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, check_same_thread=False)


def in_utc(moment: object) -> datetime | None:
    """Return a *moment*, of UTC where it has no timezone."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
