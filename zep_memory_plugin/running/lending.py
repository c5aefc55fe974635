"""Units of work on a connection of the application, inside of its transaction.

Each unit is a savepoint there, so that one that fails leaves the transaction as it was. None is sent again: what the
application has done in its transaction is not known here. The tables are looked at with each unit until a connection of
the manager has seen them, as those that a unit creates go when the application rolls back.
"""

from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from ..databases import Database, database_of, transaction
from ..databases.lending import lent
from ..databases.prepared import sender
from ..databases.protocol import Settings
from ..errors import InvalidInput
from ..types import LentConnection
from ..units import Unit
from . import schema
from .background import Transaction

_BLOCKING = (Connection, Session, scoped_session)
_AWAITED = (AsyncConnection, AsyncSession, async_scoped_session)

AWAITED = "is one that is awaited; await the calls inside the block, or lend what its run_sync gives you"


def checked(connection: object) -> LentConnection:
    """Check what the application lends.

    Raises:
        InvalidInput: it is no connection and no session of SQLAlchemy's.
    """
    if isinstance(connection, (*_BLOCKING, *_AWAITED)):
        return connection
    raise InvalidInput(
        "connection", f"is a {type(connection).__name__}; lend a Connection, a Session, or one that is awaited"
    )


def is_awaited(given: LentConnection) -> bool:
    """Tell whether what the application has lent is awaited."""
    return isinstance(given, _AWAITED)


def connection_of(given: LentConnection) -> Connection:
    """Return the connection of what a blocking caller has lent.

    Raises:
        InvalidInput: it is one that has to be awaited.
    """
    if isinstance(given, Connection):
        return given
    if isinstance(given, Session | scoped_session):
        return given.connection()
    raise InvalidInput("connection", AWAITED)


async def awaited_connection_of(given: LentConnection) -> AsyncConnection:
    """Return the connection of what an async caller has lent, which is awaited."""
    if isinstance(given, AsyncSession | async_scoped_session):
        return await given.connection()
    return cast("AsyncConnection", given)


def transaction_of(given: LentConnection) -> Transaction | None:
    """Return the transaction that is open on what was lent, if one is."""
    if isinstance(given, scoped_session | async_scoped_session):
        given = cast("Session | AsyncSession", given())
    if isinstance(given, AsyncSession):
        given = given.sync_session
    return given.get_transaction()


def carried_out(connection: Connection, unit: Unit, database: Database, settings: Settings, *, prepared: bool) -> Any:
    """Carry out *unit* on *connection*, in the transaction of that if it has one or begins one."""
    kind = settings.url.get_backend_name()
    if connection.dialect.name != kind:
        raise InvalidInput("connection", f"leads to {connection.dialect.name}, and the manager's database is {kind}")
    with database.joined(connection, settings):
        if not database.joins(connection):
            return operated(connection, unit, prepared=prepared)
        with lent(connection):
            if unit.writes or not prepared:
                database.begin_joined(connection)
            with transaction(connection):
                return operated(connection, unit, prepared=prepared)


def operated(connection: Connection, unit: Unit, *, prepared: bool = True) -> Any:
    """Return what *unit* comes to, on tables that are looked at before where they are not *prepared*."""
    if not prepared:
        schema.prepare(connection)
    if unit.user_id is None:
        return _operated(connection, unit)
    with database_of(connection).held_to(connection, unit.user_id, reads=not unit.writes):
        return _operated(connection, unit)


def _operated(connection: Connection, unit: Unit) -> Any:
    if not unit.in_transaction:
        return unit.operation(connection)
    with transaction(connection, sender(connection)):
        return unit.operation(connection)
