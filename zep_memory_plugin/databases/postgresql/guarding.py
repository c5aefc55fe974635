"""Row-level security: the server itself holds a tenant to what is theirs.

Its policies compare rows with a setting that holds for one transaction, as no setting outlives one behind a pooler; it
has to be there before a row is looked at. So:

1. A transaction of ours begins with it.
2. An append, one statement, and a read in autocommit have it in a condition without columns, which the server asks
   once and before all that the condition is for.

A connection says, when it is opened, whether policies hold for its role. Without the setting they match no row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, event, func, literal_column, select

from ...tables import (
    branches,
    message_embeddings,
    messages,
    session_holds,
    session_states,
    sessions,
    summaries,
    user_holds,
    user_states,
    users,
)
from ..lending import is_lent
from ..naming import Names
from ..prepared import WATCHED

SETTING = "zep_memory.user_id"
"""The setting with the user of a transaction."""

GUARDED = "zep_memory_guarded"
"""The key under which a connection says that policies hold for it."""

_USER = "zep_memory_user"
"""The key under which a guarded connection has whom its unit of work is for."""

_BEFORE = "before_cursor_execute"
_READ = "WITH zep_read AS MATERIALIZED ({read}) SELECT zep_read.* FROM zep_read WHERE ({setting}) IS NOT NULL"
"""A query in which the rows of another are asked for once the setting is there."""


_OF_USERS = (users, sessions, user_states, user_holds)
_OF_SESSIONS = (messages, summaries, message_embeddings, session_states, session_holds, branches)


def is_for_tenant(connection: Connection) -> bool:
    """Tell whether a unit of work on *connection* is for a tenant whom policies hold to what is theirs."""
    return _USER in connection.info


def setting_of_owner() -> ColumnElement[bool]:
    """Return the condition of a statement that gives the setting the value of its parameter `owner`."""
    given = func.set_config(literal_column(f"'{SETTING}'"), bindparam("owner"), literal_column("true"))
    return select(given).scalar_subquery().is_not(None)


def begin(connection: Connection) -> None:
    """Give the setting its value for a transaction that has just begun."""
    if is_for_tenant(connection):
        _set(connection, connection.info[_USER])


@contextmanager
def held_to(connection: Connection, user_id: str, *, reads: bool) -> Iterator[None]:
    """Hold a unit of work, which only *reads* or also writes, to what is the user's, where policies do so."""
    if GUARDED not in connection.info:
        yield
    elif is_lent(connection):
        yield from _held_in_transaction(connection, user_id)
    else:
        yield from _held(connection, user_id, reads)


def _held(connection: Connection, user_id: str, reads: bool) -> Iterator[None]:
    info: dict[Any, Any] = connection.info
    info[_USER] = user_id
    if reads:
        info[WATCHED] = True
        event.listen(connection, _BEFORE, _with_setting, retval=True)
    try:
        yield
    finally:
        del info[_USER]
        if reads:
            del info[WATCHED]
            event.remove(connection, _BEFORE, _with_setting)


def _held_in_transaction(connection: Connection, user_id: str) -> Iterator[None]:
    """Hold the setting for a part of the application's transaction, which goes on with its own."""
    before = connection.execute(select(func.current_setting(SETTING, True))).scalar()
    _set(connection, user_id)
    yield
    _set(connection, before or "")  # a savepoint that is rolled back has done so already


def _set(connection: Connection, user_id: str) -> None:
    connection.execute(select(func.set_config(SETTING, user_id, True)))


def _with_setting(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, several: bool
) -> tuple[str, Any]:
    """Return a query that gives the setting its value before it reads a row."""
    user_id = connection.info[_USER]
    if isinstance(parameters, dict):
        return _after_setting(statement, f"%({_USER})s"), {**parameters, _USER: user_id}
    place = "%s" if connection.dialect.driver.startswith("psycopg") else f"${len(parameters) + 1}"
    return _after_setting(statement, place), (*parameters, user_id)


def _after_setting(statement: str, place: str) -> str:
    return _READ.format(read=statement, setting=f"SELECT set_config('{SETTING}', {place}, true)")


def asked(names: Names) -> str:
    """Return the expression that tells whether policies hold for the tables with *names* and the role that asks."""
    table = names.of(sessions.name).replace("'", "''")
    return f"row_security_active(to_regclass('{table}'))"


def policies() -> Sequence[str]:
    """Return the statements that guard all tables with text in them; they begin with those of users and sessions."""
    of_users = dict.fromkeys(_OF_USERS, f"user_id = current_setting('{SETTING}', true)")
    of_sessions = {table: _of_their_session(table) for table in _OF_SESSIONS}
    return [statement for table, rows in (of_users | of_sessions).items() for statement in _guarding(table, rows)]


def _of_their_session(table: Table) -> str:
    """Return the condition for rows whose session is in sight, as the policy of sessions has it."""
    return f"EXISTS (SELECT FROM {sessions.name} WHERE {sessions.name}.session_id = {table.name}.session_id)"


def _guarding(table: Table, rows: str) -> tuple[str, str]:
    return (
        f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY {table.name}_of_tenant ON {table.name} USING ({rows}) WITH CHECK ({rows})",
    )
