"""Finding messages by what they mean, alone or together with their words."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest
from statistics import fmean, pstdev

from sqlalchemy import Connection

from ...databases import index_of
from ...databases.embeddings import embeddings_of, nearness, other_dimensions
from ...databases.protocol import Key
from ...errors import InvalidInput
from . import lexical
from .candidates import NEVER, Candidate, passing
from .filters import Filter
from .requests import SearchRequest

POOL = 200
"""Candidates of each kind beyond a session, at least; where a filter keeps much out, ten times more and again."""

SESSION_POOL = 5_000
"""The same in a session."""

LARGEST_POOL = 20_000

POOL_GROWTH = 10

MEANING = 0.6
"""Weight of the meaning beside the words, where these point at many messages alike."""

LEAST_MEANING = 0.5
"""What is left of that weight where the words point at one message and hardly at others."""

STANDING_OUT = 3.0
"""Standard deviations from which a meaning counts twice, so that it is found where the words are sure of another."""

RUNNER_UP = 10
"""The message, counted from the best by its words, that tells at how many they point."""

JUDGES = 3
"""Messages, the best of those that say the words, that tell how good the embedder is: a good one sees one of them."""

AGREED = 4.0
"""Standard deviations that one of these is near, where a meaning has all of its weight."""

LEAST_AGREED = 0.25
"""What is left of it where they are no nearer than others."""


def candidates(connection: Connection, request: SearchRequest, vector: bytes) -> list[Candidate]:
    """Return messages that answer the request's text, best first.

    Both kinds of score are standardised over the candidates and added: a rank says less than how far ahead one is.
    """
    size = max(POOL, 4 * (request.wanted or LARGEST_POOL))
    if request.scope.session_id is not None:
        size = max(size, SESSION_POOL)  # that is, all of most sessions
    while True:
        found = _pool(connection, request, vector, min(size, LARGEST_POOL))
        enough = request.wanted is not None and len(found) >= request.wanted
        if enough or not request.filter or size >= LARGEST_POOL:
            return found
        size *= POOL_GROWTH


def _pool(connection: Connection, request: SearchRequest, vector: bytes, size: int) -> list[Candidate]:
    """Return the candidates of a pool, scored, that the filter lets through."""
    by_meaning = index_of(connection).nearest(connection, vector, request.scope, size)
    if request.mode == "semantic":
        if not by_meaning:
            _refuse_others(connection, request, vector)
        return _first(connection, request, _by_meaning(by_meaning))
    unfiltered = replace(request, filter=Filter(), limit=size, mmr_lambda=None)
    by_words = {each.key: each for each in lexical.candidates(connection, unfiltered)[:size]}
    if not by_words:
        return _first(connection, request, _by_meaning(by_meaning))
    by_meaning |= nearness(vector, embeddings_of(connection, [key for key in by_words if key not in by_meaning]))
    return _first(connection, request, _by_both(by_words, by_meaning))


def _refuse_others(connection: Connection, request: SearchRequest, vector: bytes) -> None:
    """Refuse to find nothing where all there is has embeddings of another model."""
    wanted = len(vector) // 4
    found = other_dimensions(connection, wanted, request.scope)
    if found is not None:
        problem = (
            f"gives {wanted} dimensions, and what is stored has {found}; rebuild_search(embeddings=True) adapts it"
        )
        raise InvalidInput("embedder", problem)


def _by_meaning(nearness_of: Mapping[Key, float]) -> list[Candidate]:
    return [Candidate(score, False, NEVER, key, meaning=score) for key, score in nearness_of.items()]


def _by_both(by_words: Mapping[Key, Candidate], by_meaning: Mapping[Key, float]) -> list[Candidate]:
    """Add what words and meaning say, each in standard deviations.

    Of the meaning less where the words are sure, or where it does not see what they found.
    """
    keys = {**by_meaning, **by_words}
    words = _standardised({key: by_words[key].score if key in by_words else 0.0 for key in keys})
    meaning = _standardised(by_meaning)
    weight = MEANING * _doubt(by_words.values()) * _agreement(by_words.values(), meaning)
    found: list[Candidate] = []
    for key, score in words.items():
        near = meaning.get(key, 0.0)
        part = weight * near + MEANING * max(0.0, near - STANDING_OUT)
        candidate = by_words.get(key, Candidate(0.0, False, NEVER, key))
        found.append(candidate._replace(score=score + part, says_it=key in by_words, meaning=part))
    return found


def _doubt(by_words: Collection[Candidate]) -> float:
    """Return how much the words leave open: how near the tenth message comes to the first, as far as that counts."""
    best = nlargest(RUNNER_UP, (each.score for each in by_words))
    return max(LEAST_MEANING, best[-1] / best[0] if len(best) == RUNNER_UP else 0.0)


def _agreement(by_words: Iterable[Candidate], meaning: Mapping[Key, float]) -> float:
    """Return how far *meaning*, in standard deviations, agrees with the best by words."""
    judges = nlargest(JUDGES, (each for each in by_words if each.says_it), key=lambda each: each[:4])
    near = max((meaning.get(each.key, 0.0) for each in judges), default=0.0)
    return min(1.0, max(LEAST_AGREED, near / AGREED))


def _standardised(scores: Mapping[Key, float]) -> dict[Key, float]:
    """Return *scores* as standard deviations from their mean."""
    if not scores:
        return {}
    mean, deviation = fmean(scores.values()), pstdev(scores.values())
    return {key: (score - mean) / (deviation or 1.0) for key, score in scores.items()}


def _first(connection: Connection, request: SearchRequest, found: Sequence[Candidate]) -> list[Candidate]:
    """Read what was found, to filter it: all of it only where a filter may keep out any part."""
    if not request.filter and request.wanted is not None and request.sessions is None:
        found = nlargest(2 * request.wanted, found, key=lambda each: (each.score, each.key))
    return passing(connection, request, found)
