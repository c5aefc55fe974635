"""Flows that embed messages. What an embedder raises never costs a message."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from .. import units
from ..databases import index_of
from ..databases.protocol import Key, Rows
from ..errors import InvalidInput
from ..terms.texts import text_of
from ..types import Vectors
from ..units import Flow, Stamp
from .application import Application, Embedding, log_failure

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 10_000
"""Sessions that are known to have no embedding of other dimensions."""

MOST_FAILURES = 3
"""Messages that a model fails at, one after the other, until it is taken to be out of order."""


def embed_session(app: Application, session_id: str) -> Flow[None]:
    """Embed the messages of a session that have no embedding, or that of another model, as far as its length tells.

    A failure is logged, and made up for next time.
    """
    if app.embedding is None:
        return
    try:
        yield from embed_due(app.embedding, session_id)
        yield from _embed_outdated(app.embedding, session_id)
    except Exception as error:  # whatever the application's model raises, the messages are stored
        log_failure(f"embedding session {session_id!r}", error)


def embed_due(embedding: Embedding, session_id: str | None) -> Flow[None]:
    """Embed the messages that have no embedding yet, of one session or of all."""
    from ..core.search import embeddings

    yield from _embed(embedding, session_id, embeddings.due)


def embed_all(embedding: Embedding, told: Callable[[int], None]) -> Flow[None]:
    """Embed all messages anew, and tell how many are done."""
    from ..core.search import embeddings

    yield from _embed(embedding, None, embeddings.every, told)


def _embed_outdated(embedding: Embedding, session_id: str) -> Flow[None]:
    """Embed the messages of a session anew that have an embedding of other dimensions: looked for once."""
    from ..core.search import embeddings

    if embedding.dimensions is None or session_id in embedding.looked_through:
        return
    yield from _embed(embedding, session_id, partial(embeddings.outdated, dimensions=embedding.dimensions))
    if len(embedding.looked_through) == MOST_REMEMBERED:
        embedding.looked_through.clear()
    embedding.looked_through.add(session_id)


def _embed(
    embedding: Embedding, session_id: str | None, wanted: Callable[..., Rows], told: Callable[[int], None] | None = None
) -> Flow[None]:
    """Embed the messages, of one session or of all, that *wanted* reads from a key on."""
    from ..core.search import embeddings

    after: Key = (session_id or "", 0)
    done = 0
    while rows := (yield units.read(wanted, session_id, after)):
        embedded, vectors = yield from _vectors_of(embedding, rows)
        packed = _packed(embedded, vectors)
        for dimensions in _new_dimensions(embedding, packed):
            yield units.write_alone(_index_vectors, dimensions)
        yield units.write(embeddings.store, embedded, packed)
        after, done = (rows[-1].session_id, rows[-1].seq), done + len(rows)
        if told is not None:
            told(done)


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
    from ..core.search import embeddings

    if len(vectors) != len(rows):
        raise InvalidInput("embedder", f"gave {len(vectors)} vectors for {len(rows)} texts")
    packed = [embeddings.packed_or_empty(vector) for vector in vectors]
    if empty := packed.count(b""):
        logger.warning(
            "the embedder has no vector for %d of %d messages; they are found by words alone", empty, len(rows)
        )
    return packed


def _new_dimensions(embedding: Embedding, packed: Sequence[bytes]) -> set[int]:
    dimensions = {len(vector) // 4 for vector in packed if vector}
    embedding.dimensions = max(dimensions, default=embedding.dimensions)
    new = dimensions - embedding.indexed
    embedding.indexed |= new
    return new


def _index_vectors(connection: Connection, stamp: Stamp, dimensions: int) -> None:
    index_of(connection).index_vectors(connection, dimensions)
