"""Searching: candidates, and of those the best."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from ...databases.embeddings import embeddings_of
from ...models import SearchResult, SessionResult, stored
from .. import ownership
from .. import sessions as session_rows
from . import lexical, semantic, unranked
from .candidates import Candidate, texts
from .diversity import Likeness, alike_by_meaning, alike_by_words, diversified
from .requests import SearchRequest
from .results import results_of

FADING = 0.5
"""What is left of the weight of each further turn of a session, beside the one before it."""

WEIGHED = 5
"""Turns of a session that count; of later ones less than a sixteenth would."""


def find(connection: Connection, request: SearchRequest) -> list[SearchResult]:
    """Return what answers a request, best first."""
    if request.limit == 0:
        return []
    if ownership.hides(connection, request.scope.session_id, request.scope.user_id):
        return []
    candidates = _best(connection, request)
    if not candidates and request.scope.session_id is not None:
        ownership.refuse(connection, request.scope.session_id, request.scope.user_id)
    return results_of(connection, request, candidates)


def find_sessions(connection: Connection, request: SearchRequest, turns: int) -> list[SessionResult]:
    """Return the sessions whose best turns answer a request best, each with so many of them."""
    if request.limit == 0 or not request.text:
        return []
    turns_of: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in _candidates(connection, request):
        turns_of[candidate.key[0]].append(candidate)
    score_of = {session_id: _score(each) for session_id, each in turns_of.items()}
    best = sorted(score_of, key=lambda session_id: (score_of[session_id], session_id), reverse=True)[: request.limit]
    session_of = session_rows.live(connection, best, request.scope.user_id)
    shown = [candidate for session_id in best for candidate in turns_of[session_id][:turns]]
    results_by: dict[str, list[SearchResult]] = defaultdict(list)
    for result in results_of(connection, request, shown):
        results_by[result.session_id].append(result)
    return [
        stored(SessionResult, {"session": session_of[each], "score": score_of[each], "results": results_by[each]})
        for each in best
        if each in session_of and each in results_by
    ]


def _score(turns: Sequence[Candidate]) -> float:
    """Return the score of a session by its turns, best first: the best, and less and less of the others."""
    return sum(turn.score * FADING**rank for rank, turn in enumerate(turns[:WEIGHED]))


def _best(connection: Connection, request: SearchRequest) -> list[Candidate]:
    if not request.text:
        return unranked.newest(connection, request) if request.filter else []
    ordered = _candidates(connection, request)[: request.wanted]
    if not ordered and request.filter.operators.phrases:
        without = replace(request.filter.operators, phrases=())  # nobody says that in these words
        return _best(connection, replace(request, filter=replace(request.filter, operators=without)))
    if request.mmr_lambda is None:
        return ordered
    count = len(ordered) if request.limit is None else request.limit
    return diversified(ordered, _likeness(connection, request, ordered), request.mmr_lambda, count)


def _likeness(connection: Connection, request: SearchRequest, candidates: Sequence[Candidate]) -> Likeness:
    """Compare by meaning where all have an embedding, else by words."""
    if request.embedding is not None:
        vectors = embeddings_of(connection, [candidate.key for candidate in candidates])
        if len(vectors) == len(candidates) and len({len(vector) for vector in vectors.values()}) == 1:
            return alike_by_meaning([vectors[candidate.key] for candidate in candidates])
    return alike_by_words(texts(connection, request, candidates))


def _candidates(connection: Connection, request: SearchRequest) -> list[Candidate]:
    if request.of_summaries:
        return unranked.summaries_like(connection, request)
    if request.embedding is not None:
        return semantic.candidates(connection, request, request.embedding)
    return lexical.candidates(connection, request)
