"""Finding messages by their words: a session by reading it, anything larger through the index."""

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, bindparam, select

from ...tables import messages, sessions
from ._protocol import SEQ_BITS, Key, Postings, Span
from .candidates import Candidate, best_first, grouped, ranked
from .indexes import index_of
from .ranking import REACH, Question, promising
from .requests import Request
from .scopes import LIVE_SESSION

READ_WHOLE = 5_000
"""Messages of a session up to which it is read as a whole; a longer one is searched through the index."""

FEWEST_READ = 20
"""Messages, with what stands around them, that are read of a shortlist at least; else twice as many as wanted."""

GROWTH = 4
"""How much longer each further part of a shortlist is, where a filter keeps much out."""

_SEQ = (1 << SEQ_BITS) - 1

_SESSION = (
    select(
        messages.c.session_id,
        messages.c.seq,
        messages.c.created_at,
        messages.c.name,
        messages.c.content,
        messages.c.metadata,
    )
    .join_from(sessions, messages, messages.c.session_id == sessions.c.session_id)
    .where(sessions.c.session_id == bindparam("session"), messages.c.deleted_at.is_(None), LIVE_SESSION)
    .order_by(messages.c.seq)
    .limit(READ_WHOLE + 1)
)


def candidates(connection: Connection, request: Request) -> list[Candidate]:
    """Return messages that answer the request's text, best first: all that were looked at, at least those wanted."""
    question = request.question
    if not question.terms:
        return []
    if request.scope.session_id is None:
        return _through_index(connection, request, question)
    scope = {"session": request.scope.session_id, "user": request.scope.user_id}
    rows = connection.execute(_SESSION, scope).all()
    if len(rows) > READ_WHOLE:
        return _through_index(connection, request, question)
    return ranked(question, [rows], request.filter)


def _through_index(connection: Connection, request: Request, question: Question) -> list[Candidate]:
    index = index_of(connection)
    postings = index.postings(connection, question.terms, request.scope)
    found: dict[Key, Candidate] = {}
    for part in _parts(postings, request.wanted):
        rows = index.passages(connection, postings, _spans(part), request.scope.user_id)
        runs = grouped(rows, by=lambda row: row.span)
        for candidate in ranked(question, runs, request.filter, postings.statistics):
            there = found.get(candidate.key)
            found[candidate.key] = candidate if there is None or there.score < candidate.score else there
        if request.wanted is not None and len(found) >= request.wanted:
            break
    return best_first(found.values())


def _parts(postings: Postings, wanted: int | None) -> Iterator[list[int]]:
    """Yield the messages that an index found, most promising first, in parts, each longer than the one before.

    The first part is nearly always enough; the others are for filters that keep much out, and for deleted messages.
    """
    everything = sum(map(len, postings.places.values()))
    size = everything if wanted is None else max(FEWEST_READ, 2 * wanted)
    part = promising(postings.places, postings.statistics, size)
    if part:
        yield part
    if len(part) < size or size == everything:
        return
    rest = iter(promising(postings.places, postings.statistics, everything)[size:])
    while part := list(islice(rest, size := size * GROWTH)):
        yield part


def _spans(places: Sequence[int]) -> list[Span]:
    """Return spans of messages in which each of *places* has all that it can hear, or that can hear it."""
    spans: list[Span] = []
    for place in sorted(places):
        session = place & ~_SEQ
        first, last = max(place - REACH, session), min(place + REACH, session | _SEQ)
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans
