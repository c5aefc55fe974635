"""The newest part of a session, as a model should see it."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, func, select

from ..dialects.prepared import Prepared
from ..models import Message
from ..tables import messages
from . import checks
from .messages import COLUMNS, OF_SESSION, listed, read

_UNTIL = and_(OF_SESSION, messages.c.seq <= bindparam("until"))


def newest(
    connection: Connection,
    session_id: str,
    limit: int | None,
    max_tokens: int | None,
    whole_turns: bool,
    until_seq: int | None,
) -> list[Message]:
    """Return the newest messages, oldest first: of all, or of those up to the place *until_seq*."""
    count, tokens = checks.limit(limit), checks.limit(max_tokens, "max_tokens")
    until = checks.limit(until_seq, "until_seq")
    if count is None and tokens is None and until is None:
        return listed(connection, session_id, None, 0)
    if 0 in (count, tokens):
        return []
    bounds = {"session": checks.session_id(session_id), "tokens": tokens, "until": until}
    bounds["count"] = min((bound for bound in (count, tokens) if bound is not None), default=None)
    query = _newest(
        counted=bounds["count"] is not None,
        bounded=tokens is not None,
        whole_turns=whole_turns,
        until=until is not None,
    )
    return read(reversed(query.rows(connection, bounds)))


@cache
def _newest(*, counted: bool, bounded: bool, whole_turns: bool, until: bool) -> Prepared:
    return Prepared(_newest_statement(counted=counted, bounded=bounded, whole_turns=whole_turns, until=until))


def _newest_statement(*, counted: bool, bounded: bool, whole_turns: bool, until: bool) -> Select[Any]:
    """Build the statement for a window of the parameter `count` messages, *bounded* by the parameter `tokens`.

    Not *counted*, it is for all messages; with *until*, what came after the place `until` is as if it were not there.
    """
    live = _UNTIL if until else OF_SESSION
    query = select(*COLUMNS).where(live).order_by(messages.c.seq.desc())
    if not counted:
        return query
    if not bounded and not whole_turns:
        return query.limit(bindparam("count"))
    start = _start(live, bounded=bounded)
    return query.where(messages.c.seq >= (_turn_start(live, start) if whole_turns else start))


def _start(live: ColumnElement[bool], *, bounded: bool) -> ColumnElement[int]:
    """Return the seq of the window's oldest message; NULL where none fits.

    No more rows are looked at than there may be tokens.
    """
    candidates = select(messages.c.seq, messages.c.token_count).where(live).order_by(messages.c.seq.desc())
    row = candidates.limit(bindparam("count")).subquery("newest")
    if not bounded:
        return select(func.min(row.c.seq)).scalar_subquery()
    used = func.sum(row.c.token_count, type_=BigInteger).over(order_by=row.c.seq.desc()).label("used")
    fitting = select(row.c.seq, used).subquery("fitting")
    return select(func.min(fitting.c.seq)).where(fitting.c.used <= bindparam("tokens")).scalar_subquery()


def _turn_start(live: ColumnElement[bool], start: ColumnElement[int]) -> ColumnElement[int]:
    """Return where the first whole turn from *start* on begins, or else the last turn of all."""
    begins = and_(live, messages.c.role_type == "user")
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= start).scalar_subquery()
    last = select(messages.c.seq).where(begins).order_by(messages.c.seq.desc()).limit(1).scalar_subquery()
    return func.coalesce(first, last, start)
