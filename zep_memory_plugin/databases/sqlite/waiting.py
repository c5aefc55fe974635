"""The messages that wait to be taken into the FTS5 table: spans of their rowids, each of one session.

Not here: when they are taken in (`indexing`), and how a search reads them meanwhile (`searching`).
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, delete, func, insert, select

from ...tables import SEQ_BITS, messages, sessions, unindexed
from ..postings import Span
from ..prepared import Prepared
from ..protocol import Send

_ADD = Prepared(unindexed.insert())
_ADD_OF_SESSION = insert(unindexed).from_select(
    ["first", "count"],
    select(
        sessions.c.id.op("<<")(SEQ_BITS) + bindparam("seq", type_=BigInteger), bindparam("count", type_=BigInteger)
    ).where(sessions.c.session_id == bindparam("session")),
)
_LAST = select(func.max(messages.c.seq)).where(messages.c.session_id == sessions.c.session_id).scalar_subquery()
_EVERY = select(sessions.c.id.op("<<")(SEQ_BITS) + 1, _LAST).where(_LAST.is_not(None))
_COUNT = Prepared(select(func.total(unindexed.c.count)))
_SPANS = select(unindexed.c.first, unindexed.c.first + unindexed.c.count - 1).order_by(unindexed.c.first)

_start, _end = (bindparam(name, type_=BigInteger) for name in ("start", "end"))
_OF_SESSION = Prepared(_SPANS.where(unindexed.c.first >= _start, unindexed.c.first < _end))


def add_new(connection: Connection, rowid: int, count: int, send: Send) -> None:
    """Let *count* messages wait, from *rowid* on, as part of the usual append."""
    _ADD.run(connection, [{"first": rowid, "count": count}], send)


def add_each(connection: Connection, rowids: Iterable[int]) -> None:
    """Let the messages with these rowids wait."""
    _ADD.run(connection, ({"first": rowid, "count": 1} for rowid in rowids))


def add(connection: Connection, session_id: str, seq: int, count: int) -> None:
    """Let *count* messages of a session wait, from *seq* on."""
    connection.execute(_ADD_OF_SESSION, {"session": session_id, "seq": seq, "count": count})


def add_all(connection: Connection) -> None:
    """Let every message wait."""
    connection.execute(delete(unindexed))
    connection.execute(insert(unindexed).from_select(["first", "count"], _EVERY))


def remove(connection: Connection, spans: Sequence[Span]) -> None:
    """Let the messages of *spans*, the first ones that wait, wait no longer."""
    first, last = spans[-1]
    rest = select(unindexed.c.first + unindexed.c.count - last - 1).where(unindexed.c.first == first)
    left: int = connection.execute(rest).scalar_one()
    connection.execute(delete(unindexed).where(unindexed.c.first <= first))
    if left:
        connection.execute(insert(unindexed).values(first=last + 1, count=left))


def count(connection: Connection) -> int:
    """Count the messages that wait."""
    ((total,),) = _COUNT.rows(connection, {})
    return int(total)


def first(connection: Connection, limit: int) -> list[Span]:
    """Return the first messages that wait, at most *limit*."""
    return list(_cut(((first, last) for first, last in connection.execute(_SPANS.limit(limit))), limit))


def within(
    connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any] | None = None
) -> list[Span]:
    """Return what waits and meets *condition*, of `unindexed.c.first` and perhaps *parameters*."""
    return [(first, last) for first, last in connection.execute(_SPANS.where(condition), parameters)]


def of_session(connection: Connection, number: int) -> list[Span]:
    """Return what waits of the session with that number."""
    bounds = {"start": number << SEQ_BITS, "end": (number + 1) << SEQ_BITS}
    return [(first, last) for first, last in _OF_SESSION.rows(connection, bounds)]


def of_sessions(connection: Connection, numbers: Iterable[int]) -> list[Span]:
    """Return what waits of the sessions with these numbers."""
    return within(connection, is_one_of(unindexed.c.first.op(">>")(SEQ_BITS), numbers))


def is_one_of(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Match any number of *values*, which are one parameter."""
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))


def has(spans: Sequence[Span], rowid: int) -> bool:
    """Tell whether *rowid* is in one of *spans*, which are in order."""
    nearest = bisect_right(spans, rowid, key=itemgetter(0)) - 1
    return nearest >= 0 and rowid <= spans[nearest][1]


def _cut(spans: Iterable[Span], limit: int) -> Iterator[Span]:
    """Yield *spans* up to *limit* messages, the last one perhaps cut short."""
    room = limit
    for first, last in spans:
        if room <= 0:
            return
        yield first, min(last, first + room - 1)
        room -= last - first + 1
