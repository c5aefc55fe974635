"""PostgreSQL, through psycopg 3 or asyncpg."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Delete,
    FromClause,
    Integer,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    true,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.types import TypeEngine

from ..tables import TermNumbers, message_embeddings, messages, sessions
from ._protocol import Append, Appended, JsonScalar, Row, Send, filled
from .prepared import Prepared
from .statements import take_places

SCHEMA_LOCK = 0x7A65705F6D656D
"""Key of the advisory lock under which the tables are created."""

FEW = 4
"""Messages up to which each value is a parameter of its own, as in a turn."""

_ITEM_TYPES: dict[str, TypeEngine[Any]] = {
    "uuid": Uuid(),
    "role": Text(),
    "role_type": Text(),
    "name": Text(),
    "content": Text(),
    "tool_calls": Text(),
    "tool_call_id": Text(),
    "token_count": Integer(),
    "metadata": Text(),
    "created_at": DateTime(timezone=True),
    "native_format": Text(),
    "native": Text(),
    "archived_at": DateTime(timezone=True),
    "terms": TermNumbers(),
}
"""The columns of a message that are sent, in that order."""

_KEPT = ("uuid", "metadata", "created_at", "archived_at")
_OVERWRITTEN = tuple(name for name in _ITEM_TYPES if name not in _KEPT)

# What JSON text may hold and jsonb may not, where no further backslash escapes the backslash.
_NOT_IN_JSONB = r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"


class Dialect:
    """A Postgres server, or what speaks like one."""

    one_writer = False

    def in_memory(self, url: URL) -> bool:
        return False

    def engine_options(self, url: URL) -> dict[str, Any]:
        return {}

    def configure(self, cursor: DBAPICursor, url: URL, durability: str) -> None:
        """Leave everything to the server and the URL."""

    @contextmanager
    def autocommit(self, connection: Connection) -> Iterator[None]:
        connection.execution_options(isolation_level="AUTOCOMMIT")  # until it is returned to the pool
        yield

    def keep_logs_clean(self) -> None:
        """Do nothing: neither driver logs parameters."""

    def begin(self, connection: Connection, send: Send) -> None:
        send("BEGIN")

    def roll_back(self, connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def impatient(self, connection: Connection, patience: float) -> Iterator[None]:
        connection.exec_driver_sql(f"SET lock_timeout = {round(patience * 1000)}")
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql("RESET lock_timeout")

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def listing_id(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        return {}

    def metadata_contains(self, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]) -> ColumnElement[bool]:
        cleaned = func.regexp_replace(column, _NOT_IN_JSONB, r"\1" + "\ufffd", "g")
        document = case((column.contains("\\u", autoescape=True), cleaned), else_=column)
        return cast(document, JSONB).op("@>", is_comparison=True)(cast(literal(json.dumps(wanted)), JSONB))

    def fill(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        _filling().run(connection, [{"session": session_id, "before": before, **_items(rows)}])

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append in one statement, which returns no row when there is no such session or it is not the owner's."""
        rows, owned = append.rows, append.user_id is not None
        few = len(rows) if len(rows) <= FEW else None
        parameters = _items(rows) if few is None else _few_items(rows)
        parameters |= {"session": append.session_id, "count": len(rows), "now": append.now, "owner": append.user_id}
        found = _appending(few, owned=owned, fresh=append.fresh).rows(connection, parameters)
        if not found:
            return None
        if append.fresh:
            return filled(rows, found[0][0] - len(rows))
        return [Appended(*row) for row in found if row[0] is not None]

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        """Match by where the rows are, which saves looking up their keys; in another partition that may be others.

        In order, as the table would else be read from its start, past all that was removed; and with a plain number,
        as the plan of a prepared statement would expect far more rows of a parameter.
        """
        place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
        rows = select(place).where(condition).order_by(order).limit(literal_column(str(count)))
        return place == func.any(func.array(rows.scalar_subquery()))

    def release_space(self, connection: Connection) -> bool:
        """Do nothing: autovacuum does it."""
        return False

    def forget_deleted(self, connection: Connection) -> None:
        """Do nothing: autovacuum does it."""


def _few_items(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameters of `_few_items_table`."""
    return {f"{name}_{place}": row[name] for place, row in enumerate(rows, start=1) for name in _ITEM_TYPES}


def _few_items_table(count: int) -> FromClause:
    """Return *count* messages as a table of VALUES, whose parameters are the columns' names and places."""
    columns = [column(name, type_) for name, type_ in _ITEM_TYPES.items()]
    rows = [
        (
            *(bindparam(f"{name}_{place}", type_=type_) for name, type_ in _ITEM_TYPES.items()),
            literal_column(str(place)),
        )
        for place in range(1, count + 1)
    ]
    return values(*columns, column("position", BigInteger), name="item").data(rows)


def _items(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameter of `_items_table`."""
    items = [
        {**row, "uuid": row["uuid"].hex, "created_at": str(row["created_at"]), "position": place}
        for place, row in enumerate(rows, start=1)
    ]
    return {"items": json.dumps(items, ensure_ascii=False, default=str)}


def _items_table() -> FromClause:
    """Return any number of messages as a table made of JSON, which drivers write faster than arrays."""
    columns = (column(name, type_) for name, type_ in _ITEM_TYPES.items())
    document = cast(bindparam("items", type_=Text), JSON)
    made = func.json_to_recordset(document).table_valued(*columns, column("position", BigInteger))
    return made.render_derived("item", with_types=True)


@cache
def _appending(few: int | None, *, owned: bool, fresh: bool) -> Prepared:
    place = take_places(owned=owned).returning(sessions.c.last_seq).cte("place")
    item = _items_table() if few is None else _few_items_table(few)
    seq = place.c.last_seq - bindparam("count", type_=BigInteger) + item.c.position
    insert = _insert(item, seq, place.join(item, true()))
    if fresh:
        return Prepared(select(place).add_cte(insert.cte("filled")))
    stored = _upsert(insert).cte("stored")
    forgotten = _embeddings_of_changed(stored).cte("forgotten")
    return Prepared(select(stored).select_from(place.outerjoin(stored, true())).add_cte(forgotten))


@cache
def _filling() -> Prepared:
    item = _items_table()
    return Prepared(_insert(item, bindparam("before", type_=BigInteger) + item.c.position, item))


def _embeddings_of_changed(stored: CTE) -> Delete:
    """Build the statement that forgets what the messages meant that get new content."""
    at_place = (message_embeddings.c.session_id == bindparam("session"), message_embeddings.c.seq == stored.c.seq)
    return delete(message_embeddings).where(*at_place, stored.c.updated_at.is_not(None))


def _insert(item: FromClause, seq: ColumnElement[int], source: FromClause) -> postgresql.Insert:
    row = select(cast(bindparam("session"), Text), seq, *(item.c[name] for name in _ITEM_TYPES)).select_from(source)
    return postgresql.insert(messages).from_select(["session_id", "seq", *_ITEM_TYPES], row)


def _upsert(insert: postgresql.Insert) -> ReturningInsert[Any]:
    """Let a message whose uuid is known keep its place and creation time and get new content, unless it is deleted."""
    upserted = insert.on_conflict_do_update(
        index_elements=[messages.c.session_id, messages.c.uuid],
        set_={
            **{name: insert.excluded[name] for name in _OVERWRITTEN},
            "metadata": func.coalesce(insert.excluded.metadata, messages.c.metadata),
            "updated_at": bindparam("now", type_=messages.c.updated_at.type),
        },
        where=messages.c.deleted_at.is_(None),
    )
    return upserted.returning(*(messages.c[name] for name in Appended._fields))
