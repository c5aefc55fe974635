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
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.types import TypeEngine

from ..tables import message_terms, messages, sessions
from ._protocol import Append, Appended, JsonScalar, Send
from .prepared import Prepared
from .statements import take_places

SCHEMA_LOCK = 0x7A65705F6D656D
"""Key of the advisory lock under which the tables are created."""

FEW = 4
"""Messages up to which each value is a parameter of its own, as in a turn; drivers take longer over arrays."""

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
}
"""The columns of a message that its writer sets, in the order in which they are sent."""

_SENT: dict[str, TypeEngine[Any]] = {**_ITEM_TYPES, "terms": Text()}
"""What is sent for each message: its columns, and the terms for the index of search."""

_OVERWRITTEN = tuple(name for name in _ITEM_TYPES if name not in ("uuid", "metadata", "created_at"))

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

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        rows = [{**row, "terms": append.terms[row["uuid"]]} for row in append.rows]
        few = len(rows) if len(rows) <= FEW else None
        parameters = _items(rows) if few is None else _few_items(rows)
        parameters |= {"session": append.session_id, "count": len(rows), "now": append.now}
        if append.user_id is not None:
            parameters["owner"] = append.user_id
        found = _appending(few, owned=append.user_id is not None).rows(connection, parameters)
        if not found:
            return None
        return [Appended(*row) for row in found if row[0] is not None]

    def release_space(self, connection: Connection) -> bool:
        """Do nothing: autovacuum does it."""
        return False

    def forget_deleted(self, connection: Connection) -> None:
        """Do nothing: autovacuum does it."""


def _few_items(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameters of `_few_items_table`."""
    return {f"{name}_{place}": row[name] for place, row in enumerate(rows, start=1) for name in _SENT}


def _few_items_table(count: int) -> FromClause:
    """Return *count* messages as a table of VALUES, whose parameters are the columns' names and places."""
    columns = [column(name, type_) for name, type_ in _SENT.items()]
    rows = [
        (
            *(bindparam(f"{name}_{place}", type_=type_) for name, type_ in _SENT.items()),
            literal_column(str(place)),
        )
        for place in range(1, count + 1)
    ]
    return values(*columns, column("position", BigInteger), name="item").data(rows)


def _items(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameters of `_items_table`."""
    return {name: [row[name] for row in rows] for name in _SENT}


def _items_table() -> FromClause:
    """Return any number of messages as a table of arrays, whose parameters are the columns' names."""
    arrays = (bindparam(name, type_=ARRAY(type_)) for name, type_ in _SENT.items())
    return func.unnest(*arrays).table_valued(*_SENT, with_ordinality="position").render_derived("item")


@cache
def _appending(few: int | None, *, owned: bool) -> Prepared:
    return Prepared(_append_statement(few, owned=owned))


def _append_statement(few: int | None, *, owned: bool) -> Select[Any]:
    """Build the whole append: take the places under the session's row lock, and fill them.

    It is for *few* messages, or for as many as come in arrays.

    No row comes back when there is no such session, or it is not the owner's. A message whose uuid is known already
    keeps its place and creation time and gets the new content, unless it is deleted.
    """
    session = take_places(owned=owned).returning(sessions.c.last_seq)
    place = session.cte("session")
    item = select(_items_table() if few is None else _few_items_table(few)).cte("item")
    seq = place.c.last_seq - bindparam("count", type_=BigInteger) + item.c.position
    row = select(cast(bindparam("session"), Text), seq, *(item.c[name] for name in _ITEM_TYPES))
    filled = postgresql.insert(messages).from_select(
        ["session_id", "seq", *_ITEM_TYPES], row.select_from(place.join(item, true()))
    )
    stored = (
        filled.on_conflict_do_update(
            index_elements=[messages.c.session_id, messages.c.uuid],
            set_={
                **{name: filled.excluded[name] for name in _OVERWRITTEN},
                "metadata": func.coalesce(filled.excluded.metadata, messages.c.metadata),
                "updated_at": bindparam("now", type_=messages.c.updated_at.type),
            },
            where=messages.c.deleted_at.is_(None),
        )
        .returning(messages.c.uuid, messages.c.seq, messages.c.created_at, messages.c.updated_at, messages.c.metadata)
        .cte("stored")
    )
    return select(stored).select_from(place.outerjoin(stored, true())).add_cte(_indexed(stored, item))


def _indexed(stored: CTE, item: CTE) -> CTE:
    """Build the part of an append that puts what was *stored* of the items into the search index."""
    row = select(cast(bindparam("session"), Text), stored.c.seq, terms_vector(item.c.terms))
    filled = postgresql.insert(message_terms).from_select(
        ["session_id", "seq", "terms"], row.join_from(stored, item, item.c.uuid == stored.c.uuid)
    )
    return replacing_terms(filled).cte("indexed")


def terms_vector(terms: ColumnElement[str]) -> ColumnElement[Any]:
    """Return the tsvector of *terms*, which are separated by spaces."""
    return func.array_to_tsvector(func.string_to_array(terms, " "))


def replacing_terms(filled: postgresql.Insert) -> postgresql.Insert:
    """Let *filled* replace the terms of messages that have some."""
    place = [message_terms.c.session_id, message_terms.c.seq]
    return filled.on_conflict_do_update(index_elements=place, set_={"terms": filled.excluded.terms})
