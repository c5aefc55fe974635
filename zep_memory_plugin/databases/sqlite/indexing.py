"""What search notes about a write on SQLite: terms in an FTS5 table, and which messages wait for it.

FTS5 merges what it is given, which is cheap by the thousand and dear one by one. So an append only notes where its
messages are, in its own transaction, and now and then one takes all of those in. A search reads the few that wait.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zlib import crc32

from sqlalchemy import BigInteger, ColumnElement, Connection, column, delete, func, literal_column, select, table, text

from ... import units
from ...tables import MESSAGE_INDEX, SEQ_BITS, messages, sessions
from ...terms.cutting import index_terms
from ...terms.texts import LONGEST_TEXT, text_of
from ...types import RebuildProgress
from ...units import Flow
from .. import embeddings, transaction
from ..prepared import Prepared
from ..protocol import Appended, Row, Rows
from . import waiting

MOST_WAITING = 128
"""Waiting messages that make an append take them in."""

LOOK_EVERY = 32
"""Messages after which an append looks how many wait; not the same ones in every session."""

LARGEST_INTAKE = 1_024
"""Most messages that one transaction takes in."""

MERGED_PAGES = 500
"""Pages of the index that are merged per statement, so that no lock is held for long."""

INDEX = table(MESSAGE_INDEX, column(MESSAGE_INDEX), column("rowid", BigInteger), column("terms"), column("rank"))
"""The FTS5 table; what is written to its column of its own name is a command."""

IN_SPANS = """
      FROM json_each(:spans) AS span
     CROSS JOIN zep_sessions AS s ON s.id = json_extract(span.value, '$[0]') >> 32
     CROSS JOIN zep_messages AS m ON m.session_id = s.session_id
       AND m.seq BETWEEN json_extract(span.value, '$[0]') & 4294967295 AND json_extract(span.value, '$[1]') & 4294967295
"""
"""The messages of spans, read in that order whatever SQLite expects of the tables."""

SEARCHED = f"substr(m.content, 1, {LONGEST_TEXT})"
TEXTS_IN_SPANS = f"SELECT s.id << 32 | m.seq AS message_rowid, m.name, {SEARCHED}" + IN_SPANS

_ENTRY = ("rowid", "terms")
_TAKE_IN = Prepared(INDEX.insert(), column_keys=_ENTRY)
_TAKE_OUT = Prepared(INDEX.insert().values({MESSAGE_INDEX: literal_column("'delete'")}), column_keys=_ENTRY)
_EMPTY = INDEX.insert().values({MESSAGE_INDEX: literal_column("'delete-all'")})
# Below zero: until all there is has become one, without what was deleted.
_MERGE = INDEX.insert().values({MESSAGE_INDEX: literal_column("'merge'"), "rank": literal_column(str(-MERGED_PAGES))})
_CHANGES = select(func.total_changes())
_STORED_TEXTS = text(TEXTS_IN_SPANS)

_KNOWN_OF_ENTRY = (
    messages.c.session_id,
    messages.c.seq,
    messages.c.name,
    func.substr(messages.c.content, 1, LONGEST_TEXT).label("content"),
)
"""What has to be known of a message to take it out of the index, which does not keep it."""


class Indexing:
    """How the index follows what is written."""

    def add(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        if len(rows) >= MOST_WAITING:
            _take_in_new(connection, session_id, before, rows)
            return
        waiting.add(connection, session_id, before + 1, len(rows))
        _take_in_if_many(connection)

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        waiting.add_each(connection, _take_out_at(connection, session_id, seqs))
        embeddings.remove(connection, [(session_id, seq) for seq in seqs])

    def drop(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        _take_out_at(connection, session_id, seqs)
        embeddings.remove(connection, [(session_id, seq) for seq in seqs])

    def tend(self, connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
        start = crc32(session_id.encode())
        looks = any((start + each.seq) % LOOK_EVERY == 0 for each in appended)
        if looks and waiting.count(connection) >= MOST_WAITING:
            with transaction(connection):
                take_in(connection)

    def copy(self, connection: Connection, source: str, target: str) -> None:
        last = connection.execute(select(func.max(messages.c.seq)).where(messages.c.session_id == target)).scalar()
        if last is not None:
            waiting.add(connection, target, 1, last)
            _take_in_if_many(connection)
            embeddings.copy(connection, source, target)

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        removed = _removal(condition).rows(connection, parameters)
        _take_out(connection, [row[:-1] for row in removed])
        embeddings.remove(connection, [(session_id, seq) for session_id, seq, *_ in removed])
        return len(removed), max((row[-1] for row in removed if row[-1] is not None), default=None)

    def rebuild(self, progress: RebuildProgress) -> Flow[int]:
        total: int = yield units.write(lambda connection, _: _begin_anew(connection))
        done = 0
        while count := (yield units.write(lambda connection, _: take_in(connection))):
            done += count
            progress(done, total)
        return done

    def forget_removed(self, connection: Connection) -> bool:
        if waiting.count(connection) >= MOST_WAITING:  # the index is being made anew
            take_in(connection)
            return True
        before: int = connection.execute(_CHANGES).scalar_one()
        connection.execute(_MERGE)
        return int(connection.execute(_CHANGES).scalar_one()) - before > 1


def take_in(connection: Connection) -> int:
    """Take waiting messages into the index, at most `LARGEST_INTAKE`, and count them."""
    spans = waiting.first(connection, LARGEST_INTAKE)
    if spans:
        rows = connection.execute(_STORED_TEXTS, {"spans": json.dumps(spans)})
        _TAKE_IN.run(connection, (_entry(*row) for row in rows))
        waiting.remove(connection, spans)
    return sum(last - first + 1 for first, last in spans)


def _entry(rowid: int, name: str | None, content: str) -> dict[str, Any]:
    """Return the parameters that take a message in, or out again."""
    return {"rowid": rowid, "terms": index_terms(text_of(name, content))}


@cache
def _removal(condition: ColumnElement[bool]) -> Prepared:
    return Prepared(delete(messages).where(condition).returning(*_KNOWN_OF_ENTRY, messages.c.deleted_at))


def _take_in_if_many(connection: Connection) -> None:
    """Take waiting messages in, all of which have to be stored as they are to stay."""
    if waiting.count(connection) >= MOST_WAITING:
        take_in(connection)


def _take_in_new(connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
    """Take many messages in, those after the seq *before*, rather than read them again later."""
    first = (_numbers(connection, [session_id])[session_id] << SEQ_BITS) + before + 1
    numbered = enumerate(rows, start=first)
    _TAKE_IN.run(connection, (_entry(rowid, row["name"], row["content"]) for rowid, row in numbered))


def _begin_anew(connection: Connection) -> int:
    """Empty the index, let every message wait for it, and count them."""
    connection.execute(_EMPTY)
    waiting.add_all(connection)
    return waiting.count(connection)


def _take_out_at(connection: Connection, session_id: str, seqs: Sequence[int]) -> list[int]:
    """Take the messages of a session at *seqs* out of the index. See `_take_out`."""
    rowids: list[int] = []
    for start in range(0, len(seqs), LARGEST_INTAKE):
        part = messages.c.seq.in_(seqs[start : start + LARGEST_INTAKE])
        rows = connection.execute(select(*_KNOWN_OF_ENTRY).where(messages.c.session_id == session_id, part)).all()
        rowids += _take_out(connection, rows)
    return rowids


def _take_out(connection: Connection, rows: Rows) -> list[int]:
    """Take messages out of the index, but for those that it has not got, and return their rowids.

    What it holds of a message that is garbled by now cannot be told, so that it is made anew, little by little.
    """
    numbers = _numbers(connection, {row[0] for row in rows})
    spans = waiting.of_sessions(connection, numbers.values())
    indexed = [
        (rowid, name, content)
        for session_id, seq, name, content in rows
        if session_id in numbers and not waiting.has(spans, rowid := numbers[session_id] << SEQ_BITS | seq)
    ]
    if any(_is_garbled(name) or _is_garbled(content) for _, name, content in indexed):
        _begin_anew(connection)  # all of them wait now
        return []
    indexed.sort()  # the order in which FTS5 keeps them until it has much to write
    _TAKE_OUT.run(connection, (_entry(*message) for message in indexed))
    return [rowid for rowid, *_ in indexed]


def _is_garbled(text: object) -> bool:
    return text is not None and text.__class__ is not str


def _numbers(connection: Connection, session_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of each session."""
    query = select(sessions.c.session_id, sessions.c.id).where(waiting.is_one_of(sessions.c.session_id, session_ids))
    return {row.session_id: row.id for row in connection.execute(query)}
