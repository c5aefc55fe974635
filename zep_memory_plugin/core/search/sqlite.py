"""The search index on SQLite: an FTS5 table of terms, and a list of messages that are not in it yet.

FTS5 merges what it is given, which is cheap by the thousand and dear one by one. So an append only notes where its
messages are, in its own transaction, and now and then one takes all of those in. A search reads the few that wait.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects import sqlite

from ...database import Stamp, Steps, write_unit
from ...dialects import Appended, Row, transaction
from ...dialects.prepared import Prepared
from ...tables import MESSAGE_INDEX, UtcDateTime, messages, sessions, unindexed
from . import vectors
from ._protocol import POSTINGS, SEQ_BITS, Key, Postings, Progress, Rows, Scope, Span
from .ranking import Hits, Statistics
from .scopes import numbers_of, size_of
from .texts import LONGEST_TEXT, text_of
from .tokens import index_terms

TAKEN_IN = 1_024
"""Waiting messages that are taken into the index after an append."""

LOOKED_AFTER = 32
"""Messages after which an append looks how many wait; not the same ones in every session."""

TAKEN_AT_ONCE = 1_024
"""Most messages that one transaction takes in."""

MERGED_PAGES = 500
"""Pages of the index that are merged per statement, so that no lock is held for long."""

_SEQ = (1 << SEQ_BITS) - 1

_index = table(MESSAGE_INDEX, column(MESSAGE_INDEX), column("rowid", BigInteger), column("terms"), column("rank"))
_place = _index.c.rowid
_matches = literal_column(MESSAGE_INDEX).bool_op("MATCH")(bindparam("match", type_=String))

_TAKE_IN = Prepared(insert(_index).values(rowid=bindparam("place"), terms=bindparam("said")))
_TAKE_OUT = Prepared(
    insert(_index).values(
        {MESSAGE_INDEX: literal_column("'delete'"), "rowid": bindparam("place"), "terms": bindparam("said")}
    )
)
# Below zero: until all there is has become one, without what was deleted.
_MERGE = insert(_index).values({MESSAGE_INDEX: literal_column("'merge'"), "rank": literal_column(str(-MERGED_PAGES))})
_CHANGES = select(func.total_changes())
_NOTE = insert(unindexed).from_select(
    ["first", "count"],
    select(
        sessions.c.id.op("<<")(SEQ_BITS) + bindparam("seq", type_=BigInteger), bindparam("count", type_=BigInteger)
    ).where(sessions.c.session_id == bindparam("session")),
)
_WAITING = select(func.total(unindexed.c.count))
_WAITING_TEXT = str(_WAITING.compile(dialect=sqlite.dialect()))  # sent after every append, so compiled once
_RANGES = select(unindexed.c.first, unindexed.c.count).order_by(unindexed.c.first)
_FIRST_RANGES = _RANGES.limit(TAKEN_AT_ONCE)
_COUNT = select(func.count()).select_from(_index).where(_matches)

_IN_SPANS = """
      FROM json_each(:spans) AS span
     CROSS JOIN zep_sessions AS s ON s.id = json_extract(span.value, '$[0]') >> 32
     CROSS JOIN zep_messages AS m ON m.session_id = s.session_id
       AND m.seq BETWEEN json_extract(span.value, '$[0]') & 4294967295 AND json_extract(span.value, '$[1]') & 4294967295
"""
_LIVE = " WHERE m.deleted_at IS NULL AND s.deleted_at IS NULL AND (:user IS NULL OR s.user_id = :user)"
_SAID = "SELECT s.id << 32 | m.seq AS place, m.name, m.content" + _IN_SPANS
_SAID_IN_SPANS = text(_SAID)
_SAID_LIVE_IN_SPANS = text(_SAID + _LIVE)
_LIVE_IN_SPANS = text(
    "SELECT span.key AS span, m.session_id, m.seq, m.created_at, m.name, m.content, m.metadata"
    + _IN_SPANS
    + _LIVE
    + " ORDER BY span.key, m.seq"
).columns(
    span=Integer, session_id=String, seq=BigInteger, created_at=UtcDateTime, name=Text, content=Text, metadata=Text
)


class _Waiting(NamedTuple):
    """Messages that are not in the index yet: so many places from `first` on."""

    first: int
    messages: int

    @property
    def last(self) -> int:
        return self.first + self.messages - 1


class _Places:
    """Places by the ranges that they are in."""

    def __init__(self, ranges: Sequence[_Waiting]) -> None:
        self._ranges = ranges
        self._firsts = [waiting.first for waiting in ranges]

    def __contains__(self, place: int) -> bool:
        nearest = bisect_right(self._firsts, place) - 1
        return nearest >= 0 and place <= self._ranges[nearest].last


class Index:
    """FTS5, of terms that we make."""

    def columns(self, name: str | None, content: str) -> dict[str, str]:
        return {}

    def add(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        if len(rows) >= TAKEN_AT_ONCE:
            _take_in_new(connection, session_id, before, rows)
            return
        _note(connection, session_id, before + 1, len(rows))
        _take_in_if_many(connection)

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        for seq in seqs:
            if _take_out_at(connection, session_id, [seq]):
                _note(connection, session_id, seq, 1)

    def drop(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        for start in range(0, len(seqs), TAKEN_AT_ONCE):
            _take_out_at(connection, session_id, seqs[start : start + TAKEN_AT_ONCE])

    def tend(self, connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
        start = crc32(session_id.encode())
        if not any((start + place.seq) % LOOKED_AFTER == 0 for place in appended):
            return
        if _many_wait(connection):
            with transaction(connection):
                take_in(connection)

    def copy(self, connection: Connection, source: str, target: str) -> None:
        last = connection.execute(select(func.max(messages.c.seq)).where(messages.c.session_id == target)).scalar()
        if last is not None:
            _note(connection, target, 1, last)
            _take_in_if_many(connection)

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        removed = _removal(condition).rows(connection, parameters)
        _take_out(connection, [row[:-1] for row in removed])
        vectors.remove(connection, [(session_id, seq) for session_id, seq, *_ in removed])
        return len(removed), max((row[-1] for row in removed if row[-1] is not None), default=None)

    def rebuild(self, progress: Progress) -> Steps[int]:
        total: int = yield write_unit(_take_in_anew)
        done = 0
        while taken := (yield write_unit(_take_in_next)):
            done += taken
            progress(done, total)
        return done

    def forget_removed(self, connection: Connection) -> bool:
        before: int = connection.execute(_CHANGES).scalar_one()
        connection.execute(_MERGE)
        return int(connection.execute(_CHANGES).scalar_one()) - before > 1

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        restriction = _restriction(scope)
        if restriction is None:
            places, frequency = _everywhere(connection, terms)
        else:
            places = {term: _places(connection, _quoted(term), restriction) for term in terms}
            frequency = {term: len(having) for term, having in places.items()}
        for place, said in _said_by_waiting(connection, terms, scope):
            for term in said:
                places.setdefault(term, []).append(place)
                frequency[term] = frequency.get(term, 0) + 1
        return Postings(places, Statistics(frequency, size_of(connection, scope)))

    def keys(self) -> FromClause:
        each = func.json_each(bindparam("keys")).table_valued("value", name="named")
        session_id = func.json_extract(each.c.value, "$[0]").label("session_id")
        return select(session_id, func.json_extract(each.c.value, "$[1]").label("seq")).subquery("wanted")

    def named(self, keys: Sequence[Key]) -> dict[str, Any]:
        return {"keys": json.dumps(keys)}

    def delete(self, connection: Connection, table: Table, keys: Sequence[Key]) -> None:
        if connection.execute(select(table.c.seq).limit(1)).first() is None:  # as where there is no embedder
            return
        at_key = delete(table).where(table.c.session_id == bindparam("session"), table.c.seq == bindparam("place"))
        connection.execute(at_key, [{"session": session_id, "place": seq} for session_id, seq in keys])

    def nearest(self, connection: Connection, question: bytes, scope: Scope, count: int) -> dict[Key, float]:
        return vectors.best(vectors.compared(connection, question, scope), count)

    def index_vectors(self, connection: Connection, dimensions: int) -> None:
        """Do nothing: SQLite has no such index."""

    def passages(self, connection: Connection, postings: Postings, spans: Sequence[Span], user_id: str | None) -> Rows:
        return connection.execute(_LIVE_IN_SPANS, {"spans": json.dumps(spans), "user": user_id}).all()


_REMEMBERED = (
    messages.c.session_id,
    messages.c.seq,
    messages.c.name,
    func.substr(messages.c.content, 1, LONGEST_TEXT).label("content"),
)
"""What has to be known of a message to take it out of the index, which does not keep it."""


@cache
def _removal(condition: ColumnElement[bool]) -> Prepared:
    return Prepared(delete(messages).where(condition).returning(*_REMEMBERED, messages.c.deleted_at))


def _many_wait(connection: Connection) -> bool:
    waiting: float = connection.exec_driver_sql(_WAITING_TEXT).scalar_one()
    return waiting >= TAKEN_IN


def _take_in_if_many(connection: Connection) -> None:
    """Take waiting messages in, all of which have to be stored as they are to stay."""
    if _many_wait(connection):
        take_in(connection)


def take_in(connection: Connection) -> int:
    """Take waiting messages into the index, at most `TAKEN_AT_ONCE`, and count them."""
    ranges = list(_first_messages(_Waiting(*row) for row in connection.execute(_FIRST_RANGES)))
    if not ranges:
        return 0
    rows = connection.execute(_SAID_IN_SPANS, {"spans": _spans(ranges)})
    said = ({"place": row.place, "said": index_terms(text_of(row.name, row.content))} for row in rows)
    _TAKE_IN.run(connection, said)
    _strike_out(connection, ranges[-1])
    return sum(waiting.messages for waiting in ranges)


def _take_in_new(connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
    """Take many messages in, those at the places after *before*, rather than read them again later."""
    first = (_numbers(connection, [session_id])[session_id] << SEQ_BITS) + before + 1
    said = (
        {"place": place, "said": index_terms(text_of(row["name"], row["content"]))}
        for place, row in enumerate(rows, start=first)
    )
    _TAKE_IN.run(connection, said)


def _take_in_next(connection: Connection, stamp: Stamp) -> int:
    return take_in(connection)


def _take_in_anew(connection: Connection, stamp: Stamp) -> int:
    """Empty the index, let every message wait for it, and count them."""
    connection.execute(insert(_index).values({MESSAGE_INDEX: literal_column("'delete-all'")}))
    connection.execute(delete(unindexed))
    every = select(sessions.c.id.op("<<")(SEQ_BITS) + 1, sessions.c.last_seq).where(sessions.c.last_seq > 0)
    connection.execute(insert(unindexed).from_select(["first", "count"], every))
    return int(connection.execute(_WAITING).scalar_one())


def _first_messages(ranges: Iterable[_Waiting]) -> Iterator[_Waiting]:
    """Yield *ranges* up to `TAKEN_AT_ONCE` messages, the last one perhaps cut short."""
    room = TAKEN_AT_ONCE
    for waiting in ranges:
        if room <= 0:
            return
        yield _Waiting(waiting.first, min(waiting.messages, room))
        room -= waiting.messages


def _strike_out(connection: Connection, last: _Waiting) -> None:
    """Note that no messages up to the end of *last* wait any more."""
    beyond = last.last + 1
    rest = select(unindexed.c.first + unindexed.c.count - beyond).where(unindexed.c.first == last.first)
    left: int = connection.execute(rest).scalar_one()
    connection.execute(delete(unindexed).where(unindexed.c.first <= last.first))
    if left:
        connection.execute(insert(unindexed).values(first=beyond, count=left))


def _note(connection: Connection, session_id: str, seq: int, count: int) -> None:
    connection.execute(_NOTE, {"session": session_id, "seq": seq, "count": count})


def _take_out_at(connection: Connection, session_id: str, seqs: Sequence[int]) -> int:
    """Take the messages at some places of a session out of the index, and count them."""
    there = (messages.c.session_id == session_id, messages.c.seq.in_(seqs))
    return _take_out(connection, connection.execute(select(*_REMEMBERED).where(*there)).all())


def _take_out(connection: Connection, rows: Rows) -> int:
    """Take messages out of the index, but for those that it has not got, and count them."""
    numbers = _numbers(connection, {row[0] for row in rows})
    waiting = _Places(_ranges_of(connection, numbers.values()))
    gone = [
        (place, name, content)
        for session_id, seq, name, content in rows
        if session_id in numbers and (place := numbers[session_id] << SEQ_BITS | seq) not in waiting
    ]
    gone.sort()  # in whose order FTS5 keeps what it is told until it has much to write
    _TAKE_OUT.run(
        connection, ({"place": place, "said": index_terms(text_of(name, content))} for place, name, content in gone)
    )
    return len(gone)


def _numbers(connection: Connection, session_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of each session."""
    given = func.json_each(json.dumps(list(session_ids))).table_valued("value")
    query = select(sessions.c.session_id, sessions.c.id).where(sessions.c.session_id.in_(select(given.c.value)))
    return {row.session_id: row.id for row in connection.execute(query)}


def _ranges_of(connection: Connection, numbers: Iterable[int]) -> list[_Waiting]:
    """Return what waits of these sessions, in order."""
    given = func.json_each(json.dumps(list(numbers))).table_valued("value")
    query = _RANGES.where(unindexed.c.first.op(">>")(SEQ_BITS).in_(select(given.c.value)))
    return [_Waiting(*row) for row in connection.execute(query)]


def _spans(ranges: Iterable[_Waiting]) -> str:
    return json.dumps([(waiting.first, waiting.last) for waiting in ranges])


def _restriction(scope: Scope, place: ColumnElement[int] = _place) -> ColumnElement[bool] | None:
    """Return what keeps to *scope*; None where everything is in it."""
    if scope.session_id is not None:
        number = select(sessions.c.id).where(sessions.c.session_id == scope.session_id).scalar_subquery()
        return place.between(number.op("<<")(SEQ_BITS), number.op("<<")(SEQ_BITS) + _SEQ)
    if scope.user_id is not None:
        return place.op(">>")(SEQ_BITS).in_(numbers_of(scope.user_id))
    return None


def _places(connection: Connection, match: str, restriction: ColumnElement[bool] | None = None) -> list[int]:
    """Return the newest messages that *match*, newest sessions first."""
    query: Select[Any] = select(_place).where(_matches)
    if restriction is not None:
        query = query.where(restriction)
    found = connection.execute(query.order_by(_place.desc()).limit(POSTINGS), {"match": match})
    return list(found.scalars())


def _everywhere(connection: Connection, terms: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return the messages with each term, and how many there are.

    The rarest terms decide which messages are looked at; of the common ones it only matters which of those have them.
    """
    counts = {term: connection.execute(_COUNT, {"match": _quoted(term)}).scalar_one() for term in terms}
    rarest_first = sorted((term for term in terms if counts[term]), key=lambda term: int(counts[term]))
    drivers = _drivers(rarest_first, counts)
    driven = " OR ".join(map(_quoted, drivers))
    matches = {term: _quoted(term) if term in drivers else f"({driven}) AND {_quoted(term)}" for term in rarest_first}
    return {term: _places(connection, match) for term, match in matches.items()}, counts


def _drivers(rarest_first: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    drivers: list[str] = []
    room = POSTINGS
    for term in rarest_first:
        if drivers and counts[term] > room:
            break
        drivers.append(term)
        room -= counts[term]
    return drivers


def _quoted(term: str) -> str:
    """Return *term* as FTS5 reads it: letters and digits, never syntax."""
    return '"' + term.replace('"', '""') + '"'


def _said_by_waiting(connection: Connection, terms: Sequence[str], scope: Scope) -> Iterator[tuple[int, list[str]]]:
    """Yield the messages that are not in the index yet and have some of *terms*, with those terms."""
    restriction = _restriction(scope, unindexed.c.first)
    ranges = [
        _Waiting(*row) for row in connection.execute(_RANGES if restriction is None else _RANGES.where(restriction))
    ]
    if not ranges:
        return
    hits = Hits(terms)
    for row in connection.execute(_SAID_LIVE_IN_SPANS, {"spans": _spans(ranges), "user": scope.user_id}):
        if said := hits.of(text_of(row.name, row.content)):
            yield row.place, list(said)
