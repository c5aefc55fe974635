"""States: what an application keeps of a session or a user beside the messages.

A state is text that is stored as it is, neither merged nor searched. It has a revision of its own, so that of two who
changed what they both had read one is told.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, case, delete, select

from ..databases import database_of
from ..errors import InvalidInput, SessionNotFound, StateChanged
from ..models import State, stored
from ..tables import branches, session_states, sessions, user_states
from ..units import Stamp
from . import checks, ownership
from . import sessions as session_rows
from . import users as user_rows
from .chunks import chunked


def of_session(connection: Connection, session_id: str, user_id: str | None) -> State | None:
    """Return the state of a live session, or None where it has none."""
    key, owner = checks.session_id(session_id), checks.optional_user_id(user_id)
    same = sessions.c.session_id == session_states.c.session_id
    live = (sessions.c.session_id == key, sessions.c.deleted_at.is_(None))
    query = select(sessions.c.user_id, *_columns(session_states)).where(*live)
    row = connection.execute(query.outerjoin_from(sessions, session_states, same)).first()
    if row is None:
        ownership.refuse(connection, key, owner)
        raise SessionNotFound(key)
    ownership.check(key, row.user_id, owner)
    return _state(row)


def of_user(connection: Connection, user_id: str) -> State | None:
    """Return the state of a user, or None where they have none."""
    key = checks.user_id(user_id)
    row = connection.execute(select(*_columns(user_states)).where(user_states.c.user_id == key)).first()
    if row is None:
        user_rows.get(connection, key)
    return None if row is None else _state(row)


def set_of_session(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    state: str,
    user_id: str | None,
    expected_revision: int | None,
) -> State:
    """Set the state of a live session, which is a write of the session."""
    key, text = checks.session_id(session_id), _given(state)
    session_rows.lock_live(connection, key, user_id)
    _expect(connection, stamp, session_states, key, expected_revision)
    session_rows.write(connection, stamp, key)
    return put(connection, stamp, session_states, key, text)


def set_of_user(connection: Connection, stamp: Stamp, user_id: str, state: str, expected_revision: int | None) -> State:
    """Set the state of a user."""
    key, text = checks.user_id(user_id), _given(state)
    user_rows.lock(connection, key)
    _expect(connection, stamp, user_states, key, expected_revision)
    return put(connection, stamp, user_states, key, text)


def put(connection: Connection, stamp: Stamp, table: Table, key: str, text: str) -> State:
    """Store the state of what is locked, and return it; sent again, it is the same write."""
    first = {_key(table).name: key, "content": text, "revision": 1, "updated_at": stamp.now}
    inserted = database_of(connection).insert(table).values(first)
    again = case((table.c.updated_at == stamp.now, 0), else_=1)
    revision = table.c.revision + (1 if stamp.attempt == 1 else again)
    upserted = inserted.on_conflict_do_update(
        index_elements=[_key(table)], set_={"content": text, "revision": revision, "updated_at": stamp.now}
    )
    return stored(State, _fields(connection.execute(upserted.returning(*_columns(table))).one()))


def copy(connection: Connection, stamp: Stamp, source: str, target: str) -> None:
    """Give a new session the state of another."""
    row = _row(connection, session_states, source)
    if row is not None:
        put(connection, stamp, session_states, target, row.content)


def remove(connection: Connection, session_ids: Sequence[str]) -> None:
    """Remove the states and branches of sessions that go for good."""
    for chunk in chunked(session_ids):
        for table in (session_states, branches):
            connection.execute(delete(table).where(table.c.session_id.in_(chunk)))


def _given(state: object) -> str:
    text = checks.state(state)
    if text is None:
        raise InvalidInput("state", "is None, not text")
    return text


def _expect(connection: Connection, stamp: Stamp, table: Table, key: str, revision: object) -> None:
    expected, row = checks.revision(revision), _row(connection, table, key)
    there = 0 if row is None else row.revision
    written_before = stamp.attempt > 1 and row is not None and row.updated_at == stamp.now
    if expected is not None and there != expected and not written_before:
        raise StateChanged(key, expected, there)


def _row(connection: Connection, table: Table, key: str) -> Row[Any] | None:
    return connection.execute(select(*_columns(table)).where(_key(table) == key)).first()


def _state(row: Row[Any]) -> State | None:
    return None if row.revision is None else stored(State, _fields(row))


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {name: row._mapping[name] for name in State.model_fields}


def _columns(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in State.model_fields]


def _key(table: Table) -> Column[Any]:
    return table.c.session_id if table is session_states else table.c.user_id
