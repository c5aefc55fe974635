"""Statements in Postgres' own words: appends in one round trip, metadata filters, the rows of a batch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnClause,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.dml import ReturningInsert

from ...tables import messages, sessions
from ...types import JsonScalar
from .. import transaction
from ..naming import names_of
from ..prepared import Prepared
from ..protocol import Append, Appended, Row, filled
from ..statements import ENDS_WITH_QUESTION, take_seqs
from . import guarding, tolerating
from .connecting import appends_alone
from .indexing import forgetting_changed

FEW = 4
"""Messages up to which each value is a parameter of its own, as in a turn."""

_LONGEST_NUMBER = 100
"""Digits of a number in metadata that is read; with very many more no floating point number is as large."""

_SECONDS_OF_A_DAY = 86_400

_LEFT_OUT = ("session_id", "seq", "appended_revision", "updated_at", "deleted_at", "changed_revision")
_SENT = [column for column in messages.c if column.name not in _LEFT_OUT]
"""The columns of a message that are sent for it alone, in that order."""

_UNCHANGED = ("uuid", "metadata", "created_at", "archived_at")
_OVERWRITTEN = [column.name for column in _SENT if column.name not in _UNCHANGED]

# What JSON text may hold and jsonb may not, where no further backslash escapes the backslash.
_NOT_IN_JSONB = r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"


_WRITERS = text("""
    SELECT virtualtransaction
      FROM pg_locks
     WHERE locktype = 'relation' AND relation = to_regclass(:table) AND mode = 'RowExclusiveLock' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
""").columns(column("virtualtransaction", Text))


class Appending:
    """How rows are written."""

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def writers(self, connection: Connection, table: Table) -> set[str]:
        return set(connection.execute(_WRITERS, {"table": names_of(connection).of(table.name)}).scalars())

    def down_from(
        self, owner: ColumnElement[str], value: str, place: ColumnElement[int], at: int | None
    ) -> tuple[ColumnElement[bool], list[ColumnElement[Any]]]:
        # Said as a range: where the owner is a constant, the index by place alone has the order as well, and the
        # planner may read through the rows of all owners for those of one who has many.
        of_owner = and_(owner >= value, owner <= value)
        if at is not None:
            # In a query of its own, the value counts once in what the planner expects, and not twice.
            unknown = select(literal(value)).scalar_subquery()
            of_owner &= tuple_(owner, place) <= tuple_(unknown, literal(at, place.type))
        return of_owner, [owner.desc()]

    def metadata_contains(
        self, connection: Connection, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]
    ) -> ColumnElement[bool]:
        document = _document(column)
        holds = tolerating.holds(document, literal(json.dumps(wanted)))
        if not tolerating.is_tolerant(connection):
            return holds
        return case((tolerating.is_jsonb(connection, document), holds), else_=false())

    def metadata_number(
        self, connection: Connection, column: ColumnElement[Any], path: Sequence[str]
    ) -> ColumnElement[float]:
        document = _document(column)
        place = literal("{" + ",".join(path) + "}")
        found = cast(document, postgresql.JSONB).op("#>")(cast(place, postgresql.ARRAY(Text)))
        digits = cast(found, Text)
        is_number = and_(func.jsonb_typeof(found) == literal_column("'number'"), func.length(digits) <= _LONGEST_NUMBER)
        number = case((is_number, cast(digits, Double)), else_=None)
        if not tolerating.is_tolerant(connection):
            return number
        return case((tolerating.is_jsonb(connection, document), number), else_=None)

    def day_number(self, moment: ColumnElement[datetime]) -> ColumnElement[int]:
        return cast(func.floor(func.extract("epoch", moment) / _SECONDS_OF_A_DAY), BigInteger)

    def fill(
        self, connection: Connection, session_id: str, rows: Iterable[tuple[int, Row]], revision: int | None
    ) -> None:
        _filling().run(connection, [{"session": session_id, "revision": revision, **_items(rows)}])

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append in one statement, which returns no row where the database's fastest way is none."""
        rows = append.rows
        few = len(rows) if len(rows) <= FEW else None
        items = _items(enumerate(rows, start=1)) if few is None else _few_items(rows)
        asks, expected = append.question is not None, append.expected_revision is not None
        owned = append.user_id is not None
        guarded = guarding.is_for_tenant(connection)
        statement = _appending(few, owned=owned, expected=expected, adds=_adds(append), asks=asks, guarded=guarded)
        with nullcontext() if appends_alone(connection) else transaction(connection):
            returned = statement.rows(connection, append.parameters | items)
        if not returned:
            return None
        if append.fresh or append.only_unknown:
            return filled(enumerate(rows, start=returned[0][0] - len(rows) + 1))
        return [Appended(*row) for row in returned if row[0] is not None]

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        """Match by where the rows are, which saves looking up their keys; in another partition that may be others.

        In order, as the table would else be read from its start, past all that was removed; and with a plain number,
        as the plan of a prepared statement would expect far more rows of a parameter.
        """
        row_pointer: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
        rows = select(row_pointer).where(condition).order_by(order).limit(literal_column(str(count)))
        return row_pointer == func.any(func.array(rows.scalar_subquery()))


def _document(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the JSON of *column* without what `jsonb` does not take."""
    cleaned = func.regexp_replace(column, _NOT_IN_JSONB, r"\1" + "\ufffd", "g")
    return case((column.contains("\\u", autoescape=True), cleaned), else_=column)


def _few_items(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the parameters of `_few_items_table`."""
    return {f"{sent.name}_{position}": row[sent.name] for position, row in enumerate(rows, start=1) for sent in _SENT}


def _few_items_table(count: int) -> FromClause:
    """Return *count* messages as a table of VALUES, whose parameters are the columns' names and positions."""
    rows = [
        (*(bindparam(f"{sent.name}_{position}", type_=sent.type) for sent in _SENT), literal_column(str(position)))
        for position in range(1, count + 1)
    ]
    return values(*_item_columns(), name="item").data(rows)


def _items(rows: Iterable[tuple[int, Row]]) -> dict[str, Any]:
    """Return the parameter of `_items_table`."""
    items = [
        {**row, "uuid": row["uuid"].hex, "created_at": str(row["created_at"]), "position": position}
        for position, row in rows
    ]
    return {"items": json.dumps(items, ensure_ascii=False, default=str)}


def _items_table() -> FromClause:
    """Return any number of messages as a table made of JSON, which drivers write faster than arrays."""
    made = func.json_to_recordset(cast(bindparam("items", type_=Text), JSON)).table_valued(*_item_columns())
    return made.render_derived("item", with_types=True)


def _item_columns() -> list[ColumnClause[Any]]:
    return [*(column(sent.name, sent.type) for sent in _SENT), column("position", BigInteger)]


Adds = Literal["fresh", "unknown", "any"]
"""What an append adds: messages that are surely new, only such that are unknown, or known ones, too."""


def _adds(append: Append) -> Adds:
    if append.fresh:
        return "fresh"
    return "unknown" if append.only_unknown else "any"


@cache
def _appending(
    few: int | None, *, owned: bool, expected: bool, adds: Adds, asks: bool, guarded: bool = False
) -> Prepared:
    item = _items_table() if few is None else _few_items_table(few)
    taking = take_seqs(owned=owned, expected=expected)
    if guarded:
        taking = taking.where(guarding.setting_of_owner())
    if adds == "unknown":
        taking = taking.where(~_known(item).exists())
    if asks:
        taking = taking.where(~ENDS_WITH_QUESTION.exists())
    taken = taking.returning(sessions.c.last_seq, sessions.c.revision).cte("taken")
    seq = taken.c.last_seq - bindparam("count", type_=BigInteger) + item.c.position
    insert = _insert(item, seq, taken.c.revision, taken.join(item, true()))
    if adds != "any":
        return Prepared(select(taken).add_cte(insert.cte("filled")))
    stored = _upsert(insert).cte("stored")
    forgotten = forgetting_changed(stored).cte("forgotten")
    return Prepared(select(stored).select_from(taken.outerjoin(stored, true())).add_cte(forgotten))


@cache
def _filling() -> Prepared:
    item = _items_table()
    return Prepared(_insert(item, item.c.position, bindparam("revision", type_=BigInteger), item))


def _known(item: FromClause) -> Select[Any]:
    """Build the query for those of the messages that the session has already, deleted or not."""
    same = (messages.c.session_id == bindparam("session"), messages.c.uuid == item.c.uuid)
    return select(messages.c.seq).join_from(item, messages, and_(*same))


def _insert(
    item: FromClause, seq: ColumnElement[int], revision: ColumnElement[int], source: FromClause
) -> postgresql.Insert:
    sent = [column.name for column in _SENT]
    row = select(cast(bindparam("session"), Text), seq, revision, *(item.c[name] for name in sent)).select_from(source)
    return postgresql.insert(messages).from_select(["session_id", "seq", "appended_revision", *sent], row)


def _upsert(insert: postgresql.Insert) -> ReturningInsert[Any]:
    """Let a message whose uuid is known keep its seq and creation time and get new content, unless it is deleted."""
    upserted = insert.on_conflict_do_update(
        index_elements=[messages.c.session_id, messages.c.uuid],
        set_={
            **{name: insert.excluded[name] for name in _OVERWRITTEN},
            "metadata": func.coalesce(insert.excluded.metadata, messages.c.metadata),
            "updated_at": bindparam("now", type_=messages.c.updated_at.type),
            "changed_revision": insert.excluded.appended_revision,
        },
        where=messages.c.deleted_at.is_(None),
    )
    return upserted.returning(*(messages.c[name] for name in Appended._fields))
