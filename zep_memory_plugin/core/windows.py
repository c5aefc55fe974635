"""The newest part of a session, as a model should see it."""

from sqlalchemy import ColumnElement, Connection, and_, func, select

from ..models import Message
from ..tables import messages
from . import checks
from .messages import COLUMNS, listed, of_session, read


def newest(
    connection: Connection, session_id: str, limit: int | None, max_tokens: int | None, whole_turns: bool
) -> list[Message]:
    """Return the newest messages, oldest first."""
    count, tokens = checks.limit(limit), checks.limit(max_tokens, "max_tokens")
    live = of_session(session_id)
    if count is None and tokens is None:
        return listed(connection, session_id, None, 0)
    if 0 in (count, tokens):
        return []
    query = select(*COLUMNS).where(live)
    if whole_turns or tokens is not None:
        start = _window_start(live, count, tokens)
        query = query.where(messages.c.seq >= (_turn_start(live, start) if whole_turns else start))
        return read(connection.execute(query.order_by(messages.c.seq)))
    return read(reversed(connection.execute(query.order_by(messages.c.seq.desc()).limit(count)).all()))


def _window_start(live: ColumnElement[bool], count: int | None, tokens: int | None) -> ColumnElement[int]:
    """Return the seq of the oldest of the newest *count* messages of at most *tokens* together; NULL where none fits.

    No more rows are looked at than there may be tokens.
    """
    bound = min(value for value in (count, tokens) if value is not None)
    inner = select(messages.c.seq, messages.c.token_count).where(live).order_by(messages.c.seq.desc()).limit(bound)
    rows = inner.subquery("newest")
    if tokens is None:
        return select(func.min(rows.c.seq)).scalar_subquery()
    used = func.sum(rows.c.token_count).over(order_by=rows.c.seq.desc()).label("used")
    fitting = select(rows.c.seq, used).subquery("fitting")
    return select(func.min(fitting.c.seq)).where(fitting.c.used <= tokens).scalar_subquery()


def _turn_start(live: ColumnElement[bool], start: ColumnElement[int]) -> ColumnElement[int]:
    """Return where the first whole turn from *start* on begins, or else the last turn of all."""
    begins = and_(live, messages.c.role_type == "user")
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= start).scalar_subquery()
    last = select(messages.c.seq).where(begins).order_by(messages.c.seq.desc()).limit(1).scalar_subquery()
    return func.coalesce(first, last, start)
