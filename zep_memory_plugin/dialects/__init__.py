"""What differs between databases, behind one small protocol.

A new database is a module here, named as SQLAlchemy names it, and a word in `_NAMES`; it is imported on first use.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InvalidInput, shown
from ._protocol import Append, Appended, JsonScalar, Row, Send, SqlDialect, filled

__all__ = [
    "Append",
    "Appended",
    "JsonScalar",
    "Row",
    "Send",
    "SqlDialect",
    "dialect_named",
    "dialect_of",
    "filled",
    "transaction",
]

_NAMES = ("postgresql", "sqlite")


@cache
def dialect_named(name: str) -> SqlDialect:
    """Return what is known about the database *name*, SQLAlchemy's word for it."""
    if name not in _NAMES:
        raise InvalidInput("database", f"is of kind {shown(name)}; allowed are {', '.join(_NAMES)}")
    dialect: SqlDialect = import_module(f".{name}", __package__).Dialect()
    return dialect


def dialect_of(connection: Connection) -> SqlDialect:
    """Return what is known about the database behind *connection*."""
    return dialect_named(connection.dialect.name)


@contextmanager
def transaction(connection: Connection, send: Send | None = None) -> Iterator[None]:
    """Run the block in one transaction that may write; an error rolls all of it back.

    Connections are in autocommit, so what the block does between BEGIN and COMMIT is just what is sent. *send* sends
    these two; by default the connection does, so that it knows and whoever is handed it does not end the transaction.
    """
    sending = send or connection.exec_driver_sql
    dialect_of(connection).begin(connection, sending)
    try:
        yield
        sending("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: Connection) -> None:
    """End the transaction, or where that fails the connection, so that no pool gets it back half-way."""
    if connection.invalidated:
        return
    try:
        dialect_of(connection).roll_back(connection)
    except (SQLAlchemyError, OSError):
        connection.invalidate()
