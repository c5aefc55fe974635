"""The scope of a search in terms of sessions, the same on every database."""

from sqlalchemy import BigInteger, Connection, Select, and_, bindparam, func, or_, select

from ...tables import sessions
from ._protocol import Scope

SAMPLE = 1_000
"""Sessions, the newest ones, from which the number of all messages is reckoned."""

LIVE_SESSION = and_(
    sessions.c.deleted_at.is_(None),
    or_(bindparam("user", type_=sessions.c.user_id.type).is_(None), sessions.c.user_id == bindparam("user")),
)
"""Matches live sessions, and where the parameter `user` is not None only those of that user."""

_LIVE = sessions.c.deleted_at.is_(None)
_OF_SESSION = select(sessions.c.last_seq).where(sessions.c.session_id == bindparam("session"))
_OF_USER = select(func.sum(sessions.c.last_seq)).where(sessions.c.user_id == bindparam("user"), _LIVE)
_newest = (
    select(sessions.c.id, sessions.c.last_seq)
    .where(sessions.c.id > 0)  # every one; it is said so that the index is used
    .order_by(sessions.c.id.desc())
    .limit(SAMPLE)
    .subquery("newest")
)
_OF_NEWEST = select(func.count(), func.max(_newest.c.id), func.sum(_newest.c.last_seq, type_=BigInteger))


def numbers_of(user_id: str) -> Select[tuple[int]]:
    """Return the ids of a user's live sessions."""
    return select(sessions.c.id).where(sessions.c.user_id == user_id, _LIVE)


def size_of(connection: Connection, scope: Scope) -> int:
    """Return about how many messages there are in *scope*, without reading them: deleted ones count too."""
    if scope.session_id is not None:
        return connection.execute(_OF_SESSION, {"session": scope.session_id}).scalar() or 0
    if scope.user_id is not None:
        return int(connection.execute(_OF_USER, {"user": scope.user_id}).scalar() or 0)
    count, last_id, messages = connection.execute(_OF_NEWEST).one()
    if count < SAMPLE:
        return int(messages or 0)
    return int(last_id * messages / count)
