"""What a search reads on SQLite: the FTS5 table of terms, the messages that wait for it, and texts.

Not here: how either follows what is written (`indexing`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    String,
    bindparam,
    func,
    literal_column,
    select,
    text,
    true,
)

from ...tables import MESSAGE_INDEX, SEQ_BITS, message_embeddings, sessions, unindexed
from ...terms.hits import Hits
from ...terms.texts import LONGEST_TEXT, text_of
from .. import embeddings
from ..postings import POSTINGS, SEQ_MASK, Postings, Span, Statistics, rarest
from ..prepared import Prepared
from ..protocol import Key, Rows, Scope
from ..scopes import OF_USER, size_of
from . import waiting
from .indexing import IN_SPANS, INDEX, SEARCHED, TEXTS_IN_SPANS

SPAN_BITS = 31
LONGEST_SPAN = (1 << SPAN_BITS) - 1
"""How much longer than one message a span of a session can be, in the lower bits of a number with its first seq."""

_MATCHES = literal_column(MESSAGE_INDEX).bool_op("MATCH")(bindparam("match", type_=String))
_ROWIDS = select(INDEX.c.rowid).where(_MATCHES).order_by(INDEX.c.rowid.desc()).limit(literal_column(str(POSTINGS)))
_OF_SESSION = INDEX.c.rowid.between(bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger))
_OF_USER = INDEX.c.rowid.op(">>")(SEQ_BITS).in_(select(sessions.c.id).where(OF_USER))
_MATCHING = {
    "session": Prepared(_ROWIDS.where(_OF_SESSION)),
    "user": Prepared(_ROWIDS.where(_OF_USER)),
    "everything": Prepared(_ROWIDS),
}
_FREQUENCY = Prepared(select(func.count()).select_from(INDEX).where(_MATCHES))
_SESSION = Prepared(select(sessions.c.id, sessions.c.last_seq).where(sessions.c.session_id == bindparam("session")))

# The same as `LIVE_SESSION`.
_IF_LIVE = """
     WHERE m.deleted_at IS NULL AND s.deleted_at IS NULL
       AND (:user IS NULL OR s.user_id = :user OR (s.user_id IS NULL AND :session IS NOT NULL))
"""
_LIVE_TEXTS = Prepared(text(TEXTS_IN_SPANS + _IF_LIVE).columns())
# The content's bytes as a blob, which are counted without looking at one character.
_LENGTH = f"min({LONGEST_TEXT}, length(CAST(m.content AS BLOB))) + coalesce(length(CAST(m.name AS BLOB)) + 2, 0)"
_COLUMNS = (
    f"SELECT span.key, m.session_id, m.seq, m.created_at / 1e6, {_LENGTH}, m.role_type = 'user', m.name, CASE WHEN "
)
_HAS_TERM = f" IN (SELECT value FROM json_each(:having)) THEN {SEARCHED} END"  # noqa: S608 - a number of ours
_PASSAGES = Prepared(text(_COLUMNS + "s.id << 32 | m.seq" + _HAS_TERM + IN_SPANS + _IF_LIVE).columns())
_IN_SPANS_OF_SESSION = f"""
      FROM zep_sessions AS s
     CROSS JOIN json_each(:spans) AS span
     CROSS JOIN zep_messages AS m ON m.session_id = s.session_id
       AND m.seq BETWEEN span.value >> {SPAN_BITS} AND (span.value >> {SPAN_BITS}) + (span.value & {LONGEST_SPAN})
"""
_IF_LIVE_IN_SESSION = _IF_LIVE + " AND s.session_id = :session"
_PASSAGES_OF_SESSION = Prepared(
    text(_COLUMNS + "m.seq" + _HAS_TERM + _IN_SPANS_OF_SESSION + _IF_LIVE_IN_SESSION).columns()
)


class Searching:
    """How a search reads."""

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        if scope.session_id is not None:
            return _of_session(connection, terms, scope)
        if scope.user_id is None:
            rowids, frequency = _everywhere(connection, terms)
        else:
            rowids, frequency = _of_each(connection, terms, "user", scope.parameters)
        spans = waiting.within(connection, _within(scope, unindexed.c.first), scope.parameters)
        _add_waiting(connection, terms, scope, spans, rowids, frequency)
        return Postings(rowids, Statistics(frequency, size_of(connection, scope)))

    def keys(self) -> FromClause:
        each = func.json_each(bindparam("keys")).table_valued("value", name="named")
        session_id = func.json_extract(each.c.value, "$[0]").label("session_id")
        return select(session_id, func.json_extract(each.c.value, "$[1]").label("seq")).subquery("wanted")

    def key_parameters(self, keys: Sequence[Key]) -> dict[str, Any]:
        return {"keys": json.dumps(keys)}

    def dimensions(self) -> ColumnElement[int]:
        return func.length(message_embeddings.c.embedding, type_=Integer) // 4

    def nearest(self, connection: Connection, vector: bytes, scope: Scope, count: int) -> dict[Key, float]:
        return embeddings.nearest(connection, vector, scope, count)

    def passages(
        self, connection: Connection, postings: Postings, spans: Sequence[Span], terms: Sequence[str], scope: Scope
    ) -> Rows:
        having = postings.within(spans)
        if postings.session is None:
            parameters = {"spans": json.dumps(spans), "having": json.dumps(having)}
            return _PASSAGES.rows(connection, {**parameters, **scope.parameters})
        # Numbers are read in a third of the time that pairs take.
        packed = [(first & SEQ_MASK) << SPAN_BITS | min(last - first, LONGEST_SPAN) for first, last in spans]
        seqs = [rowid & SEQ_MASK for rowid in having]
        parameters = {"spans": json.dumps(packed), "having": json.dumps(seqs)}
        return _PASSAGES_OF_SESSION.rows(connection, {**parameters, **scope.parameters})


def _of_session(connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
    """Return the newest messages of a session with each term."""
    for number, last_seq in _SESSION.rows(connection, scope.parameters):
        first = number << SEQ_BITS
        bounds = {"first": first, "last": first | SEQ_MASK}
        rowids, frequency = _of_each(connection, terms, "session", bounds)
        spans = waiting.of_session(connection, number)
        _add_waiting(connection, terms, scope, spans, rowids, frequency)
        return Postings(rowids, Statistics(frequency, last_seq), session=number)
    return Postings({}, Statistics({}, 0))


def _within(scope: Scope, rowid: ColumnElement[int]) -> ColumnElement[bool]:
    """Match the messages, by their *rowid*, of a user or of all."""
    return true() if scope.user_id is None else rowid.op(">>")(SEQ_BITS).in_(select(sessions.c.id).where(OF_USER))


def _of_each(
    connection: Connection, terms: Sequence[str], where: str, parameters: Mapping[str, Any]
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return the newest messages with each term, newest sessions first, and how many there are."""
    rowids = {term: _matching(connection, _quoted(term), where, parameters) for term in terms}
    return rowids, {term: len(having) for term, having in rowids.items()}


def _matching(connection: Connection, match: str, where: str, parameters: Mapping[str, Any]) -> list[int]:
    return [rowid for (rowid,) in _MATCHING[where].rows(connection, {"match": match, **parameters})]


def _everywhere(connection: Connection, terms: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return the messages with each term, and how many there are.

    The rarest terms decide which messages are looked at; of the common ones it only matters which of those have them.
    """
    counts = {term: int(_FREQUENCY.rows(connection, {"match": _quoted(term)})[0][0]) for term in terms}
    rarest_first = sorted((term for term in terms if counts[term]), key=lambda term: counts[term])
    rare = rarest(rarest_first, counts, POSTINGS)
    with_rare = "(" + " OR ".join(map(_quoted, rare)) + ") AND "
    matches = {term: _quoted(term) if term in rare else with_rare + _quoted(term) for term in rarest_first}
    return {term: _matching(connection, match, "everything", {}) for term, match in matches.items()}, counts


def _quoted(term: str) -> str:
    """Return *term* as FTS5 reads it: letters and digits, never syntax."""
    return '"' + term.replace('"', '""') + '"'


def _add_waiting(
    connection: Connection,
    terms: Sequence[str],
    scope: Scope,
    spans: Sequence[Span],
    rowids: dict[str, list[int]],
    frequency: dict[str, int],
) -> None:
    """Add the messages of *spans*, which are not in the index yet, that have some of *terms*."""
    if not spans:
        return
    wanted = Hits(terms)
    for rowid, name, content in _LIVE_TEXTS.rows(connection, {"spans": json.dumps(spans), **scope.parameters}):
        for term in wanted.of(text_of(name, content)):
            rowids.setdefault(term, []).append(rowid)
            frequency[term] = frequency.get(term, 0) + 1
