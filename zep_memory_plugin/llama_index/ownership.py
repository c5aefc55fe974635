"""Whose session it is: nobody reads the session of another user by its id."""

from ..errors import SessionNotFound, SessionOwnedByAnotherUser
from ..manager import SessionManager
from ..models import Session


def check_owner(manager: SessionManager, session_id: str, user_id: str | None) -> None:
    """Check that *user_id*, when given, may read a session: it is theirs, nobody's, or not there.

    Raises:
        SessionOwnedByAnotherUser: it is someone else's.
    """
    if user_id is None:
        return
    try:
        session = manager.get_session(session_id)
    except SessionNotFound:
        return
    _check(session, user_id)


async def acheck_owner(manager: SessionManager, session_id: str, user_id: str | None) -> None:
    """Check that *user_id*, when given, may read a session. See `check_owner`."""
    if user_id is None:
        return
    try:
        session = await manager.aget_session(session_id)
    except SessionNotFound:
        return
    _check(session, user_id)


def _check(session: Session, user_id: str) -> None:
    if session.user_id not in (None, user_id):
        raise SessionOwnedByAnotherUser(session.session_id, user_id)
