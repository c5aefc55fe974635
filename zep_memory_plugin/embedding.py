"""Calling the application's embedder: after a write, outside any transaction, and never at a message's cost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sqlalchemy import Connection

from .core.search import vectors
from .core.search._protocol import Key, Rows
from .core.search.indexes import index_of
from .core.search.texts import text_of
from .database import Database, Stamp
from .errors import InvalidInput

if TYPE_CHECKING:
    from .core.search.requests import Request

logger = logging.getLogger(__name__)

PATIENCE = 3
"""Messages that a model fails at, one after the other, until it is taken to be out of order."""

Vectors = Sequence[Sequence[float]]


@runtime_checkable
class LangChainEmbeddings(Protocol):
    """What is used of LangChain's `Embeddings`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]: ...
    def embed_query(self, text: str) -> list[float]: ...
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]: ...
    async def aembed_query(self, text: str) -> list[float]: ...


@runtime_checkable
class LlamaIndexEmbedding(Protocol):
    """What is used of LlamaIndex's `BaseEmbedding`."""

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...
    def get_query_embedding(self, query: str) -> list[float]: ...
    async def aget_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...
    async def aget_query_embedding(self, query: str) -> list[float]: ...


Embedder = LangChainEmbeddings | LlamaIndexEmbedding | Callable[[list[str]], Vectors]
"""Turns texts into vectors: a LangChain `Embeddings`, a LlamaIndex `BaseEmbedding`, or a function."""


@dataclass(slots=True)
class Embedding:
    """An embedder of any kind, as it is called here."""

    texts: Callable[[list[str]], Vectors]
    question: Callable[[str], Sequence[float]]
    atexts: Callable[[list[str]], Awaitable[Vectors]]
    aquestion: Callable[[str], Awaitable[Sequence[float]]]
    indexed: set[int] = field(default_factory=set)
    """The numbers of dimensions that an index was made for."""


def embedding_of(embedder: Embedder | None) -> Embedding | None:
    """Return how to call *embedder*.

    Raises:
        InvalidInput: it is of none of the kinds.
    """
    if embedder is None:
        return None
    if isinstance(embedder, LangChainEmbeddings):
        return Embedding(
            embedder.embed_documents, embedder.embed_query, embedder.aembed_documents, embedder.aembed_query
        )
    if isinstance(embedder, LlamaIndexEmbedding):
        return Embedding(
            embedder.get_text_embedding_batch,
            embedder.get_query_embedding,
            embedder.aget_text_embedding_batch,
            embedder.aget_query_embedding,
        )
    if callable(embedder):
        return _of_function(embedder)
    raise InvalidInput("embedder", f"is of type {type(embedder).__name__}; give an embedding model or a function")


def _of_function(embed: Callable[[list[str]], Vectors]) -> Embedding:
    def question(text: str) -> Sequence[float]:
        return embed([text])[0]

    async def atexts(texts: list[str]) -> Vectors:
        return await asyncio.to_thread(embed, texts)

    async def aquestion(text: str) -> Sequence[float]:
        return await asyncio.to_thread(question, text)

    return Embedding(embed, question, atexts, aquestion)


def embed(database: Database, embedding: Embedding, session_id: str) -> None:
    """Embed the messages of a session that have no embedding yet; a failure is logged, and made up for next time."""
    after: Key = (session_id, 0)
    try:
        while read := database.read(vectors.due, session_id, after):
            _keep(database, embedding, *_meant(embedding, read))
            after = _last(read)
    except Exception as error:  # whatever the application's model raises, the messages are stored
        _log(session_id, error)


async def aembed(database: Database, embedding: Embedding, session_id: str) -> None:
    """Embed the messages of a session that have no embedding yet. See `embed`."""
    after: Key = (session_id, 0)
    try:
        while read := await database.aread(vectors.due, session_id, after):
            await _akeep(database, embedding, *await _ameant(embedding, read))
            after = _last(read)
    except Exception as error:  # whatever the application's model raises, the messages are stored
        _log(session_id, error)


def embed_all(database: Database, embedding: Embedding) -> None:
    """Embed every message that has no embedding yet."""
    after: Key = ("", 0)
    while read := database.read(vectors.due, None, after):
        _keep(database, embedding, *_meant(embedding, read))
        after = _last(read)


async def aembed_all(database: Database, embedding: Embedding) -> None:
    """Embed every message that has no embedding yet. See `embed_all`."""
    after: Key = ("", 0)
    while read := await database.aread(vectors.due, None, after):
        await _akeep(database, embedding, *await _ameant(embedding, read))
        after = _last(read)


def _last(read: Rows) -> Key:
    return read[-1].session_id, read[-1].seq


def _meant(embedding: Embedding, read: Rows) -> tuple[Rows, Vectors]:
    """Return what the model has vectors for of what was *read*, and those.

    Where it fails at all of it, it is asked for one by one; what it fails at then has its turn again next time.
    """
    try:
        return read, embedding.texts(_texts(read))
    except Exception as error:  # whatever the application's model raises
        singly = _Singly(error)
        for row, found in singly.attempts(read):
            with suppress(Exception):  # as above
                found += embedding.texts(_texts([row]))
        return singly.results()


async def _ameant(embedding: Embedding, read: Rows) -> tuple[Rows, Vectors]:
    """Return what the model has vectors for of what was *read*, and those. See `_meant`."""
    try:
        return read, await embedding.atexts(_texts(read))
    except Exception as error:  # whatever the application's model raises
        singly = _Singly(error)
        for row, found in singly.attempts(read):
            with suppress(Exception):  # as above
                found += await embedding.atexts(_texts([row]))
        return singly.results()


class _Singly:
    """Messages that are embedded one by one, as the model has failed at all of them together."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._found: list[tuple[Any, Sequence[float]]] = []

    def attempts(self, read: Rows) -> Iterator[tuple[Any, list[Sequence[float]]]]:
        """Yield each row, with a list for its vector, until so many fail that it is not the texts.

        A message that was all there was has had its turn.
        """
        failures = 0
        for row in read if len(read) > 1 else ():
            found: list[Sequence[float]] = []
            yield row, found
            self._found += [(row, vector) for vector in found[:1]]
            failures = 0 if found else failures + 1
            if failures == PATIENCE:
                return

    def results(self) -> tuple[Rows, Vectors]:
        """Return the messages that have a vector, and those."""
        if not self._found:
            raise self._error
        return [row for row, _ in self._found], [vector for _, vector in self._found]


def asking(request: "Request", embedding: Embedding | None) -> "Request":
    """Return *request* with what its text means, where its mode needs that."""
    if not (needed := _needed(request, embedding)):
        return request
    return replace(request, embedding=vectors.packed(needed.question(request.text)))


async def aasking(request: "Request", embedding: Embedding | None) -> "Request":
    """Return *request* with what its text means, where its mode needs that. See `asking`."""
    if not (needed := _needed(request, embedding)):
        return request
    return replace(request, embedding=vectors.packed(await needed.aquestion(request.text)))


def _needed(request: "Request", embedding: Embedding | None) -> Embedding | None:
    if request.mode == "lexical":
        return None
    if embedding is None:
        raise InvalidInput("mode", f"is {request.mode!r}; give SessionManager an embedder for that")
    return embedding if request.text else None


def _texts(read: Rows) -> list[str]:
    return [text_of(row.name, row.content) for row in read]


def _keep(database: Database, embedding: Embedding, read: Rows, given: Vectors) -> int:
    """Store embeddings and count them, which are of the length that an index is made for before the first."""
    packed = _packed(read, given)
    for dimensions in _new_dimensions(embedding, packed):
        database.write_alone(_index_vectors, dimensions)
    return database.write(vectors.store, read, packed)


async def _akeep(database: Database, embedding: Embedding, read: Rows, given: Vectors) -> int:
    """Store embeddings and count them. See `_keep`."""
    packed = _packed(read, given)
    for dimensions in _new_dimensions(embedding, packed):
        await database.awrite_alone(_index_vectors, dimensions)
    return await database.awrite(vectors.store, read, packed)


def _packed(read: Rows, given: Vectors) -> list[bytes]:
    if len(given) != len(read):
        raise InvalidInput("embedder", f"gave {len(given)} vectors for {len(read)} texts")
    packed = [vectors.packed_or_empty(vector) for vector in given]
    if nothing := packed.count(b""):
        logger.warning(
            "the embedder has no vector for %d of %d messages; they are found by words alone", nothing, len(read)
        )
    return packed


def _new_dimensions(embedding: Embedding, packed: Sequence[bytes]) -> set[int]:
    new = {len(vector) // 4 for vector in packed if vector} - embedding.indexed
    embedding.indexed |= new
    return new


def _index_vectors(connection: Connection, stamp: Stamp, dimensions: int) -> None:
    index_of(connection).index_vectors(connection, dimensions)


def _log(session_id: str, error: Exception) -> None:
    """Log a failure by its kind alone: its text may hold words of the conversation."""
    logger.warning("embedding session %r failed: %s", session_id, type(error).__name__)
