"""Whose session it is: what one user owns is out of reach for every other.

1. No user is named: every session is in reach.
2. A user is named, and the session is theirs, nobody's or not there: it is in reach.
3. A user is named, and the session is someone else's: `SessionOwnedByAnotherUser`, and nothing is read or written.
4. A `Tenant` is named, by `SessionManager.as_user`: only what is theirs is in reach, and all else is as if it were not
   there, in what is returned, in what is raised and in the statements that are sent.

A write asks when it locks the session's row. A read has `IN_REACH` among its conditions, so that its rows are of a
moment at which the session was in reach; only when it has none, `refuse` tells whether that is why.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from ..errors import SessionNotFound, SessionOwnedByAnotherUser
from ..tables import sessions

_OWNER = select(sessions.c.user_id).where(sessions.c.session_id == bindparam("session"))

_USER_ID = sessions.c.user_id.type

IN_REACH = (
    select(sessions.c.session_id)
    .where(
        sessions.c.session_id == bindparam("session"),
        func.coalesce(sessions.c.user_id, bindparam("nobody", type_=_USER_ID)) == bindparam("owner", type_=_USER_ID),
    )
    .exists()
)
"""Holds when the session of the parameter `session` is in reach of the user whose `parameters` are given."""


class Tenant(str):
    """The id of a user who has no session but their own."""

    __slots__ = ()


def parameters(user_id: str | None, **others: object) -> dict[str, Any]:
    """Return the parameters of `IN_REACH`, the user and who a session of nobody counts as, beside the *others*."""
    return {"owner": user_id, "nobody": None if isinstance(user_id, Tenant) else user_id, **others}


def check(session_id: str, owner: str | None, user_id: str | None) -> None:
    """Refuse *user_id* a session of another *owner*.

    Raises:
        SessionNotFound: it is not the tenant's.
        SessionOwnedByAnotherUser: it is someone else's.
    """
    if in_reach(owner, user_id):
        return
    if isinstance(user_id, Tenant):
        raise SessionNotFound(session_id)
    raise SessionOwnedByAnotherUser(session_id, str(user_id))


def shows(session_id: str, owner: str | None, user_id: str | None) -> bool:
    """Tell whether *user_id* is shown anything of a session of *owner*.

    Raises:
        SessionOwnedByAnotherUser: it is someone else's, and no tenant asks.
    """
    if not isinstance(user_id, Tenant):
        check(session_id, owner, user_id)
    return in_reach(owner, user_id)


def in_reach(owner: str | None, user_id: str | None) -> bool:
    """Tell whether a session of *owner* is in reach of *user_id*."""
    if isinstance(user_id, Tenant):
        return owner == user_id
    return user_id is None or owner is None or owner == user_id


def refuse(connection: Connection, session_id: str, user_id: str | None) -> None:
    """Refuse *user_id* a session of another user, of which a read in reach had no rows.

    Raises:
        SessionOwnedByAnotherUser: it is someone else's.
    """
    if user_id is not None and not isinstance(user_id, Tenant):
        owner = connection.execute(_OWNER, {"session": session_id}).scalar()
        check(session_id, owner, user_id)


def hides(connection: Connection, session_id: str | None, user_id: str | None) -> bool:
    """Tell whether a session that is to be searched is not the tenant's; it cannot become someone else's unnoticed."""
    if session_id is None or not isinstance(user_id, Tenant):
        return False
    return not in_reach(connection.execute(_OWNER, {"session": session_id}).scalar(), user_id)
