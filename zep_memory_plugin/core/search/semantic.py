"""Finding messages by what they mean, alone or together with their words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean, pstdev
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from ...tables import messages, sessions
from . import lexical, vectors
from ._protocol import Key, Rows, Scope, SearchIndex
from .candidates import Candidate, best_first
from .filters import Filter
from .indexes import index_of
from .requests import Request
from .texts import text_of

POOL = 200
"""Candidates of each kind beyond a session, at least; where a filter keeps much out, ten times more and again."""

LARGEST_POOL = 20_000

GROWTH = 10


def candidates(connection: Connection, request: Request, question: bytes) -> list[Candidate]:
    """Return messages that answer the request's text, best first.

    Both kinds of score are standardised over the candidates and added: a rank says less than how far ahead one is.
    """
    size = max(POOL, 4 * (request.wanted or LARGEST_POOL))
    if request.scope.session_id is not None:
        size = max(size, lexical.READ_WHOLE)  # that is, all of most sessions
    while True:
        pool = _pool(connection, request, question, min(size, LARGEST_POOL))
        kept = best_first(each for each in pool if request.filter.passes(each.created_at, each.metadata))
        enough = request.wanted is not None and len(kept) >= request.wanted
        if enough or not request.filter or size >= LARGEST_POOL:
            return kept
        size *= GROWTH


def _pool(connection: Connection, request: Request, question: bytes, size: int) -> list[Candidate]:
    """Return the candidates before any filter, scored."""
    meant = index_of(connection).nearest(connection, question, request.scope, size)
    if request.mode == "semantic":
        return _scored(connection, request, meant, ())
    unfiltered = replace(request, filter=Filter(), limit=size, mmr_lambda=None)
    said = {each.key: each for each in lexical.candidates(connection, unfiltered)[:size]}
    if not said:
        return _scored(connection, request, meant, ())
    meant |= vectors.nearness(question, vectors.of(connection, [key for key in said if key not in meant]))
    words = _standardised({key: said[key].score if key in said else 0.0 for key in {**meant, **said}})
    meaning = _standardised(meant)
    together = {key: score + meaning.get(key, 0.0) for key, score in words.items()}
    return _scored(connection, request, together, said)


def _standardised(scores: Mapping[Key, float]) -> dict[Key, float]:
    """Return *scores* as standard deviations from their mean."""
    if not scores:
        return {}
    mean, deviation = fmean(scores.values()), pstdev(scores.values())
    return {key: (score - mean) / (deviation or 1.0) for key, score in scores.items()}


def _scored(
    connection: Connection, request: Request, scores: Mapping[Key, float], said: Collection[Key]
) -> list[Candidate]:
    """Read what has these scores: all of it only where a filter may keep out any part."""
    if not request.filter and request.wanted is not None:
        scores = vectors.best(scores, 2 * request.wanted)
    rows = _rows_of(connection, request.scope, list(scores))
    return [
        Candidate(
            scores[row.session_id, row.seq],
            (row.session_id, row.seq) in said,
            (row.session_id, row.seq),
            row.created_at,
            text_of(row.name, row.content),
            row.metadata,
        )
        for row in rows
    ]


def _rows_of(connection: Connection, scope: Scope, keys: Sequence[Key]) -> Rows:
    index = index_of(connection)
    rows = connection.execute(_live(index), index.named(keys)).all() if keys else []
    return [row for row in rows if scope.user_id is None or row.user_id == scope.user_id]


@cache
def _live(index: SearchIndex) -> Select[*tuple[Any, ...]]:
    wanted = index.keys()
    same = and_(messages.c.session_id == wanted.c.session_id, messages.c.seq == wanted.c.seq)
    columns = [messages.c[name] for name in ("session_id", "seq", "created_at", "name", "content", "metadata")]
    return (
        select(*columns, sessions.c.user_id)
        .join_from(wanted, messages, same)
        .join(sessions, sessions.c.session_id == messages.c.session_id)
        .where(messages.c.deleted_at.is_(None), sessions.c.deleted_at.is_(None))
    )
