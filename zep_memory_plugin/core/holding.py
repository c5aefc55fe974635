"""Holding sessions and users, and releasing them.

A hold takes the locks that a deletion takes, so that the one that comes second sees the first.
"""

from sqlalchemy import Connection, Table, delete, select

from ..databases import database_of
from ..tables import session_holds, sessions, user_holds
from ..units import Stamp
from . import checks, users
from . import sessions as session_rows


def hold_session(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None = None) -> None:
    """Hold a session, live or soft-deleted."""
    checked = checks.session_id(session_id)
    session_rows.lock(connection, checked, user_id)
    _hold(connection, stamp, session_holds, session_id=checked)


def hold_user(connection: Connection, stamp: Stamp, user_id: str) -> None:
    """Hold a user, and all sessions that are or will be theirs."""
    checked = checks.user_id(user_id)
    users.lock(connection, checked)
    theirs = select(sessions.c.session_id).where(sessions.c.user_id == checked).order_by(sessions.c.session_id)
    connection.execute(theirs.with_for_update())
    _hold(connection, stamp, user_holds, user_id=checked)


def release_session(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None = None) -> None:
    """Let a session go again; one that is not held is left as it is."""
    checked = checks.session_id(session_id)
    session_rows.lock(connection, checked, user_id)
    connection.execute(delete(session_holds).where(session_holds.c.session_id == checked))


def release_user(connection: Connection, stamp: Stamp, user_id: str) -> None:
    """Let a user go again; one who is not held is left as they are."""
    checked = checks.user_id(user_id)
    users.lock(connection, checked)
    connection.execute(delete(user_holds).where(user_holds.c.user_id == checked))


def _hold(connection: Connection, stamp: Stamp, table: Table, **key: str) -> None:
    held = database_of(connection).insert(table).values(**key, held_at=stamp.now)
    connection.execute(held.on_conflict_do_nothing())
