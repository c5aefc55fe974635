"""The scope of a search in terms of sessions, the same on every database."""

from sqlalchemy import BigInteger, Connection, Select, String, and_, bindparam, func, or_, select

from ..tables import sessions
from .protocol import Scope

SAMPLE = 1_000
"""Sessions, the newest ones, from which the number of all messages is reckoned."""

_session, _user = (bindparam(name, type_=String) for name in ("session", "user"))

LIVE_SESSION = and_(
    sessions.c.deleted_at.is_(None),
    or_(_user.is_(None), sessions.c.user_id == _user, and_(sessions.c.user_id.is_(None), _session.is_not(None))),
)
"""Matches live sessions of whose text a search may show some, as of the moment of the statement that reads it.

By the parameters of a scope. Where it names no user, that is any session; where it names one, it is one of theirs, or
in a session that it names, too, one of nobody. Which session that is, is no part of this.
"""

OF_USER = and_(sessions.c.user_id == bindparam("user"), sessions.c.deleted_at.is_(None))
"""Matches the live sessions of the parameter `user`."""

_SIZE_OF_SESSION = select(sessions.c.last_seq).where(sessions.c.session_id == bindparam("session"))
_SIZE_OF_USER = select(func.sum(sessions.c.last_seq)).where(OF_USER)
_newest = (
    select(sessions.c.id, sessions.c.last_seq)
    .where(sessions.c.id > 0)  # which they all are; so the index is used
    .order_by(sessions.c.id.desc())
    .limit(SAMPLE)
    .subquery("newest")
)
_SIZE_OF_NEWEST = select(func.count(), func.max(_newest.c.id), func.sum(_newest.c.last_seq, type_=BigInteger))


def size_of(connection: Connection, scope: Scope) -> int:
    """Return about how many messages there are in *scope*, without reading them: deleted ones count too."""
    if scope.session_id is not None or scope.user_id is not None:
        query: Select[int] = _SIZE_OF_USER if scope.session_id is None else _SIZE_OF_SESSION
        return int(connection.execute(query, scope.parameters).scalar() or 0)
    count, last_id, messages = connection.execute(_SIZE_OF_NEWEST).one()
    if count < SAMPLE:
        return int(messages or 0)
    return int(last_id * messages / count)
