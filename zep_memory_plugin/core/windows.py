"""The newest part of a session, as a model should see it."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, select

from ..models import Message
from ..tables import messages
from . import checks
from .messages import COLUMNS, OF_SESSION, listed, read


def newest(
    connection: Connection, session_id: str, limit: int | None, max_tokens: int | None, whole_turns: bool
) -> list[Message]:
    """Return the newest messages, oldest first."""
    count, tokens = checks.limit(limit), checks.limit(max_tokens, "max_tokens")
    if count is None and tokens is None:
        return listed(connection, session_id, None, 0)
    if 0 in (count, tokens):
        return []
    bounds = {"session": checks.session_id(session_id), "tokens": tokens}
    bounds["count"] = min(bound for bound in (count, tokens) if bound is not None)
    query = _newest(bounded=tokens is not None, whole_turns=whole_turns)
    return read(reversed(connection.execute(query, bounds).all()))


@cache
def _newest(*, bounded: bool, whole_turns: bool) -> Select[Any]:
    """Build the statement for a window of the parameter `count` messages, *bounded* by the parameter `tokens`."""
    query = select(*COLUMNS).where(OF_SESSION).order_by(messages.c.seq.desc())
    if not bounded and not whole_turns:
        return query.limit(bindparam("count"))
    start = _start(bounded=bounded)
    return query.where(messages.c.seq >= (_turn_start(start) if whole_turns else start))


def _start(*, bounded: bool) -> ColumnElement[int]:
    """Return the seq of the window's oldest message; NULL where none fits.

    No more rows are looked at than there may be tokens.
    """
    candidates = select(messages.c.seq, messages.c.token_count).where(OF_SESSION).order_by(messages.c.seq.desc())
    row = candidates.limit(bindparam("count")).subquery("newest")
    if not bounded:
        return select(func.min(row.c.seq)).scalar_subquery()
    used = func.sum(row.c.token_count).over(order_by=row.c.seq.desc()).label("used")
    fitting = select(row.c.seq, used).subquery("fitting")
    return select(func.min(fitting.c.seq)).where(fitting.c.used <= bindparam("tokens")).scalar_subquery()


def _turn_start(start: ColumnElement[int]) -> ColumnElement[int]:
    """Return where the first whole turn from *start* on begins, or else the last turn of all."""
    begins = and_(OF_SESSION, messages.c.role_type == "user")
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= start).scalar_subquery()
    last = select(messages.c.seq).where(begins).order_by(messages.c.seq.desc()).limit(1).scalar_subquery()
    return func.coalesce(first, last, start)
