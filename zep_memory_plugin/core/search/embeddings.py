"""Embeddings: what messages mean, as vectors of length 1, made after the messages are stored."""

import math
import struct
from collections.abc import Sequence, Sized
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, true, tuple_

from ...databases import database_of, index_of
from ...databases.embeddings import SAME_MESSAGE, of_others
from ...databases.protocol import Key, Rows
from ...errors import InvalidInput
from ...tables import message_embeddings, messages, sessions
from ...terms.texts import LONGEST_TEXT
from ...types import Vectors
from ...units import Stamp

EMBEDDED_AT_ONCE = 100
"""Messages that the embedder is given at once."""

_KEY = tuple_(messages.c.session_id, messages.c.seq)
_AS_READ = (
    messages.c.session_id,
    messages.c.seq,
    messages.c.uuid,
    messages.c.name,
    func.substr(messages.c.content, 1, LONGEST_TEXT).label("content"),
)
"""What an embedding is made of, and by what its message is known again when it is stored."""

_HAS_MEANING = and_(messages.c.deleted_at.is_(None), messages.c.content != "")
_COUNT = select(func.count()).select_from(messages).where(_HAS_MEANING)

SAMPLE = 1_000
"""Embeddings that are looked at for one of other dimensions."""


def only(vectors: Vectors) -> Sequence[float]:
    """Return the vector that an embedder gave for one text.

    Raises:
        InvalidInput: it gave none, or several.
    """
    if not isinstance(vectors, Sized) or len(vectors) != 1:
        raise InvalidInput("embedder", f"gave a {type(vectors).__name__} for one text, not a list of one vector")
    return vectors[0]


def packed(vector: Sequence[float]) -> bytes:
    """Return *vector* at length 1, as it is stored.

    Raises:
        InvalidInput: it is empty, zero, or holds what is no number.
    """
    unit = packed_or_empty(vector)
    if not unit:
        raise InvalidInput("embedder", f"gave a vector of {len(vector)} numbers that points nowhere")
    return unit


def packed_or_empty(vector: Sequence[float]) -> bytes:
    """Return *vector* at length 1; empty where it points nowhere, as that of a message without a known word may do.

    Stored as such, it is near nothing, and its message is not embedded again and again.

    Raises:
        InvalidInput: it is no vector of numbers.
    """
    try:
        length = math.sqrt(math.fsum(part * part for part in vector))
    except TypeError:
        raise InvalidInput("embedder", f"gave a {type(vector).__name__} that is no vector of numbers") from None
    if not math.isfinite(length) or length == 0:
        return b""
    return struct.pack(f"<{len(vector)}f", *(part / length for part in vector))


def due(connection: Connection, session_id: str | None, after: Key) -> Rows:
    """Return the first messages without an embedding from *after* on: of one session, or of all."""
    return _first(connection, session_id, after, ~exists().where(SAME_MESSAGE))


def outdated(connection: Connection, session_id: str | None, after: Key, dimensions: int) -> Rows:
    """Return the first messages from *after* on whose embedding has other *dimensions*."""
    return _first(connection, session_id, after, exists().where(SAME_MESSAGE, of_others(connection, dimensions)))


def every(connection: Connection, session_id: str | None, after: Key) -> Rows:
    """Return the first messages from *after* on that can have an embedding."""
    return _first(connection, session_id, after, true())


def count(connection: Connection) -> int:
    """Return how many messages can have an embedding."""
    return connection.execute(_COUNT).scalar_one()


def has_outdated(connection: Connection, dimensions: int) -> bool:
    """Tell whether some of the embeddings have other *dimensions*, as far as a sample shows."""
    sample = select(index_of(connection).dimensions().label("dimensions")).limit(SAMPLE).subquery("sample")
    outdated = select(sample).where(sample.c.dimensions.not_in((0, dimensions))).limit(1)
    return connection.execute(outdated).first() is not None


def _first(connection: Connection, session_id: str | None, after: Key, condition: ColumnElement[bool]) -> Rows:
    query = select(*_AS_READ).where(_HAS_MEANING, condition).order_by(messages.c.session_id, messages.c.seq)
    of_session = (messages.c.session_id == session_id, messages.c.seq > after[1])
    within = query.where(after < _KEY) if session_id is None else query.where(*of_session)
    return connection.execute(within.limit(EMBEDDED_AT_ONCE)).all()


def store(connection: Connection, stamp: Stamp, rows: Rows, vectors: Sequence[bytes]) -> None:
    """Store the *vectors* of messages as *rows* were read, but for those that are others by now."""
    vector_of = {tuple(row): vector for row, vector in zip(rows, vectors, strict=True)}
    seqs: dict[str, list[int]] = {}
    for row in rows:
        seqs.setdefault(row.session_id, []).append(row.seq)
    current = [row for session_id in sorted(seqs) for row in _locked(connection, session_id, seqs[session_id])]
    embeddings = [
        {"session_id": row.session_id, "seq": row.seq, "uuid": row.uuid, "embedding": vector_of[tuple(row)]}
        for row in current
        if tuple(row) in vector_of
    ]
    if embeddings:
        connection.execute(_upsert(connection), embeddings)


def _upsert(connection: Connection) -> Any:
    """Build the statement that stores an embedding, instead of one that another message with the seq had."""
    insert = database_of(connection).insert(message_embeddings)
    key = [message_embeddings.c.session_id, message_embeddings.c.seq]
    return insert.on_conflict_do_update(
        index_elements=key, set_={name: insert.excluded[name] for name in ("uuid", "embedding")}
    )


def _locked(connection: Connection, session_id: str, seqs: Sequence[int]) -> Rows:
    """Lock a session and return some of its live messages."""
    session = select(sessions.c.session_id).where(sessions.c.session_id == session_id)
    connection.execute(session.with_for_update()).all()
    live = (messages.c.session_id == session_id, messages.c.seq.in_(seqs), messages.c.deleted_at.is_(None))
    return connection.execute(select(*_AS_READ).where(*live)).all()
