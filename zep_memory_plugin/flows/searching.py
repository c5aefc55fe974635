"""Flows that search, and the one that makes the index anew."""

from dataclasses import replace
from typing import TYPE_CHECKING

from .. import units
from ..databases import SearchIndex, index_of
from ..errors import InvalidInput
from ..models import SearchResult, SessionResult
from ..types import RebuildProgress
from ..units import Flow
from .application import Application
from .embedding import embed

if TYPE_CHECKING:
    from ..core.search.requests import SearchRequest


def search_memory(app: Application, request: "SearchRequest") -> Flow[list[SearchResult]]:
    """Return what answers *request*."""
    from ..core.search import finding  # here: a program that never searches starts sooner

    meant: SearchRequest = yield from _meant(app, request)
    results: list[SearchResult] = yield units.read(finding.find, meant)
    return results


def search_sessions(app: Application, request: "SearchRequest", turns: int) -> Flow[list[SessionResult]]:
    """Return the sessions that answer *request*, each with so many of its *turns*."""
    from ..core.search import finding

    meant: SearchRequest = yield from _meant(app, request)
    results: list[SessionResult] = yield units.read(finding.find_sessions, meant, turns)
    return results


def _meant(app: Application, request: "SearchRequest") -> Flow["SearchRequest"]:
    """Return *request*; where its mode goes by meaning, with what the embedder says that its text means."""
    from ..core.search import embeddings

    if request.mode != "lexical":
        if app.embedding is None:
            raise InvalidInput("mode", f"is {request.mode!r}; give SessionManager an embedder for that")
        if request.text:
            vector = yield app.embedding.query(request.text)
            request = replace(request, embedding=embeddings.packed(vector[0] if app.embedding.is_function else vector))
    return request


def rebuild_search(app: Application, progress: RebuildProgress | None) -> Flow[int]:
    """Make the search index anew, embed what has no embedding yet, and count the messages."""
    index: SearchIndex = yield units.read(index_of)
    count: int = yield from index.rebuild(progress or (lambda done, total: None))
    if app.embedding is not None:
        yield from embed(app.embedding, None)
    return count
