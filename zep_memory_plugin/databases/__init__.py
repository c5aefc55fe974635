"""What differs between databases: one package for each, behind the protocol `Database`; what they share is beside them.

Here: connections and their settings, statements in a database's own words, its search index, what its errors mean.
Not here: what an operation does (`core`), and when and where a unit of work runs (`running`).

A new database is a package, named as SQLAlchemy names it, with a class `Database`, and a word in `_KINDS`; it is
imported on first use.
"""

from contextlib import suppress
from functools import cache
from importlib import import_module

from sqlalchemy import Connection

from ..errors import InvalidInput, shown
from .lending import SAVEPOINT, is_lent
from .protocol import Append, Appended, Database, SearchIndex, Send, filled

__all__ = [
    "Append",
    "Appended",
    "Database",
    "SearchIndex",
    "database_named",
    "database_of",
    "filled",
    "index_of",
    "transaction",
]

_KINDS = ("postgresql", "sqlite")


@cache
def database_named(name: str) -> Database:
    """Return what is known about the database *name*, SQLAlchemy's word for it."""
    if name not in _KINDS:
        raise InvalidInput("database", f"is of kind {shown(name)}; allowed are {', '.join(_KINDS)}")
    database: Database = import_module(f".{name}", __package__).Database()
    return database


def database_of(connection: Connection) -> Database:
    """Return what is known about the database behind *connection*."""
    return database_named(connection.dialect.name)


def index_of(connection: Connection) -> SearchIndex:
    """Return the search index of the database behind *connection*."""
    return database_of(connection).index


class transaction:  # noqa: N801 - it reads as the function that it is for its callers
    """Run a block in one transaction that may write; whatever leaves the block rolls all of it back.

    Connections are in autocommit, so what the block does between BEGIN and COMMIT is just what is sent. *send* sends
    these two; by default the connection does, so that it knows and whoever is handed it does not end the transaction.

    On a connection that the application lends, it is a savepoint in the application's transaction.

    Not a generator: one would be left standing, with the transaction open, by an interrupt on the way into the block.
    """

    def __init__(self, connection: Connection, send: Send | None = None) -> None:
        self._connection = connection
        self._send = send or connection.exec_driver_sql
        self._database = database_of(connection)
        self._is_lent = is_lent(connection)

    def __enter__(self) -> None:
        try:
            self._begin()
        except BaseException as error:
            self._roll_back(error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._roll_back(error)
            return
        try:
            self._send(f"RELEASE SAVEPOINT {SAVEPOINT}" if self._is_lent else "COMMIT")
        except BaseException as failure:
            self._roll_back(failure)
            raise

    def _begin(self) -> None:
        if self._is_lent:
            self._send(f"SAVEPOINT {SAVEPOINT}")
        else:
            self._database.begin(self._connection, self._send)

    def _roll_back(self, error: BaseException) -> None:
        """End the transaction, or where that fails the connection, so that no pool gets it back half-way.

        After an interrupt nothing may be waited for; whoever holds the connection ends it.
        """
        if self._connection.invalidated:
            return
        if self._is_lent:
            self._roll_back_to_savepoint()
            return
        if not isinstance(error, Exception):
            self._database.undo(self._connection.connection.driver_connection)
            return
        try:
            self._database.roll_back(self._connection)
        except Exception:  # of whatever kind, it is the first error that counts
            self._connection.invalidate()

    def _roll_back_to_savepoint(self) -> None:
        """Leave the application's transaction as it was; where that fails, it is the application's to roll back."""
        with suppress(Exception):
            self._send(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            self._send(f"RELEASE SAVEPOINT {SAVEPOINT}")
