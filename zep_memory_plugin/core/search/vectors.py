"""Embeddings: what messages mean, as vectors of length 1, stored after the messages and compared in bounded numbers."""

import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from heapq import nlargest
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, insert, literal, select, tuple_

from ...database import Stamp
from ...dialects import dialect_of
from ...errors import InvalidInput
from ...tables import message_embeddings, messages, sessions
from ._protocol import Key, Rows, Scope, SearchIndex
from .indexes import index_of
from .scopes import LIVE_SESSION
from .texts import LONGEST_TEXT

EMBEDDED_AT_ONCE = 100
"""Messages that the embedder is given at once."""

COMPARED = 20_000
"""Embeddings, the newest ones, that a question is compared with where no index does it."""

_KEY = tuple_(messages.c.session_id, messages.c.seq)
_SAME_KEY = and_(message_embeddings.c.session_id == messages.c.session_id, message_embeddings.c.seq == messages.c.seq)
_DUE = (
    select(
        messages.c.session_id,
        messages.c.seq,
        messages.c.updated_at,
        messages.c.name,
        func.substr(messages.c.content, 1, LONGEST_TEXT).label("content"),
    )
    .where(messages.c.deleted_at.is_(None), messages.c.content != "", ~exists().where(_SAME_KEY))
    .order_by(messages.c.session_id, messages.c.seq)
    .limit(EMBEDDED_AT_ONCE)
)


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
    """
    length = math.sqrt(math.fsum(part * part for part in vector))
    if not math.isfinite(length) or length == 0:
        return b""
    return struct.pack(f"<{len(vector)}f", *(part / length for part in vector))


def due(connection: Connection, session_id: str | None, after: Key = ("", 0)) -> Rows:
    """Return the first messages without an embedding from *after* on: of one session, or of all."""
    if session_id is None:
        return connection.execute(_DUE.where(after < _KEY)).all()
    return connection.execute(_DUE.where(messages.c.session_id == session_id, messages.c.seq > after[1])).all()


def store(connection: Connection, stamp: Stamp, read: Rows, vectors: Sequence[bytes]) -> int:
    """Store embeddings of messages as they were *read*, but for those that were changed since, and count them."""
    given = {(row.session_id, row.seq, row.updated_at): vector for row, vector in zip(read, vectors, strict=True)}
    places: dict[str, list[int]] = {}
    for row in read:
        places.setdefault(row.session_id, []).append(row.seq)
    there = [key for session_id in sorted(places) for key in _as_they_are(connection, session_id, places[session_id])]
    rows = [{"session_id": key[0], "seq": key[1], "embedding": given[key]} for key in there if key in given]
    if rows:
        connection.execute(dialect_of(connection).insert(message_embeddings).on_conflict_do_nothing(), rows)
    return len(rows)


def _as_they_are(connection: Connection, session_id: str, seqs: Sequence[int]) -> list[tuple[str, int, Any]]:
    """Lock a session and return the keys of some of its messages, each with the moment of its last change."""
    here = select(sessions.c.session_id).where(sessions.c.session_id == session_id)
    connection.execute(here.with_for_update()).all()
    query = select(messages.c.session_id, messages.c.seq, messages.c.updated_at)
    query = query.where(messages.c.session_id == session_id, messages.c.seq.in_(seqs))
    return [tuple(row) for row in connection.execute(query)]


def compared(connection: Connection, question: bytes, scope: Scope) -> dict[Key, float]:
    """Return how near the newest live messages of *scope* that have an embedding are to *question*: their cosine."""
    rows = connection.execute(_newest(of_session=scope.session_id is not None), _parameters(scope)).all()
    return nearness(question, {(row.session_id, row.seq): row.embedding for row in rows})


def of(connection: Connection, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Return the embeddings of those of *keys* that have one."""
    index = index_of(connection)
    rows = connection.execute(_embeddings(index), index.named(keys))
    return {(row.session_id, row.seq): row.embedding for row in rows}


def best(near: Mapping[Key, float], count: int) -> dict[Key, float]:
    """Return the *count* messages that are nearest."""
    return dict(nlargest(count, near.items(), key=lambda item: (item[1], item[0])))


def nearness(question: bytes, vectors: Mapping[Key, bytes]) -> dict[Key, float]:
    """Return the cosine of *question* and each of *vectors* that is of its length."""
    alike = {key: vector for key, vector in vectors.items() if len(vector) == len(question)}
    if not alike:
        return {}
    numpy = _numpy()
    matrix = numpy.frombuffer(b"".join(alike.values()), "<f4").reshape(len(alike), -1)
    products = matrix @ numpy.frombuffer(question, "<f4")
    return dict(zip(alike, products.tolist(), strict=True))


def remove(connection: Connection, keys: Sequence[Key]) -> None:
    """Remove the embeddings of messages."""
    if keys:
        index_of(connection).delete(connection, message_embeddings, keys)


def copy(connection: Connection, source: str, target: str) -> None:
    """Copy the embeddings of the messages that the session *target* has from *source*."""
    there = exists().where(messages.c.session_id == target, messages.c.seq == message_embeddings.c.seq)
    copied = select(literal(target), message_embeddings.c.seq, message_embeddings.c.embedding).where(
        message_embeddings.c.session_id == source, there
    )
    connection.execute(insert(message_embeddings).from_select(["session_id", "seq", "embedding"], copied))


def _parameters(scope: Scope) -> dict[str, Any]:
    named = {"user": scope.user_id}
    return named if scope.session_id is None else named | {"session": scope.session_id}


@cache
def _newest(*, of_session: bool) -> Select[*tuple[Any, ...]]:
    query = (
        select(message_embeddings.c.session_id, message_embeddings.c.seq, message_embeddings.c.embedding)
        .join_from(sessions, message_embeddings, message_embeddings.c.session_id == sessions.c.session_id)
        .join(messages, _SAME_KEY)
        .where(messages.c.deleted_at.is_(None), LIVE_SESSION)
        .order_by(sessions.c.id.desc(), message_embeddings.c.seq.desc())
        .limit(COMPARED)
    )
    return query.where(sessions.c.session_id == bindparam("session")) if of_session else query


@cache
def _embeddings(index: SearchIndex) -> Select[*tuple[Any, ...]]:
    wanted = index.keys()
    same = (message_embeddings.c.session_id == wanted.c.session_id, message_embeddings.c.seq == wanted.c.seq)
    return select(*message_embeddings.c).join_from(wanted, message_embeddings, and_(*same))


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise InvalidInput("mode", "needs numpy; pip install 'zep-memory-plugin[semantic]'") from error
    return numpy
