"""Searching: candidates, of those the best, and of each what the caller sees."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    literal,
    select,
    union_all,
)

from ...models import Message, SearchResult, Summary, stored
from ...tables import messages, sessions, summaries
from .. import messages as message_rows
from .. import summaries as summary_rows
from ..chunks import chunked
from . import lexical, semantic, unranked, vectors
from ._protocol import Key, SearchIndex
from .candidates import Candidate
from .diversity import Likeness, alike_by_meaning, alike_by_words, diversified
from .indexes import index_of
from .requests import Request

_READ_AT_ONCE = 1_000
"""Results that one statement reads."""

_NEIGHBOURS_AT_ONCE = 50
"""Results whose neighbours one statement reads."""


def find(connection: Connection, request: Request) -> list[SearchResult]:
    """Return what answers a request, best first."""
    if request.limit == 0:
        return []
    found = _best(connection, request)
    if request.of_summaries:
        told = _summaries(connection, [candidate.key for candidate in found])
        return [_result(candidate, summary=told[candidate.key]) for candidate in found if candidate.key in told]
    read = _messages(connection, [candidate.key for candidate in found])
    around = _neighbours(connection, list(read), request.context) if request.context else {}
    return [
        _result(candidate, message=read[candidate.key], neighbours=around.get(candidate.key, []))
        for candidate in found
        if candidate.key in read
    ]


def _best(connection: Connection, request: Request) -> list[Candidate]:
    if not request.text:
        return unranked.newest(connection, request) if request.filter else []
    ordered = _candidates(connection, request)[: request.wanted]
    if request.mmr_lambda is None:
        return ordered
    count = len(ordered) if request.limit is None else request.limit
    return diversified(ordered, _likeness(connection, request, ordered), request.mmr_lambda, count)


def _likeness(connection: Connection, request: Request, candidates: Sequence[Candidate]) -> Likeness:
    """Compare by meaning where all have an embedding, else by words."""
    if request.embedding is not None:
        found = vectors.of(connection, [candidate.key for candidate in candidates])
        if len(found) == len(candidates) and len({len(vector) for vector in found.values()}) == 1:
            return alike_by_meaning([found[candidate.key] for candidate in candidates])
    return alike_by_words(candidates)


def _candidates(connection: Connection, request: Request) -> list[Candidate]:
    if request.of_summaries:
        return unranked.summaries_like(connection, request)
    if request.embedding is not None:
        return semantic.candidates(connection, request, request.embedding)
    return lexical.candidates(connection, request)


def _result(
    candidate: Candidate,
    *,
    message: Message | None = None,
    summary: Summary | None = None,
    neighbours: Sequence[Message] = (),
) -> SearchResult:
    fields = {"message": message, "summary": summary, "score": candidate.score, "session_id": candidate.key[0]}
    return stored(SearchResult, fields | {"neighbours": list(neighbours)})


def _messages(connection: Connection, keys: Sequence[Key]) -> dict[Key, Message]:
    """Return those of *keys* that are still there: since they were ranked, some may have been deleted."""
    index, found = index_of(connection), {}
    for chunk in chunked(keys, _READ_AT_ONCE):
        for row in connection.execute(_live_messages(index), index.named(chunk)):
            found[row.session_id, row.seq] = message_rows.read([row[1:]])[0]
    return found


def _summaries(connection: Connection, keys: Sequence[Key]) -> dict[Key, Summary]:
    index, found = index_of(connection), {}
    for chunk in chunked(keys, _READ_AT_ONCE):
        for row in connection.execute(_live_summaries(index), index.named(chunk)):
            found[row.session_id, row.seq] = summary_rows.read_summary(row)
    return found


@cache
def _live_messages(index: SearchIndex) -> Select[*tuple[Any, ...]]:
    wanted = index.keys()
    return (
        select(messages.c.session_id, *message_rows.COLUMNS)
        .join_from(wanted, messages, _same_key(wanted, messages))
        .join(sessions, sessions.c.session_id == messages.c.session_id)
        .where(messages.c.deleted_at.is_(None), sessions.c.deleted_at.is_(None))
    )


@cache
def _live_summaries(index: SearchIndex) -> Select[*tuple[Any, ...]]:
    wanted = index.keys()
    return (
        select(*summaries.c)
        .join_from(wanted, summaries, _same_key(wanted, summaries))
        .where(summaries.c.deleted_at.is_(None))
    )


def _same_key(wanted: FromClause, table: Table) -> ColumnElement[bool]:
    return and_(table.c.session_id == wanted.c.session_id, table.c.seq == wanted.c.seq)


def _neighbours(connection: Connection, keys: Sequence[Key], count: int) -> dict[Key, list[Message]]:
    """Return up to *count* live messages before and after each of *keys*, in order."""
    found: dict[Key, list[Message]] = {key: [] for key in keys}
    for chunk in chunked(keys, _NEIGHBOURS_AT_ONCE):
        parameters: dict[str, Any] = {"count": count}
        for number, (session_id, seq) in enumerate(chunk):
            parameters |= {f"session_{number}": session_id, f"seq_{number}": seq}
        rows = connection.execute(_around(len(chunk)), parameters).all()
        for row in sorted(rows, key=lambda row: (row.number, row.seq)):
            found[chunk[row.number]].append(message_rows.read([row[1:]])[0])
    return found


@cache
def _around(messages_count: int) -> CompoundSelect[Any]:
    """Build the query for the neighbours of so many messages."""
    return union_all(*(select(side) for number in range(messages_count) for side in _sides(number)))


def _sides(number: int) -> tuple[Any, Any]:
    session_id = bindparam(f"session_{number}", type_=messages.c.session_id.type)
    seq = bindparam(f"seq_{number}", type_=messages.c.seq.type)
    of_session = select(literal(number).label("number"), *message_rows.COLUMNS).where(
        messages.c.session_id == session_id, messages.c.deleted_at.is_(None)
    )
    before = of_session.where(messages.c.seq < seq).order_by(messages.c.seq.desc())
    after = of_session.where(messages.c.seq > seq).order_by(messages.c.seq)
    return _first(before, f"before_{number}"), _first(after, f"after_{number}")


def _first(query: Select[Any], name: str) -> Any:
    return query.limit(bindparam("count", type_=messages.c.seq.type)).subquery(name)
