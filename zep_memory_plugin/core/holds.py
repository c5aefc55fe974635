"""Holds: what must not go, whoever deletes or erases it, and whenever a purge comes by.

Here: what is held, and refusing to let it go. Not here: holding and releasing, which is `holding`.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, exists, or_, select, union_all

from ..errors import Held
from ..models import Hold, stored
from ..tables import session_holds, sessions, user_holds

_HELD = union_all(
    select(session_holds.c.session_id),
    # Not as a join, for which SQLite would read all sessions.
    select(sessions.c.session_id).where(sessions.c.user_id.in_(select(user_holds.c.user_id))),
)
"""Selects the sessions that are held, or whose user is."""


def is_free(session_id: Column[Any]) -> ColumnElement[bool]:
    """Match rows that belong to no held session, those of *session_id*."""
    return session_id.not_in(_HELD)


def refuse_session(connection: Connection, session_id: str, owner: str | None) -> None:
    """Keep a locked session of an *owner* from being deleted.

    Raises:
        Held: it is held, or its user is.
    """
    of_session = exists().where(session_holds.c.session_id == session_id)
    of_user = exists().where(user_holds.c.user_id == owner)
    if connection.execute(select(or_(of_session, of_user))).scalar_one():
        raise Held("session", session_id)


def refuse_move(connection: Connection, session_id: str, owner: str | None) -> None:
    """Keep a locked session of an *owner* from going to someone else, with whom it would be held no longer.

    Raises:
        Held: its user is held.
    """
    if connection.execute(select(exists().where(user_holds.c.user_id == owner))).scalar_one():
        raise Held("session", session_id)


def refuse_user(connection: Connection, user_id: str) -> None:
    """Keep a locked user from being erased.

    Raises:
        Held: they are held, or a session of theirs is.
    """
    of_user = exists().where(user_holds.c.user_id == user_id)
    theirs = and_(sessions.c.session_id == session_holds.c.session_id, sessions.c.user_id == user_id)
    if connection.execute(select(or_(of_user, exists().where(theirs)))).scalar_one():
        raise Held("user", user_id)


def listed(connection: Connection) -> list[Hold]:
    """Return all holds, those of sessions first."""
    rows = [
        *connection.execute(select(session_holds).order_by(session_holds.c.session_id)),
        *connection.execute(select(user_holds).order_by(user_holds.c.user_id)),
    ]
    return [stored(Hold, {"session_id": None, "user_id": None, **row._mapping}) for row in rows]
