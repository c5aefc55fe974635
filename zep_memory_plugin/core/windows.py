"""The newest part of a session, as a model should see it.

A window is bounded by messages, by tokens or by both, and may begin with a whole turn, may keep the system message at
the head of the session, and may look at the session as it was at an earlier seq. Whatever it is, it is one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, case, func, select, union_all

from ..databases.prepared import Prepared
from ..models import Message
from ..tables import messages
from . import checks, ownership
from .messages import COLUMNS, NEAR_END, listed, of_session, read


@dataclass(frozen=True, slots=True)
class Window:
    """Which bounds a window has; their values are parameters: `count`, `tokens`, `until`."""

    by_count: bool
    by_tokens: bool
    whole_turns: bool
    until: bool = False
    with_head: bool = False
    of_owner: bool = False

    @property
    def is_bounded(self) -> bool:
        return self.by_count or self.by_tokens

    @property
    def is_plain(self) -> bool:
        """Whether it is so many of the newest messages, whatever they are."""
        return self.by_count and not (self.by_tokens or self.whole_turns or self.with_head)

    @property
    def live(self) -> ColumnElement[bool]:
        """Match the messages that the window is cut from."""
        live = of_session(of_owner=self.of_owner)
        return and_(live, messages.c.seq <= bindparam("until", type_=BigInteger)) if self.until else live


def newest(
    connection: Connection,
    session_id: str,
    limit: int | None,
    max_tokens: int | None,
    whole_turns: bool,
    until_seq: int | None,
    user_id: str | None = None,
) -> list[Message]:
    """Return the newest messages, oldest first: of all, or of those up to the seq *until_seq*."""
    count, tokens = checks.limit(limit), checks.limit(max_tokens, "max_tokens")
    until, owner = checks.limit(until_seq, "until_seq"), checks.optional_user_id(user_id)
    if count is None and tokens is None and until is None:
        return listed(connection, session_id, None, 0, user_id)
    window = Window(
        by_count=count is not None,
        by_tokens=tokens is not None,
        whole_turns=whole_turns,
        until=until is not None,
        of_owner=owner is not None,
    )
    # No more messages are looked at than there may be tokens.
    most = min((bound for bound in (count, tokens) if bound is not None), default=None)
    checked = checks.session_id(session_id)
    parameters = ownership.parameters(owner, session=checked, tokens=tokens, until=until, count=most)
    return _shown(connection, window, parameters)


def prompt(connection: Connection, session_id: str, max_tokens: int, user_id: str | None = None) -> list[Message]:
    """Return the system message at the head and the newest whole turns that fit beside it, oldest first."""
    tokens, owner = checks.positive("max_tokens", max_tokens), checks.optional_user_id(user_id)
    window = Window(by_count=False, by_tokens=True, whole_turns=True, with_head=True, of_owner=owner is not None)
    checked = checks.session_id(session_id)
    return _shown(connection, window, ownership.parameters(owner, session=checked, tokens=tokens, count=tokens))


def _shown(connection: Connection, window: Window, parameters: dict[str, Any]) -> list[Message]:
    rows = _rows(connection, window, parameters) if parameters["count"] != 0 else ()
    if not rows:
        ownership.refuse(connection, parameters["session"], parameters["owner"])
    in_order = {row[_SEQ]: row for row in rows}  # the head of a session may come twice
    shown = read((in_order[seq] for seq in sorted(in_order)), parameters["session"])
    return _without_lone_results(shown) if window.whole_turns and window.is_bounded else shown


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
    """Return the statement for a window: its rows, and perhaps the head of the session, which may come twice."""
    rows = select(*COLUMNS).where(window.live).order_by(messages.c.seq.desc())
    if not window.is_bounded:
        return Prepared(rows)
    if window.is_plain:
        return Prepared(rows.limit(bindparam("count", type_=BigInteger)))
    start = _turn_start(window) if window.whole_turns else _oldest_fitting(window)
    from_start = select(*COLUMNS).where(window.live, messages.c.seq >= start)
    if not window.with_head:
        return Prepared(from_start.order_by(messages.c.seq.desc()))
    # Two queries, because with OR in one SQLite reads the whole session.
    return Prepared(union_all(select(*COLUMNS).where(window.live, _is_head(window)), from_start))


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
    oldest = _oldest_fitting(window)
    begins = and_(window.live, messages.c.role_type == "user")
    first = select(func.min(messages.c.seq)).where(begins, messages.c.seq >= oldest).scalar_subquery()
    last = _newest_of(begins)
    if not window.with_head:
        return func.coalesce(first, last, oldest)
    return case((oldest == _first(window), oldest), else_=func.coalesce(first, last, oldest, _newest_of(window.live)))


def _newest_of(conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return select(messages.c.seq).where(conditions).order_by(messages.c.seq.desc()).limit(1).scalar_subquery()
