"""The search index on Postgres: a GIN index of a column of the messages, which holds the numbers of their terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ...database import Stamp, Steps, read_unit, write_unit
from ...dialects import Appended, Row
from ...dialects.prepared import Prepared
from ...tables import TermNumbers, UtcDateTime, message_embeddings, messages, sessions
from . import pgvector, vectors
from ._protocol import POSTINGS, SEQ_BITS, Key, Postings, Progress, Rows, Scope, Span
from .ranking import Statistics
from .scopes import size_of
from .texts import text_of
from .tokens import index_numbers, term_number, term_numbers

ENOUGH = 1_000
"""Messages that the rarest terms of a question are expected to give before the common ones are left out."""

TOO_FEW = 100
"""Messages, fewer than which make the next common terms be asked for as well."""

READ_AT_ONCE = 1_000
"""Messages that a rebuild reads and indexes at once."""

UNLISTED = 0.0005
"""Share of messages that is assumed for a term that the planner's statistics do not list."""

_SEQ = (1 << SEQ_BITS) - 1

_PGVECTOR = select(cast(func.to_regtype("vector"), Text))
_SHARES = text("""
    SELECT term, share
      FROM pg_stats,
           unnest(most_common_elems::text::integer[],
                  most_common_elem_freqs[1:cardinality(most_common_elems::text::integer[])]) AS listed(term, share)
     WHERE schemaname = current_schema() AND tablename = 'zep_messages' AND attname = 'terms'
       AND term = ANY(:terms)
""").bindparams(bindparam("terms", type_=TermNumbers()))
_IN_SPANS = text("""
    SELECT span.number - 1 AS span, m.session_id, m.seq, m.created_at, m.name, m.content, m.metadata
      FROM unnest(:sessions, :firsts, :lasts) WITH ORDINALITY AS span(session_id, first, last, number)
      JOIN zep_messages AS m ON m.session_id = span.session_id AND m.seq BETWEEN span.first AND span.last
      JOIN zep_sessions AS s ON s.session_id = m.session_id
     WHERE m.deleted_at IS NULL AND s.deleted_at IS NULL AND (cast(:user AS text) IS NULL OR s.user_id = :user)
     ORDER BY span.number, m.seq
""")
_LIVE_IN_SPANS = _IN_SPANS.bindparams(
    bindparam("sessions", type_=ARRAY(Text)),
    bindparam("firsts", type_=ARRAY(BigInteger)),
    bindparam("lasts", type_=ARRAY(BigInteger)),
    bindparam("user", type_=Text),
).columns(
    span=Integer, session_id=String, seq=BigInteger, created_at=UtcDateTime, name=Text, content=Text, metadata=Text
)


class Index:
    """Arrays of the numbers of terms that we make."""

    def columns(self, name: str | None, content: str) -> dict[str, str]:
        return {"terms": index_numbers(text_of(name, content))}

    def add(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        """Do nothing: what is indexed is a column."""

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Do nothing: what is indexed is a column."""

    def drop(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Do nothing: what is indexed is a column."""

    def tend(self, connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
        """Do nothing: nothing is left for later."""

    def copy(self, connection: Connection, source: str, target: str) -> None:
        """Do nothing: what is indexed is a column."""

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        ((count, last),) = _removal(condition).rows(connection, parameters)
        return count, last

    def rebuild(self, progress: Progress) -> Steps[int]:
        total: int = yield read_unit(size_of, Scope())
        done, after = 0, ("", 0)
        while read := (yield read_unit(_read_after, after)):
            # Cut into words here, while nothing is locked.
            said = [index_numbers(text_of(row.name, row.content)) for row in read]
            yield write_unit(_index_anew, read, said)
            done, after = done + len(read), (read[-1].session_id, read[-1].seq)
            progress(done, max(done, total))
        return done

    def forget_removed(self, connection: Connection) -> bool:
        return False  # autovacuum does it

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        total = size_of(connection, scope)
        if scope.session_id is not None:
            return _of_session(connection, terms, scope.session_id, total)
        shares = _shares(connection, terms)
        rows = _Gathering(connection, scope, terms, {term: shares[term] * total for term in terms})
        return rows.postings(total)

    def keys(self) -> FromClause:
        arrays = (bindparam("sessions", type_=ARRAY(Text)), bindparam("seqs", type_=ARRAY(BigInteger)))
        return func.unnest(*arrays).table_valued("session_id", "seq").render_derived("wanted")

    def named(self, keys: Sequence[Key]) -> dict[str, Any]:
        return {"sessions": [session_id for session_id, _ in keys], "seqs": [seq for _, seq in keys]}

    def delete(self, connection: Connection, table: Table, keys: Sequence[Key]) -> None:
        wanted = self.keys()
        at_key = delete(table).where(table.c.session_id == wanted.c.session_id, table.c.seq == wanted.c.seq)
        connection.execute(at_key, self.named(keys))

    def nearest(self, connection: Connection, question: bytes, scope: Scope, count: int) -> dict[Key, float]:
        if _has_pgvector(connection):
            return pgvector.nearest(connection, question, scope, count)
        return vectors.best(vectors.compared(connection, question, scope), count)

    def index_vectors(self, connection: Connection, dimensions: int) -> None:
        if dimensions <= pgvector.MOST_DIMENSIONS and _has_pgvector(connection):
            connection.execute(pgvector.index_of(dimensions))

    def passages(self, connection: Connection, postings: Postings, spans: Sequence[Span], user_id: str | None) -> Rows:
        named = {
            "sessions": [postings.session_ids[first >> SEQ_BITS] for first, _ in spans],
            "firsts": [first & _SEQ for first, _ in spans],
            "lasts": [last & _SEQ for _, last in spans],
            "user": user_id,
        }
        return connection.execute(_LIVE_IN_SPANS, named).all()


@cache
def _removal(condition: ColumnElement[bool]) -> Prepared:
    columns = (messages.c.session_id, messages.c.seq, messages.c.deleted_at)
    removed = delete(messages).where(condition).returning(*columns).cte("removed")
    forgotten = delete(message_embeddings).where(
        message_embeddings.c.session_id == removed.c.session_id, message_embeddings.c.seq == removed.c.seq
    )
    return Prepared(select(func.count(), func.max(removed.c.deleted_at)).add_cte(forgotten.cte()))


def _read_after(connection: Connection, after: tuple[str, int]) -> Rows:
    key = tuple_(messages.c.session_id, messages.c.seq)
    columns = (messages.c.session_id, messages.c.seq, messages.c.name, messages.c.content, messages.c.updated_at)
    return connection.execute(select(*columns).where(key > after).order_by(*columns[:2]).limit(READ_AT_ONCE)).all()


def _index_anew(connection: Connection, stamp: Stamp, read: Rows, said: Sequence[str]) -> None:
    """Put what was read into the index, but for messages that were changed since: their writer did that."""
    session_ids = {row.session_id for row in read}
    locked = select(sessions.c.session_id).where(sessions.c.session_id.in_(session_ids)).order_by(sessions.c.session_id)
    connection.execute(locked.with_for_update())
    item = (
        func.unnest(
            literal([row.session_id for row in read], ARRAY(Text)),
            literal([row.seq for row in read], ARRAY(BigInteger)),
            literal([row.updated_at for row in read], ARRAY(UtcDateTime)),
            literal(list(said), ARRAY(Text)),
        )
        .table_valued("session_id", "seq", "updated_at", "terms")
        .render_derived("item")
    )
    same = and_(
        messages.c.session_id == item.c.session_id,
        messages.c.seq == item.c.seq,
        messages.c.updated_at.is_not_distinct_from(item.c.updated_at),
    )
    made = cast(item.c.terms, TermNumbers)
    connection.execute(update(messages).where(same, messages.c.terms.is_distinct_from(made)).values(terms=made))


def _has_pgvector(connection: Connection) -> bool:
    return connection.execute(_PGVECTOR).scalar_one() is not None


def _of_session(connection: Connection, terms: Sequence[str], session_id: str, total: int) -> Postings:
    """Return the newest messages of a session with each term."""
    places: dict[str, list[int]] = {}
    for term in terms:
        found = connection.execute(
            _IN_SESSION, {"session": session_id, "asked": term_numbers([term]), "most": POSTINGS}
        )
        places[term] = [1 << SEQ_BITS | seq for seq in found.scalars()]
    frequency = {term: len(having) for term, having in places.items()}
    return Postings(places, Statistics(frequency, total), {1: session_id})


def _shares(connection: Connection, terms: Sequence[str]) -> dict[str, float]:
    """Return the share of messages that have each term, as the planner knows it: no table is read."""
    listed = {row.term: row.share for row in connection.execute(_SHARES, {"terms": term_numbers(terms)})}
    return {term: listed.get(term_number(term), UNLISTED) for term in terms}


class _Gathering:
    """Gathers the messages that have the rarest terms of a question, until there are enough."""

    def __init__(
        self, connection: Connection, scope: Scope, terms: Sequence[str], expected: Mapping[str, float]
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._terms = sorted(terms, key=lambda term: expected[term])
        self._expected = dict(expected)
        self._found: dict[tuple[str, int], Any] = {}

    def postings(self, total: int) -> Postings:
        """Return which messages have which term."""
        waiting = list(self._terms)
        while waiting and len(self._found) < TOO_FEW:
            drivers = self._next_drivers(waiting)
            waiting = waiting[len(drivers) :]
            if waiting and self._expected[drivers[0]] > POSTINGS:
                self._ask([*drivers, *waiting], every=True)
                if len(self._found) >= TOO_FEW:
                    break
            self._count(drivers, self._ask(drivers, every=False))
        return self._as_postings(total)

    def _next_drivers(self, waiting: Sequence[str]) -> list[str]:
        """Return the rarest of the terms not asked for yet, together expected in about `ENOUGH` messages."""
        drivers: list[str] = []
        room = ENOUGH
        for term in waiting:
            if drivers and self._expected[term] > room:
                break
            drivers.append(term)
            room -= int(self._expected[term])
        return drivers

    def _ask(self, asked: Sequence[str], *, every: bool) -> Rows:
        parameters: dict[str, Any] = {f"term_{place}": term_number(term) for place, term in enumerate(self._terms)}
        parameters |= {"asked": term_numbers(asked), "most": POSTINGS, "user": self._scope.user_id}
        statement = _having(len(self._terms), every=every, of_user=self._scope.user_id is not None)
        rows = self._connection.execute(statement, parameters).all()
        self._found |= {(row.session_id, row.seq): row for row in rows}
        return rows

    def _count(self, drivers: Sequence[str], rows: Rows) -> None:
        """Take the real number of messages for the expected one, unless there were too many to read."""
        if len(rows) < POSTINGS:
            for term in drivers:
                column = 2 + self._terms.index(term)
                self._expected[term] = sum(row[column] for row in rows)

    def _as_postings(self, total: int) -> Postings:
        number = count(1)
        numbers: dict[str, int] = {}
        places: dict[str, list[int]] = {term: [] for term in self._terms}
        for (session_id, seq), row in self._found.items():
            if session_id not in numbers:
                numbers[session_id] = next(number)
            place = numbers[session_id] << SEQ_BITS | seq
            for term, is_there in zip(self._terms, tuple(row)[2:], strict=True):
                if is_there:
                    places[term].append(place)
        named = {number: session_id for session_id, number in numbers.items()}
        return Postings(places, Statistics(self._expected, total), named)


@cache
def _having(terms: int, *, every: bool, of_user: bool) -> Select[Any]:
    """Build the query for messages with one or *every* of the terms `asked`, with a flag for each of so many terms."""
    flags = (bindparam(f"term_{place}", type_=Integer) == func.any(messages.c.terms) for place in range(terms))
    query = select(messages.c.session_id, messages.c.seq, *flags).where(_live_with("@>" if every else "&&"))
    if of_user:
        live = (sessions.c.user_id == bindparam("user"), sessions.c.deleted_at.is_(None))
        theirs = func.array(select(sessions.c.session_id).where(*live).scalar_subquery())
        query = query.where(messages.c.session_id == func.any(theirs))
    return query.limit(bindparam("most"))


def _live_with(operator: str) -> ColumnElement[bool]:
    """Match the messages that the index holds and whose terms compare so with those `asked`.

    By Postgres' own operator: the extension `intarray` has others of that name, which the index does not know.
    """
    asked = bindparam("asked", type_=TermNumbers())
    return and_(messages.c.terms.bool_op(f"OPERATOR(pg_catalog.{operator})")(asked), messages.c.deleted_at.is_(None))


_IN_SESSION = (
    select(messages.c.seq)
    .where(messages.c.session_id == bindparam("session"), _live_with("&&"))
    .order_by(messages.c.seq.desc())
    .limit(bindparam("most"))
)
