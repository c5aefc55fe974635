"""Finding messages by their words: the index says which have them, and the most promising are read and ranked.

Of a result's neighbours only their lengths and moments are read, and of no message more than the ranking needs.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from ...databases import index_of
from ...databases.postings import SEQ_MASK, Postings, Span, Statistics
from ...databases.protocol import Key, Rows
from ...tables import SEQ_BITS
from ...terms.texts import text_of
from .candidates import NEVER, Candidate, best_first, passing
from .ranking import NEAR, REACH, Passages, Query, Ranked, of_kind, promising, rank
from .requests import SearchRequest

FEWEST_READ = 160
"""Messages of a shortlist, with what stands around them, that are read at least; else twice as many as wanted.

Of a question of eight words in a session of a thousand the best 50 are nearly always among them.
"""

PART_GROWTH = 4
"""How much longer each further part of a shortlist is, where a filter keeps much out."""

LONGEST_DATED = 5_000
"""Messages of a session up to which a date in a query makes all of them candidates, whatever their words."""


def candidates(connection: Connection, request: SearchRequest) -> list[Candidate]:
    """Return messages that answer the request's text, best first: all that were looked at, at least those wanted."""
    query = request.query
    if not query.terms:
        return []
    postings = _of_kinds(query, index_of(connection).postings(connection, query.looked_up, request.scope))
    best: dict[Key, Candidate] = {}
    for spans in _parts(postings, query, request.wanted):
        for candidate in _ranked(connection, request, query, postings, spans):
            best[candidate.key] = max(best.get(candidate.key, candidate), candidate, key=lambda each: each[:4])
        if _is_enough(request, best):
            break
    return best_first(best.values())


def _of_kinds(query: Query, postings: Postings) -> Postings:
    """Return *postings* in which the terms of a kind are one."""
    if not query.kinds:
        return postings
    rowids = {term: having for term, having in postings.rowids.items() if term in query.terms}
    for kind, members in query.kinds.items():
        rowids[of_kind(kind)] = sorted(set().union(*(postings.rowids.get(term, []) for term in members)))
    frequency = {term: postings.statistics.frequency.get(term, len(having)) for term, having in rowids.items()}
    return replace(postings, rowids=rowids, statistics=Statistics(frequency, postings.statistics.total))


def _is_enough(request: SearchRequest, found: Collection[Key]) -> bool:
    """Tell whether as many as are wanted were found."""
    if request.sessions is not None:
        return len({session_id for session_id, _ in found}) >= request.sessions
    return request.wanted is not None and len(found) >= request.wanted


def _ranked(
    connection: Connection, request: SearchRequest, query: Query, postings: Postings, spans: Sequence[Span]
) -> list[Candidate]:
    """Return the candidates among the messages of *spans*.

    What the filter keeps out lends its words all the same.
    """
    rows = index_of(connection).passages(connection, postings, spans, query.looked_up, request.scope)
    wanted = None if request.filter or request.sessions is not None else request.wanted
    ranks = rank(query, _passages(rows), postings.statistics, wanted)
    found = [_candidate(rows[each.position], each) for each in ranks]
    return passing(connection, request, found) if request.filter else found


def _passages(rows: Rows) -> Passages:
    if not rows:
        return Passages((), (), (), (), ())
    runs, _, _, moments, lengths, by_user, names, contents = zip(*rows, strict=True)
    texts = [None if said is None else text_of(name, said) for name, said in zip(names, contents, strict=True)]
    return Passages(runs, texts, lengths, by_user, moments)


def _candidate(row: Sequence[Any], ranked: Ranked) -> Candidate:
    _, session_id, seq, at, *_ = row
    moment = NEVER if at is None else at
    return Candidate(ranked.score, ranked.says_it, moment, (session_id, seq), ranked.shares, ranked.says)


def _parts(postings: Postings, query: Query, wanted: int | None) -> Iterator[list[Span]]:
    """Yield where the messages are that an index found, most promising first, in parts, each longer than the last.

    The first part is nearly always enough; the others are for filters that keep much out, and for deleted messages.
    """
    if query.dates and postings.session is not None and postings.statistics.total <= LONGEST_DATED:
        first = postings.session << SEQ_BITS
        yield [(first, first | SEQ_MASK)]
        return
    everything = sum(map(len, postings.rowids.values()))
    size = everything if wanted is None else max(FEWEST_READ, 2 * wanted)
    part = promising(postings.rowids, postings.statistics, size)
    if part:
        yield _spans(part, NEAR if wanted is not None and len(part) > wanted else REACH)
    if len(part) < size or size == everything:
        return
    known = frozenset(part)
    rest = (rowid for rowid in promising(postings.rowids, postings.statistics, everything) if rowid not in known)
    while part := list(islice(rest, size := size * PART_GROWTH)):
        yield _spans(part, REACH)


def _spans(rowids: Sequence[int], reach: int) -> list[Span]:
    """Return spans of messages in which each of *rowids* has, up to *reach*, what it hears and what hears it."""
    spans: list[Span] = []
    for rowid in sorted(rowids):
        session = rowid & ~SEQ_MASK
        first, last = max(rowid - reach, session), min(rowid + reach, session | SEQ_MASK)
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans
