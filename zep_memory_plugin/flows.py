"""Operations of several units of work and of the application's own functions: its summarizer and its embedder.

Here: what happens in which order, and what a failure of the application's functions means. Not here: what one unit
does (`core`) and how it is run (`running`). The application's functions are asked between units, outside any
transaction, and what they raise never costs a message.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection

from . import core, static, units
from .core.batches import Batch
from .core.listing import Horizon
from .databases import SearchIndex, index_of
from .databases.protocol import Key, Rows
from .errors import InvalidInput, shown
from .models import Message, SearchResult, SessionResult, Summarizer, Summary
from .terms.texts import text_of
from .types import (
    Embedder,
    LangChainEmbeddings,
    LlamaIndexEmbedding,
    Metadata,
    RebuildProgress,
    TokenCounter,
    Vectors,
)
from .units import Ask, Flow, Stamp

if TYPE_CHECKING:
    from .core.search.requests import SearchRequest

logger = logging.getLogger(__name__)

MOST_FAILURES = 3
"""Messages that a model fails at, one after the other, until it is taken to be out of order."""


@dataclass(slots=True)
class Embedding:
    """An embedder of any kind, as it is asked here."""

    texts: Callable[[list[str]], Ask]
    query: Callable[[str], Ask]
    is_function: bool = False
    """Whether a query is asked as one text of several, and its vector comes as one of several."""

    indexed: set[int] = field(default_factory=set)
    """The numbers of dimensions that an index was made for."""


@dataclass(frozen=True, slots=True)
class Application:
    """The functions that the application gave a manager, and how many messages stay out of a summary."""

    token_counter: TokenCounter
    message_window: int
    summarizer: Summarizer | None = None
    embedding: Embedding | None = None
    sessions_horizon: Horizon = field(default_factory=Horizon)
    users_horizon: Horizon = field(default_factory=Horizon)


def embedding_of(embedder: Embedder | None) -> Embedding | None:
    """Return how to ask *embedder*.

    Raises:
        InvalidInput: it is of none of the kinds, or a package that it needs is not installed.
    """
    if embedder is None:
        return None
    if embedder == "static":
        return embedding_of(static.static_embedder())
    if isinstance(embedder, LangChainEmbeddings):
        return Embedding(
            lambda texts: Ask(embedder.embed_documents, (texts,), embedder.aembed_documents),
            lambda text: Ask(embedder.embed_query, (text,), embedder.aembed_query),
        )
    if isinstance(embedder, LlamaIndexEmbedding):
        return Embedding(
            lambda texts: Ask(embedder.get_text_embedding_batch, (texts,), embedder.aget_text_embedding_batch),
            lambda text: Ask(embedder.get_query_embedding, (text,), embedder.aget_query_embedding),
        )
    if callable(embedder):
        return Embedding(lambda texts: Ask(embedder, (texts,)), lambda text: Ask(embedder, ([text],)), is_function=True)
    raise InvalidInput("embedder", f"is of type {type(embedder).__name__}; give an embedding model or a function")


def add_memory(app: Application, session_id: str, batch: Batch, user_id: str | None) -> Flow[list[Message]]:
    """Append *batch* to a session, and let the application's functions work on it."""
    if batch.is_empty and user_id is None:
        core.checks.session_id(session_id)
        return []
    _refuse_summarizer(app, session_id)
    stored: list[Message] = yield units.write_alone(core.appending.append, session_id, batch, user_id)
    yield from _after_write(app, session_id, stored)
    return stored


def replace_memory(app: Application, session_id: str, batch: Batch, user_id: str | None) -> Flow[list[Message]]:
    """Make *batch* all that a session holds, and let the application's functions work on it."""
    _refuse_summarizer(app, session_id)
    stored: list[Message] = yield units.write(core.replacement.replace, session_id, batch, user_id)
    yield from _after_write(app, session_id, stored)
    return stored


def update_message(
    app: Application,
    session_id: str,
    uuid: UUID | str,
    metadata: Metadata | None,
    content: str | None,
    user_id: str | None,
) -> Flow[Message]:
    """Change a message, and embed it anew when its content is another."""
    changed = yield from core.messages.change(session_id, uuid, metadata, content, user_id, app.token_counter)
    if content is not None:
        yield from _embed_session(app, session_id)
    return changed


def search_memory(app: Application, request: "SearchRequest") -> Flow[list[SearchResult]]:
    """Return what answers *request*."""
    from .core.search import finding  # here: a program that never searches starts sooner

    meant: SearchRequest = yield from _meant(app, request)
    results: list[SearchResult] = yield units.read(finding.find, meant)
    return results


def search_sessions(app: Application, request: "SearchRequest", turns: int) -> Flow[list[SessionResult]]:
    """Return the sessions that answer *request*, each with so many of its *turns*."""
    from .core.search import finding

    meant: SearchRequest = yield from _meant(app, request)
    results: list[SessionResult] = yield units.read(finding.find_sessions, meant, turns)
    return results


def _meant(app: Application, request: "SearchRequest") -> Flow["SearchRequest"]:
    """Return *request*; where its mode goes by meaning, with what the embedder says that its text means."""
    from .core.search import embeddings

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
        yield from _embed(app.embedding, None)
    return count


def delete_user(user_id: str) -> Flow[None]:
    """Erase a user and everything of theirs, and give the space back."""
    yield units.write(core.users.erase, user_id)
    yield from core.purge.reclaim()


def _after_write(app: Application, session_id: str, stored: Sequence[Message]) -> Flow[None]:
    if stored:
        yield from _summarize(app, session_id)
        yield from _embed_session(app, session_id)


def _summarize(app: Application, session_id: str) -> Flow[None]:
    """Summarise what has left the window of a session; a failure is logged."""
    if app.summarizer is None:
        return
    try:
        previous, messages = yield units.read(core.summaries.due, session_id, app.message_window)
        if messages:
            text = yield Ask(_not_again(app.summarizer, app, session_id), (previous, messages))
            row = core.summaries.written(Summary(content=text), app.token_counter)
            yield units.write(core.summaries.add_of, session_id, row, messages)
    except Exception as error:  # whatever the application's function raises, the messages are stored
        _log("summarizing", session_id, error)


_summarized: ContextVar[tuple[tuple[int, str], ...]] = ContextVar("zep_memory_plugin_summarized", default=())
"""The sessions, each with its manager's application, whose summarizer is being called around this code."""


def _not_again(summarizer: Summarizer, app: Application, session_id: str) -> Summarizer:
    """Return *summarizer*, during which its session takes no messages: each would be summarised in its turn."""

    def call(previous: Summary | None, messages: list[Message]) -> str | Awaitable[str]:
        token = _summarized.set((*_summarized.get(), (id(app), session_id)))
        try:
            answer = summarizer(previous, messages)
        finally:
            _summarized.reset(token)
        return _awaited(answer, (id(app), session_id)) if inspect.isawaitable(answer) else answer

    return call


async def _awaited(answer: Awaitable[str], session: tuple[int, str]) -> str:
    token = _summarized.set((*_summarized.get(), session))
    try:
        return await answer
    finally:
        _summarized.reset(token)


def _refuse_summarizer(app: Application, session_id: str) -> None:
    if (id(app), session_id) in _summarized.get():
        raise InvalidInput("summarizer", f"writes to {shown(session_id)}, the session that it is summarizing")


def _embed_session(app: Application, session_id: str) -> Flow[None]:
    """Embed the messages of a session that have no embedding yet; a failure is logged, and made up for next time."""
    if app.embedding is None:
        return
    try:
        yield from _embed(app.embedding, session_id)
    except Exception as error:  # whatever the application's model raises, the messages are stored
        _log("embedding", session_id, error)


def _embed(embedding: Embedding, session_id: str | None) -> Flow[None]:
    """Embed the messages that have no embedding yet, of one session or of all."""
    from .core.search import embeddings

    after: Key = (session_id or "", 0)
    while rows := (yield units.read(embeddings.due, session_id, after)):
        embedded, vectors = yield from _vectors_of(embedding, rows)
        packed = _packed(embedded, vectors)
        for dimensions in _new_dimensions(embedding, packed):
            yield units.write_alone(_index_vectors, dimensions)
        yield units.write(embeddings.store, embedded, packed)
        after = rows[-1].session_id, rows[-1].seq


def _vectors_of(embedding: Embedding, rows: Rows) -> Flow[tuple[Rows, Vectors]]:
    """Return which of *rows* the model has vectors for, and those.

    Where it fails at all of them together, it is asked for one by one, until so many fail that it is not the texts.
    What it fails at has its turn again next time; a message that was all there was has had its turn.
    """
    try:
        return rows, (yield embedding.texts(_texts(rows)))
    except Exception:  # whatever the application's model raises
        if len(rows) == 1:
            raise
        embedded = yield from _vectors_singly(embedding, rows)
        if not embedded:
            raise
    return [row for row, _ in embedded], [vector for _, vector in embedded]


def _vectors_singly(embedding: Embedding, rows: Rows) -> Flow[list[tuple[Any, Sequence[float]]]]:
    embedded: list[tuple[Any, Sequence[float]]] = []
    failures = 0
    for row in rows:
        try:
            (vector,) = yield embedding.texts(_texts([row]))
        except Exception:  # whatever the application's model raises
            failures += 1
            if failures == MOST_FAILURES:
                break
            continue
        embedded.append((row, vector))
        failures = 0
    return embedded


def _texts(rows: Rows) -> list[str]:
    return [text_of(row.name, row.content) for row in rows]


def _packed(rows: Rows, vectors: Vectors) -> list[bytes]:
    from .core.search import embeddings

    if len(vectors) != len(rows):
        raise InvalidInput("embedder", f"gave {len(vectors)} vectors for {len(rows)} texts")
    packed = [embeddings.packed_or_empty(vector) for vector in vectors]
    if empty := packed.count(b""):
        logger.warning(
            "the embedder has no vector for %d of %d messages; they are found by words alone", empty, len(rows)
        )
    return packed


def _new_dimensions(embedding: Embedding, packed: Sequence[bytes]) -> set[int]:
    new = {len(vector) // 4 for vector in packed if vector} - embedding.indexed
    embedding.indexed |= new
    return new


def _index_vectors(connection: Connection, stamp: Stamp, dimensions: int) -> None:
    index_of(connection).index_vectors(connection, dimensions)


def _log(work: str, session_id: str, error: Exception) -> None:
    """Log a failure by its kind alone: its text may hold words of the conversation."""
    logger.warning("%s session %r failed: %s", work, session_id, type(error).__name__)
