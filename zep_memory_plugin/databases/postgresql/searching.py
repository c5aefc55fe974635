"""What a search reads on Postgres: a GIN index of the numbers of terms that each message's row holds, and texts.

Not here: how they follow what is written (`indexing`), and the nearest embeddings with pgvector (`pgvector`).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ...tables import SEQ_BITS, TermNumbers, message_embeddings, messages, sessions
from ...terms.cutting import term_number, term_numbers
from ...terms.texts import LONGEST_TEXT
from .. import embeddings
from ..postings import POSTINGS, SEQ_MASK, Postings, Span, Statistics, rarest
from ..prepared import Prepared
from ..protocol import Key, Rows, Scope
from ..scopes import OF_USER, size_of
from . import pgvector

ENOUGH = 1_000
"""Messages that the rarest terms of a query are expected to give before the common ones are left out."""

TOO_FEW = 100
"""Messages, fewer than which make the next common terms be asked for as well."""

UNLISTED = 0.0005
"""Share of messages that is assumed for a term that the planner's statistics do not list."""

_ALONE = 1
"""The number of a session that is searched alone."""

_TERM_SHARES = text("""
    SELECT term, share
      FROM pg_stats,
           unnest(most_common_elems::text::integer[],
                  most_common_elem_freqs[1:cardinality(most_common_elems::text::integer[])]) AS listed(term, share)
     WHERE schemaname = current_schema() AND tablename = 'zep_messages' AND attname = 'terms'
       AND term = ANY(:terms)
""").bindparams(bindparam("terms", type_=TermNumbers()))
_PASSAGES = Prepared(
    text(f"""
    SELECT span.number - 1, m.session_id, m.seq, extract(epoch FROM m.created_at)::double precision,
           least({LONGEST_TEXT}, octet_length(m.content)) + coalesce(octet_length(m.name) + 2, 0),
           m.role_type = 'user', m.name,
           CASE WHEN m.terms OPERATOR(pg_catalog.&&) :asked THEN substr(m.content, 1, {LONGEST_TEXT}) END
      FROM unnest(:sessions, :firsts, :lasts) WITH ORDINALITY AS span(session_id, first, last, number)
      JOIN zep_messages AS m ON m.session_id = span.session_id AND m.seq BETWEEN span.first AND span.last
      JOIN zep_sessions AS s ON s.session_id = m.session_id
     WHERE m.deleted_at IS NULL AND s.deleted_at IS NULL
       AND (:user IS NULL OR s.user_id = :user OR (s.user_id IS NULL AND :session IS NOT NULL)) -- as in LIVE_SESSION
     ORDER BY span.number, m.seq
""")  # noqa: S608 - a number of ours
    .bindparams(
        bindparam("asked", type_=TermNumbers()),
        bindparam("sessions", type_=ARRAY(Text)),
        bindparam("firsts", type_=ARRAY(BigInteger)),
        bindparam("lasts", type_=ARRAY(BigInteger)),
        bindparam("user", type_=Text),
        bindparam("session", type_=Text),
    )
    .columns()
)


class Searching:
    """How a search reads."""

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        if scope.session_id is not None:
            return _session_postings(connection, terms, scope.session_id)
        total = size_of(connection, scope)
        shares = _term_shares(connection, terms)
        expected = {term: shares[term] * total for term in terms}
        return _Gathering(connection, scope, terms, expected).postings(total)

    def keys(self) -> FromClause:
        arrays = (bindparam("sessions", type_=ARRAY(Text)), bindparam("seqs", type_=ARRAY(BigInteger)))
        return func.unnest(*arrays).table_valued("session_id", "seq").render_derived("wanted")

    def key_parameters(self, keys: Sequence[Key]) -> dict[str, Any]:
        return {"sessions": [session_id for session_id, _ in keys], "seqs": [seq for _, seq in keys]}

    def dimensions(self) -> ColumnElement[int]:
        return func.cardinality(message_embeddings.c.embedding, type_=Integer)

    def nearest(self, connection: Connection, vector: bytes, scope: Scope, count: int) -> dict[Key, float]:
        nearest = pgvector.nearest if pgvector.is_installed(connection) else embeddings.nearest
        return nearest(connection, vector, scope, count)

    def passages(
        self, connection: Connection, postings: Postings, spans: Sequence[Span], terms: Sequence[str], scope: Scope
    ) -> Rows:
        parameters = {
            "asked": term_numbers(terms),
            "sessions": [postings.session_ids[first >> SEQ_BITS] for first, _ in spans],
            "firsts": [first & SEQ_MASK for first, _ in spans],
            "lasts": [last & SEQ_MASK for _, last in spans],
            **scope.parameters,
        }
        return _PASSAGES.rows(connection, parameters)


def _session_postings(connection: Connection, terms: Sequence[str], session_id: str) -> Postings:
    """Return the newest messages of a session with each term."""
    parameters = {f"term_{position}": term_number(term) for position, term in enumerate(terms)}
    asked = {"session": session_id, "asked": term_numbers(terms), "most": POSTINGS, **parameters}
    number = _ALONE << SEQ_BITS
    rows = _in_session(len(terms)).rows(connection, asked)
    if not rows:
        return Postings({}, Statistics({}, 0))
    last_seq, *seqs = rows[0]
    rowids = {term: [number | seq for seq in having or ()] for term, having in zip(terms, seqs, strict=True)}
    frequency = {term: len(having) for term, having in rowids.items()}
    return Postings(rowids, Statistics(frequency, last_seq), {_ALONE: session_id}, _ALONE)


def _term_shares(connection: Connection, terms: Sequence[str]) -> dict[str, float]:
    """Return the share of messages that have each term, as the planner knows it: no table is read."""
    listed = {row.term: row.share for row in connection.execute(_TERM_SHARES, {"terms": term_numbers(terms)})}
    return {term: listed.get(term_number(term), UNLISTED) for term in terms}


class _Gathering:
    """Gathers the messages that have the rarest terms of a query, until there are enough."""

    def __init__(
        self, connection: Connection, scope: Scope, terms: Sequence[str], expected: Mapping[str, float]
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._terms = sorted(terms, key=lambda term: expected[term])
        self._expected = dict(expected)
        self._rows: dict[Key, Any] = {}

    def postings(self, total: int) -> Postings:
        """Return which messages have which term."""
        left = list(self._terms)
        while left and len(self._rows) < TOO_FEW:
            rare = rarest(left, self._expected, ENOUGH)
            left = left[len(rare) :]
            if left and self._expected[rare[0]] > POSTINGS:
                self._ask([*rare, *left], every=True)
                if len(self._rows) >= TOO_FEW:
                    break
            self._count(rare, self._ask(rare, every=False))
        return self._as_postings(total)

    def _ask(self, asked: Sequence[str], *, every: bool) -> Rows:
        parameters: dict[str, Any] = {
            f"term_{position}": term_number(term) for position, term in enumerate(self._terms)
        }
        parameters |= {"asked": term_numbers(asked), "most": POSTINGS, "user": self._scope.user_id}
        statement = _having(len(self._terms), every=every, of_user=self._scope.user_id is not None)
        rows = self._connection.execute(statement, parameters).all()
        self._rows |= {(row.session_id, row.seq): row for row in rows}
        return rows

    def _count(self, rare: Sequence[str], rows: Rows) -> None:
        """Take the real number of messages for the expected one, unless there were too many to read."""
        if len(rows) < POSTINGS:
            for term in rare:
                flag = 2 + self._terms.index(term)
                self._expected[term] = sum(row[flag] for row in rows)

    def _as_postings(self, total: int) -> Postings:
        number = count(1)
        numbers: dict[str, int] = {}
        rowids: dict[str, list[int]] = {term: [] for term in self._terms}
        for (session_id, seq), row in self._rows.items():
            if session_id not in numbers:
                numbers[session_id] = next(number)
            for term, has_term in zip(self._terms, tuple(row)[2:], strict=True):
                if has_term:
                    rowids[term].append(numbers[session_id] << SEQ_BITS | seq)
        session_ids = {number: session_id for session_id, number in numbers.items()}
        return Postings(rowids, Statistics(self._expected, total), session_ids)


@cache
def _having(terms: int, *, every: bool, of_user: bool) -> Select[Any]:
    """Build the query for messages with one or *every* of the terms `asked`, with a flag for each of so many terms."""
    flags = (bindparam(f"term_{position}", type_=Integer) == func.any(messages.c.terms) for position in range(terms))
    query = select(messages.c.session_id, messages.c.seq, *flags).where(_live_with("@>" if every else "&&"))
    if of_user:
        theirs = func.array(select(sessions.c.session_id).where(OF_USER).scalar_subquery())
        query = query.where(messages.c.session_id == func.any(theirs))
    return query.limit(bindparam("most"))


def _live_with(operator: str) -> ColumnElement[bool]:
    """Match the messages that the index holds and whose terms compare so with those `asked`.

    By Postgres' own operator: the extension `intarray` has others of that name, which the index does not know.
    """
    asked = bindparam("asked", type_=TermNumbers())
    return and_(messages.c.terms.bool_op(f"OPERATOR(pg_catalog.{operator})")(asked), messages.c.deleted_at.is_(None))


@cache
def _in_session(terms: int) -> Prepared:
    """Build the query for a session's last seq and, for each of so many terms, the seqs of its newest messages with it.

    The terms of a message are looked through once, and not carried along: an OFFSET keeps the planner from that.
    """
    flags = [bindparam(f"term_{position}", type_=Integer) == func.any(messages.c.terms) for position in range(terms)]
    having = (
        select(messages.c.seq, *(flag.label(f"has_{position}") for position, flag in enumerate(flags)))
        .where(messages.c.session_id == bindparam("session"), _live_with("&&"))
        .offset(literal_column("0"))
        .subquery()
    )
    newest = select(having).order_by(having.c.seq.desc()).limit(bindparam("most")).subquery()
    seqs = [func.array_agg(newest.c.seq).filter(newest.c[f"has_{position}"]) for position in range(terms)]
    of_terms = select(*(each.label(f"seqs_{position}") for position, each in enumerate(seqs))).subquery()
    query = select(sessions.c.last_seq, *of_terms.c).join_from(sessions, of_terms, true())
    return Prepared(query.where(sessions.c.session_id == bindparam("session")))
