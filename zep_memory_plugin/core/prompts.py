"""The part of a session that a model is shown when it has room for so many tokens."""

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, case, func, select, union_all

from ..models import Message
from ..tables import messages
from . import checks
from .messages import COLUMNS, read

_TOKENS = bindparam("tokens", type_=BigInteger)
_LIVE = and_(messages.c.session_id == bindparam("session"), messages.c.deleted_at.is_(None))
_FIRST = select(func.min(messages.c.seq)).where(_LIVE).scalar_subquery()
_IS_HEAD = and_(messages.c.seq == _FIRST, messages.c.role_type == "system")
_HEAD_TOKENS = func.coalesce(select(messages.c.token_count).where(_LIVE, _IS_HEAD).scalar_subquery(), 0)


def fitting(connection: Connection, session_id: str, max_tokens: int) -> list[Message]:
    """Return the system message at the head and the newest whole turns that fit beside it, oldest first."""
    place = {"session": checks.session_id(session_id), "tokens": checks.positive("max_tokens", max_tokens)}
    rows = {row.seq: row for row in connection.execute(FITTING, place)}
    found = read(rows[seq] for seq in sorted(rows))
    start = 1 if found and found[0].role_type == "system" else 0
    while len(found) > start and found[start].role_type == "tool":  # where no user ever spoke, a turn has no beginning
        del found[start]
    return found


def _turn_start() -> ColumnElement[int]:
    """Return where the first turn begins that fits as a whole, or else the last turn, or else the newest message."""
    oldest = _oldest_fitting()
    begins = and_(_LIVE, messages.c.role_type == "user")
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= oldest).scalar_subquery()
    last, newest = (
        select(messages.c.seq).where(there).order_by(messages.c.seq.desc()).limit(1).scalar_subquery()
        for there in (begins, _LIVE)
    )
    return case((oldest == _FIRST, oldest), else_=func.coalesce(first, last, oldest, newest))


def _oldest_fitting() -> ColumnElement[int]:
    """Return the place from which on everything fits; NULL where nothing does.

    No more rows are looked at than there may be tokens.
    """
    newest_first = select(messages.c.seq, messages.c.token_count).where(_LIVE).order_by(messages.c.seq.desc())
    row = newest_first.limit(_TOKENS).subquery("newest")
    used = func.sum(row.c.token_count).over(order_by=row.c.seq.desc()).label("used")
    place = select(row.c.seq, used).subquery("place")
    beside = case((place.c.seq == _FIRST, 0), else_=_HEAD_TOKENS)
    return select(func.min(place.c.seq)).where(place.c.used + beside <= _TOKENS).scalar_subquery()


FITTING = union_all(
    select(*COLUMNS).where(_LIVE, _IS_HEAD),
    select(*COLUMNS).where(_LIVE, messages.c.seq >= _turn_start()),
)
"""The head, which may come twice, and the turns, for the session and the tokens that the parameters name.

Two queries, because with OR in one SQLite reads the whole session.
"""
