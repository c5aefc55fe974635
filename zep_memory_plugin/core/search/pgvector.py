"""Nearest embeddings on Postgres with the extension pgvector: by an HNSW index over everything, else one by one.

Embeddings are stored as `real[]`, which needs no extension; the index is on their cast to `vector`.
"""

import json
import struct
from functools import cache
from typing import Any

from sqlalchemy import DDL, ColumnElement, Connection, Select, Text, bindparam, cast, func, literal, select
from sqlalchemy.types import Float, UserDefinedType

from ...dialects import transaction
from ...tables import message_embeddings, messages, sessions
from ._protocol import Key, Rows, Scope
from .scopes import LIVE_SESSION

MOST_DIMENSIONS = 2_000
"""Dimensions that an HNSW index of pgvector can have."""

MOST_VISITED = 1_000
"""What `hnsw.ef_search` can be at most: how many embeddings of the index are looked at, of which the nearest come."""


class _Vector(UserDefinedType[str]):
    """pgvector's type, of so many dimensions."""

    cache_ok = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return f"vector({self.dimensions:d})"


def nearest(connection: Connection, question: bytes, scope: Scope, count: int) -> dict[Key, float]:
    """Return the live messages of *scope* whose embeddings are nearest to *question*, with the cosine."""
    dimensions = len(question) // 4
    parameters = {"question": json.dumps(struct.unpack(f"<{dimensions}f", question)), "count": count}
    parameters |= {"session": scope.session_id, "user": scope.user_id}
    rows: Rows = []
    if scope == Scope() and dimensions <= MOST_DIMENSIONS:
        with transaction(connection):
            visited = min(max(2 * count, 40), MOST_VISITED)
            connection.execute(select(func.set_config("hnsw.ef_search", str(visited), True)))
            rows = connection.execute(_through_index(dimensions), parameters | {"visited": visited}).all()
    # The index knows nothing of what is deleted: where much of what it has found is, or where more is asked for than it
    # looks at, all are compared.
    if len(rows) < count // 2 or not rows:
        rows = connection.execute(_one_by_one(dimensions, of_session=scope.session_id is not None), parameters).all()
    return {(row.session_id, row.seq): row.nearness for row in rows}


def index_of(dimensions: int) -> DDL:
    """Return the statement that makes the index for embeddings of so many dimensions."""
    table = message_embeddings.name
    return DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped
        f"CREATE INDEX IF NOT EXISTS ix_{table}_{dimensions:d} ON {table} "
        f"USING hnsw ((embedding::vector({dimensions:d})) vector_ip_ops) WHERE cardinality(embedding) = {dimensions:d}"
    )


def _distance(dimensions: int) -> ColumnElement[float]:
    """Return the negative cosine, as pgvector's index orders by it."""
    vector = _Vector(dimensions)
    question = cast(bindparam("question", type_=Text), vector)
    return cast(message_embeddings.c.embedding, vector).op("<#>", return_type=Float())(question)


def _of_length(dimensions: int) -> ColumnElement[bool]:
    # Written into the statement: the condition of a partial index has to be seen when the plan is made.
    return func.cardinality(message_embeddings.c.embedding) == literal(dimensions, literal_execute=True)


@cache
def _through_index(dimensions: int) -> Select[*tuple[Any, ...]]:
    distance = _distance(dimensions)
    near = (
        select(message_embeddings.c.session_id, message_embeddings.c.seq, (-distance).label("nearness"))
        .where(_of_length(dimensions))
        .order_by(distance)
        .limit(bindparam("visited"))
        .subquery("near")
    )
    return (
        select(near)
        .join(messages, (messages.c.session_id == near.c.session_id) & (messages.c.seq == near.c.seq))
        .join(sessions, sessions.c.session_id == near.c.session_id)
        .where(messages.c.deleted_at.is_(None), sessions.c.deleted_at.is_(None))
        .order_by(near.c.nearness.desc())
        .limit(bindparam("count"))
    )


@cache
def _one_by_one(dimensions: int, *, of_session: bool) -> Select[*tuple[Any, ...]]:
    distance = _distance(dimensions)
    same = (message_embeddings.c.session_id == messages.c.session_id) & (message_embeddings.c.seq == messages.c.seq)
    query = (
        select(message_embeddings.c.session_id, message_embeddings.c.seq, (-distance).label("nearness"))
        .join_from(sessions, message_embeddings, message_embeddings.c.session_id == sessions.c.session_id)
        .join(messages, same)
        .where(_of_length(dimensions), messages.c.deleted_at.is_(None), LIVE_SESSION)
        .order_by(distance + 0)  # not the index's order: it would look at other sessions first
        .limit(bindparam("count"))
    )
    return query.where(sessions.c.session_id == bindparam("session")) if of_session else query
