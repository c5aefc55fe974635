"""The newest part of a session, as a model should see it.

A window is bounded by messages, by turns, by tokens or by several of them. It may begin with a whole turn, keep the
system message at the head of the session and the latest summary, and look at the session as it was at an earlier seq.
Whatever it is, it is one statement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, SelectBase, and_, bindparam, case, func, select, union_all

from ..databases.prepared import Prepared
from ..models import Memory, Message, stored
from ..tables import messages
from ..types import WindowBounds
from . import checks, ownership, summaries
from .messages import COLUMNS, NEAR_END, listed, of_session, read


@dataclass(frozen=True, slots=True)
class Window:
    """Which bounds a window has; their values are parameters: `count`, `tokens`, `before_turn`, `until`."""

    by_count: bool
    by_tokens: bool
    whole_turns: bool
    by_turns: bool = False
    until: bool = False
    with_head: bool = False
    of_owner: bool = False

    @property
    def is_bounded(self) -> bool:
        return self.by_count or self.by_tokens or self.by_turns

    @property
    def is_plain(self) -> bool:
        """Whether it is so many of the newest messages, whatever they are."""
        return self.by_count and not (self.by_tokens or self.by_turns or self.whole_turns or self.with_head)

    @property
    def live(self) -> ColumnElement[bool]:
        """Match the messages that the window is cut from."""
        live = of_session(of_owner=self.of_owner)
        return and_(live, messages.c.seq <= bindparam("until", type_=BigInteger)) if self.until else live


def newest(
    connection: Connection,
    session_id: str,
    limit: int | None,
    turns: int | None,
    max_tokens: int | None,
    whole_turns: bool,
    until_seq: int | None,
    user_id: str | None = None,
) -> list[Message]:
    """Return the newest messages, oldest first: of all, or of those up to the seq *until_seq*."""
    window, parameters = _asked(session_id, bounds(limit, turns, max_tokens), until_seq, user_id)
    if not window.is_bounded and not window.until:
        return listed(connection, session_id, None, 0, user_id=user_id)
    window = replace(window, whole_turns=whole_turns or window.by_turns)
    return _shown(window, read(_in_order(_sent(connection, window, parameters)), session_id))


def prompt(
    connection: Connection,
    session_id: str,
    limit: int | None,
    turns: int | None,
    max_tokens: int | None,
    until_seq: int | None,
    user_id: str | None = None,
) -> Memory:
    """Return the system message at the head, the newest whole turns that fit beside it, and the latest summary."""
    if max_tokens is not None:
        checks.positive("max_tokens", max_tokens)
    window, parameters = _asked(session_id, bounds(limit, turns, max_tokens), until_seq, user_id)
    window = replace(window, whole_turns=True, with_head=True)
    rows, summary = summaries.parted(_sent(connection, window, parameters), session_id)
    messages = _shown(window, read(_in_order(rows), session_id))
    return stored(Memory, {"messages": messages, "summary": summary})


def bounds(limit: int | None = None, turns: int | None = None, max_tokens: int | None = None) -> WindowBounds:
    """Check the bounds of a window."""
    return {
        "limit": checks.limit(limit),
        "turns": checks.limit(turns, "turns"),
        "max_tokens": checks.limit(max_tokens, "max_tokens"),
    }


def _asked(
    session_id: str, given: WindowBounds, until_seq: int | None, user_id: str | None
) -> tuple[Window, dict[str, Any]]:
    """Return the window that is asked for, and the values of its bounds."""
    count, turns, tokens = given.get("limit"), given.get("turns"), given.get("max_tokens")
    until, owner = checks.limit(until_seq, "until_seq"), checks.optional_user_id(user_id)
    window = Window(
        by_count=count is not None,
        by_turns=turns is not None,
        by_tokens=tokens is not None,
        whole_turns=False,
        until=until is not None,
        of_owner=owner is not None,
    )
    # No more messages are looked at than there may be tokens.
    most = 0 if turns == 0 else min((bound for bound in (count, tokens) if bound is not None), default=None)
    before = {} if turns is None else {"before_turn": turns - 1}
    checked = checks.session_id(session_id)
    return window, ownership.parameters(owner, session=checked, tokens=tokens, until=until, count=most, **before)


def _sent(connection: Connection, window: Window, parameters: dict[str, Any]) -> Sequence[Any]:
    """Return the rows of a window, of which some may come twice; a session that is out of reach is refused."""
    rows = _rows(connection, window, parameters) if parameters["count"] != 0 else ()
    if not rows:
        ownership.refuse(connection, parameters["session"], parameters["owner"])
    return rows


def _in_order(rows: Sequence[Any]) -> list[Any]:
    """Return *rows* by their seqs, each once: the head of a session may come twice."""
    in_order = {row[_SEQ]: row for row in rows}
    return [in_order[seq] for seq in sorted(in_order)]


def _shown(window: Window, messages: list[Message]) -> list[Message]:
    return _without_lone_results(messages) if window.whole_turns and window.is_bounded else messages


def newest_turns(messages: list[Message], given: WindowBounds) -> list[Message]:
    """Return *messages*, or the newest whole turns of them that keep to the bounds, at least one."""
    newest_first = ((row.role_type == "user", row.token_count or 0) for row in reversed(messages))
    count = fitting(newest_first, given)
    return messages if count is None else messages[len(messages) - count :]


def fitting(newest_first: Iterable[tuple[bool, int]], given: WindowBounds) -> int | None:
    """Count the newest messages that are whole turns and keep to the bounds, at least those of the last turn.

    Of each message it is given, from the newest on, whether a turn begins with it, and its tokens; it takes no more of
    them than it has to. None where all of them are in the window; where a bound is 0, none of them is.
    """
    limit, turns, max_tokens = given.get("limit"), given.get("turns"), given.get("max_tokens")
    used = begun = whole = 0
    if 0 in (limit, turns, max_tokens):
        return 0
    for count, (begins, tokens) in enumerate(newest_first, start=1):
        used += tokens
        fits = (limit is None or count <= limit) and (max_tokens is None or used <= max_tokens)
        if not fits and whole:
            return whole
        if begins:
            whole, begun = count, begun + 1
            if not fits or begun == turns:
                return whole
    return None


def _rows(connection: Connection, window: Window, parameters: dict[str, Any]) -> Sequence[Any]:
    """Return the rows of a window: of plain messages first those at the end, which is all unless some were deleted."""
    if window.is_plain:
        rows = _at_end(window).rows(connection, parameters)
        if len(rows) == parameters["count"] or (rows and rows[-1][_SEQ] == 1):
            return rows
    return statement(window).rows(connection, parameters)


_SEQ = [column.name for column in COLUMNS].index("seq")


def _without_lone_results(shown: list[Message]) -> list[Message]:
    """Leave out tool results at the start, whose call is not shown: where no user ever spoke, no turn begins."""
    start = 1 if shown and shown[0].role_type == "system" else 0
    after = next((index for index, each in enumerate(shown) if index >= start and each.role_type != "tool"), len(shown))
    return [*shown[:start], *shown[after:]]


@cache
def _at_end(window: Window) -> Prepared:
    """Return the statement for as many seqs at the end, or up to the last one of the window, as it has messages."""
    count = bindparam("count", type_=BigInteger)
    at_end = messages.c.seq > bindparam("until", type_=BigInteger) - count if window.until else NEAR_END
    query = select(*COLUMNS).where(window.live, at_end)
    return Prepared(query.order_by(messages.c.seq.desc()).limit(count))


@cache
def statement(window: Window) -> Prepared:
    """Return the statement for a window: its rows, and perhaps the head of the session, which may come twice.

    Beside a head also the latest summary, as a row of its own kind.
    """
    rows = select(*COLUMNS).where(window.live).order_by(messages.c.seq.desc())
    if not window.is_bounded:
        return Prepared(union_all(select(rows.subquery()), _summary(window)) if window.with_head else rows)
    if window.is_plain:
        return Prepared(rows.limit(bindparam("count", type_=BigInteger)))
    start = _turn_start(window) if window.whole_turns else _oldest_fitting(window)
    from_start = select(*COLUMNS).where(window.live, messages.c.seq >= start)
    if not window.with_head:
        return Prepared(from_start.order_by(messages.c.seq.desc()))
    # Several queries, because with OR in one SQLite reads the whole session.
    head = select(*COLUMNS).where(window.live, _is_head(window))
    return Prepared(union_all(head, from_start, _summary(window)))


def _summary(window: Window) -> SelectBase:
    return summaries.latest_as_row(of_owner=window.of_owner)


def _first(window: Window) -> ColumnElement[int]:
    return select(func.min(messages.c.seq)).where(window.live).scalar_subquery()


def _is_head(window: Window) -> ColumnElement[bool]:
    return and_(messages.c.seq == _first(window), messages.c.role_type == "system")


def _oldest_fitting(window: Window) -> ColumnElement[int]:
    """Return the seq from which on everything fits; NULL where nothing does."""
    columns = (messages.c.seq, messages.c.token_count)
    newest_first = (
        select(*columns).where(window.live).order_by(messages.c.seq.desc()).limit(bindparam("count", type_=BigInteger))
    )
    row = newest_first.subquery("newest")
    if not window.by_tokens:
        return select(func.min(row.c.seq)).scalar_subquery()
    used = func.sum(row.c.token_count, type_=BigInteger).over(order_by=row.c.seq.desc()).label("used")
    fitting = select(row.c.seq, used).subquery("fitting")
    total = fitting.c.used + _beside(window, fitting.c.seq) if window.with_head else fitting.c.used
    return select(func.min(fitting.c.seq)).where(total <= bindparam("tokens", type_=BigInteger)).scalar_subquery()


def _beside(window: Window, seq: ColumnElement[int]) -> ColumnElement[int]:
    """Return the tokens of the head that is shown beside the messages from *seq* on, unless it is one of these."""
    head = select(messages.c.token_count).where(window.live, _is_head(window)).scalar_subquery()
    return case((seq == _first(window), 0), else_=func.coalesce(head, 0))


def _turn_start(window: Window) -> ColumnElement[int]:
    """Return where the first whole turn that fits begins, or else the last turn of all.

    Beside a head also the newest message, where no user ever spoke, and the whole session where that fits.
    """
    begins = and_(window.live, messages.c.role_type == "user")
    oldest = _oldest_fitting(window) if window.by_count or window.by_tokens else _first(window)
    if window.by_turns:
        turn = _newest_of(begins, before=bindparam("before_turn", type_=BigInteger))
        oldest = case((turn > oldest, turn), else_=oldest)
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= oldest).scalar_subquery()
    last = _newest_of(begins)
    if not window.with_head:
        return func.coalesce(first, last, oldest)
    return case((oldest == _first(window), oldest), else_=func.coalesce(first, last, oldest, _newest_of(window.live)))


def _newest_of(conditions: ColumnElement[bool], before: ColumnElement[int] | None = None) -> ColumnElement[int]:
    """Return the seq of the newest message that meets *conditions*, or of the one with so many of them after it."""
    newest = select(messages.c.seq).where(conditions).order_by(messages.c.seq.desc()).limit(1)
    return (newest if before is None else newest.offset(before)).scalar_subquery()
