"""Nearest embeddings on Postgres with the extension pgvector: by an HNSW index over everything, else one by one.

Embeddings are stored as `real[]`, which needs no extension; the index is on their cast to `vector`.
"""

import json
import struct
from functools import cache
from typing import Any

from sqlalchemy import DDL, ColumnElement, Connection, Select, Text, and_, bindparam, cast, func, literal, select
from sqlalchemy.types import Float, UserDefinedType

from ...tables import message_embeddings, messages, sessions
from .. import transaction
from ..embeddings import of_scope
from ..keys import same_key
from ..protocol import Key, Rows, Scope

MOST_DIMENSIONS = 2_000
"""Dimensions that an HNSW index of pgvector can have."""

MOST_VISITED = 1_000
"""What `hnsw.ef_search` can be at most: how many embeddings of the index are looked at, of which the nearest come."""

_TYPE = select(cast(func.to_regtype("vector"), Text))


class _Vector(UserDefinedType[str]):
    """pgvector's type, of so many dimensions."""

    cache_ok = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return f"vector({self.dimensions:d})"


def is_installed(connection: Connection) -> bool:
    """Tell whether the database has the extension."""
    return connection.execute(_TYPE).scalar_one() is not None


def nearest(connection: Connection, vector: bytes, scope: Scope, count: int) -> dict[Key, float]:
    """Return the live messages of *scope* whose embeddings are nearest to *vector*, with the cosine."""
    dimensions = len(vector) // 4
    parameters = {"vector": json.dumps(struct.unpack(f"<{dimensions}f", vector)), "count": count, **scope.parameters}
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


def create_index(connection: Connection, dimensions: int) -> None:
    """Create the index for embeddings of so many dimensions, unless these are too many for one."""
    if dimensions > MOST_DIMENSIONS:
        return
    table = message_embeddings.name
    ddl = DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped
        f"CREATE INDEX IF NOT EXISTS ix_{table}_{dimensions:d} ON {table} "
        f"USING hnsw ((embedding::vector({dimensions:d})) vector_ip_ops) WHERE cardinality(embedding) = {dimensions:d}"
    )
    connection.execute(ddl)


def _distance(dimensions: int) -> ColumnElement[float]:
    """Return the negative cosine, as pgvector's index orders by it."""
    kind = _Vector(dimensions)
    vector = cast(bindparam("vector", type_=Text), kind)
    return cast(message_embeddings.c.embedding, kind).op("<#>", return_type=Float())(vector)


def _of_length(dimensions: int) -> ColumnElement[bool]:
    # Written into the statement: the condition of a partial index has to be seen when the plan is made.
    return func.cardinality(message_embeddings.c.embedding) == literal(dimensions, literal_execute=True)


@cache
def _through_index(dimensions: int) -> Select[*tuple[Any, ...]]:
    distance = _distance(dimensions)
    near = (
        select(*message_embeddings.primary_key, message_embeddings.c.uuid, (-distance).label("nearness"))
        .where(_of_length(dimensions))
        .order_by(distance)
        .limit(bindparam("visited"))
        .subquery("near")
    )
    return (
        select(near)
        .join(messages, and_(same_key(messages, near), messages.c.uuid == near.c.uuid))
        .join(sessions, sessions.c.session_id == near.c.session_id)
        .where(messages.c.deleted_at.is_(None), sessions.c.deleted_at.is_(None))
        .order_by(near.c.nearness.desc())
        .limit(bindparam("count"))
    )


@cache
def _one_by_one(dimensions: int, *, of_session: bool) -> Select[*tuple[Any, ...]]:
    distance = _distance(dimensions)
    query = of_scope((-distance).label("nearness"), of_session=of_session).where(_of_length(dimensions))
    # Not in the index's order: it would look at other sessions first.
    return query.order_by(distance + 0).limit(bindparam("count"))
