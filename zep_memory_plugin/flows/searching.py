"""Flows that search, and the one that makes the index anew."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import units
from ..core import checks
from ..databases import SearchIndex, index_of
from ..errors import InvalidInput
from ..models import SearchResult, SessionResult
from ..types import RebuildProgress
from ..units import Flow
from .application import Application, Embedding
from .embedding import embed_all, embed_due

if TYPE_CHECKING:
    from ..core.search.requests import SearchRequest

logger = logging.getLogger(__name__)


def search_memory(app: Application, request: "SearchRequest") -> Flow[list[SearchResult]]:
    """Return what answers *request*."""
    from ..core.search import finding  # here: a program that never searches starts sooner

    meant: SearchRequest = yield from _meant(app, request)
    results: list[SearchResult] = yield units.late(units.read(finding.find, meant), meant.scope.session_id)
    return results


def search_sessions(app: Application, request: "SearchRequest", turns: int) -> Flow[list[SessionResult]]:
    """Return the sessions that answer *request*, each with so many of its *turns*."""
    from ..core.search import finding

    meant: SearchRequest = yield from _meant(app, request)
    found = units.read(finding.find_sessions, meant, turns)
    results: list[SessionResult] = yield units.late(found, meant.scope.session_id)
    return results


def _meant(app: Application, request: "SearchRequest") -> Flow["SearchRequest"]:
    """Return *request*; where its mode goes by meaning, with what the embedder says that its text means."""
    from ..core.search import embeddings

    if request.mode != "lexical":
        if app.embedding is None:
            raise InvalidInput("mode", f"is {request.mode!r}; give SessionManager an embedder for that")
        if request.text:
            answer = yield app.embedding.query(request.text)
            packed = embeddings.packed(embeddings.only(answer) if app.embedding.is_function else answer)
            yield from _compare(app.embedding, len(packed) // 4)
            request = replace(request, embedding=packed)
    return request


def _compare(embedding: Embedding, dimensions: int) -> Flow[None]:
    """Say, once, that there are embeddings of another model, which no search by meaning finds any more."""
    from ..core.search.embeddings import has_outdated

    embedding.dimensions = dimensions
    if not embedding.compared:
        embedding.compared = True
        if (yield units.read(has_outdated, dimensions)):
            logger.warning(
                "the embedder gives %d dimensions, and messages are stored with others: what these mean is not found "
                "until there is something new in their session, or rebuild_search(embeddings=True) was called",
                dimensions,
            )


def rebuild_search(app: Application, progress: RebuildProgress | None, embeddings: bool) -> Flow[int]:
    """Make the search index anew, embed what has no embedding yet or, for *embeddings*, all; count the messages."""
    from ..core.search.embeddings import count as count_embeddable

    if embeddings and app.embedding is None:
        raise InvalidInput("embeddings", "is True; give SessionManager an embedder for that")
    told = checks.told("progress", progress) or (lambda done, total: None)
    index: SearchIndex = yield units.read(index_of)
    more: int = (yield units.read(count_embeddable)) if embeddings else 0
    count: int = yield from index.rebuild(lambda done, total: told(done, total + more))
    if app.embedding is not None:
        if embeddings:
            yield from embed_all(app.embedding, lambda done: told(count + done, count + max(done, more)))
        else:
            yield from embed_due(app.embedding, None)
    return count
