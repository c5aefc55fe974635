"""Embeddings as they lie in their table: compared with one of a query, copied and removed."""

from collections.abc import Mapping, Sequence
from functools import cache
from heapq import nlargest
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
    tuple_,
)

from ..errors import InvalidInput
from ..tables import message_embeddings, messages, sessions
from . import database_named, index_of
from .keys import rows_of, same_key, select_by_key
from .protocol import Key, Scope
from .scopes import LIVE_SESSION

COMPARED = 20_000
"""Embeddings, the newest ones, that are compared where no index does it."""

SAME_MESSAGE = and_(same_key(message_embeddings, messages), message_embeddings.c.uuid == messages.c.uuid)
"""Joins embeddings with their messages."""


def nearest(connection: Connection, vector: bytes, scope: Scope, count: int) -> dict[Key, float]:
    """Return the *count* of the newest live messages of *scope* that are nearest to *vector*, with the cosine."""
    rows = connection.execute(_newest(of_session=scope.session_id is not None), scope.parameters).all()
    return best(nearness(vector, {(row.session_id, row.seq): row.embedding for row in rows}), count)


def of_scope(column: ColumnElement[Any], *, of_session: bool) -> Select[*tuple[Any, ...]]:
    """Build the query for the keys, with one more *column*, of a scope's live messages that have an embedding."""
    query = (
        select(message_embeddings.c.session_id, message_embeddings.c.seq, column)
        .join_from(sessions, message_embeddings, message_embeddings.c.session_id == sessions.c.session_id)
        .join(messages, SAME_MESSAGE)
        .where(messages.c.deleted_at.is_(None), LIVE_SESSION)
    )
    return query.where(sessions.c.session_id == bindparam("session")) if of_session else query


def other_dimensions(connection: Connection, dimensions: int, scope: Scope) -> int | None:
    """Return the dimensions of a live message of *scope* whose embedding has others than these, None where none has."""
    query = of_scope(index_of(connection).dimensions(), of_session=scope.session_id is not None)
    one = query.where(of_others(connection, dimensions)).limit(1)
    row = connection.execute(one, scope.parameters).first()
    return None if row is None else int(row[-1])


def of_others(connection: Connection, dimensions: int) -> ColumnElement[bool]:
    """Match the embeddings that have other dimensions than these, but for those that point nowhere."""
    return index_of(connection).dimensions().not_in((0, dimensions))


def embeddings_of(connection: Connection, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Return the embeddings of those of *keys* that have one."""
    rows = rows_of(connection, _by_key(connection.dialect.name), keys)
    return {(row.session_id, row.seq): row.embedding for row in rows}


def best(scores: Mapping[Key, float], count: int) -> dict[Key, float]:
    """Return the *count* messages with the highest scores."""
    return dict(nlargest(count, scores.items(), key=lambda item: (item[1], item[0])))


def nearness(vector: bytes, others: Mapping[Key, bytes]) -> dict[Key, float]:
    """Return the cosine of *vector* and each of *others* that is of its length."""
    alike = {key: other for key, other in others.items() if len(other) == len(vector)}
    if not alike:
        return {}
    numpy = _numpy()
    matrix = numpy.frombuffer(b"".join(alike.values()), "<f4").reshape(len(alike), -1)
    products = matrix @ numpy.frombuffer(vector, "<f4")
    return dict(zip(alike, products.tolist(), strict=True))


def remove(connection: Connection, keys: Sequence[Key]) -> None:
    """Remove the embeddings of messages."""
    if keys:
        connection.execute(_removal(connection.dialect.name), index_of(connection).key_parameters(keys))


def copy(connection: Connection, source: str, target: str) -> None:
    """Copy the embeddings of the messages that the session *target* has from *source*."""
    copy_of = (messages.c.session_id == target, messages.c.uuid == message_embeddings.c.uuid)
    columns = (message_embeddings.c.seq, message_embeddings.c.uuid, message_embeddings.c.embedding)
    copied = select(literal(target), *columns).where(
        message_embeddings.c.session_id == source, exists().where(*copy_of)
    )
    names = ["session_id", *(column.name for column in columns)]
    connection.execute(insert(message_embeddings).from_select(names, copied))


@cache
def _newest(*, of_session: bool) -> Select[*tuple[Any, ...]]:
    query = of_scope(message_embeddings.c.embedding, of_session=of_session)
    return query.order_by(sessions.c.id.desc(), message_embeddings.c.seq.desc()).limit(COMPARED)


@cache
def _by_key(dialect: str) -> Select[*tuple[Any, ...]]:
    return select_by_key(dialect, message_embeddings, *message_embeddings.c)


@cache
def _removal(dialect: str) -> Delete:
    wanted = database_named(dialect).index.keys()
    key = tuple_(message_embeddings.c.session_id, message_embeddings.c.seq)
    return delete(message_embeddings).where(key.in_(select(wanted.c.session_id, wanted.c.seq)))


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise InvalidInput("mode", "needs numpy; `pip install numpy` gets it") from error
    return numpy
