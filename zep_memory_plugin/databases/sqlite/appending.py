"""Statements in SQLite's own words: appends, listing ids, metadata filters, the rows of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects import sqlite

from ...tables import SEQ_BITS, listing_ids, messages, metadata, sessions
from ...types import JsonScalar
from .. import transaction
from ..prepared import Prepared, sender
from ..protocol import Append, Appended, Row, Send, filled
from ..statements import ENDS_WITH_QUESTION, list_anew, take_seqs
from . import waiting

for _table in metadata.tables.values():
    _table.dialect_options["sqlite"].update(_table.info.get("sqlite", {}))

_MICROSECONDS_OF_A_DAY = 86_400_000_000


class Appending:
    """How rows are written."""

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def listing_id(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        counter = sqlite.insert(listing_ids).values(table_name=table.name, last_id=1)
        counter = counter.on_conflict_do_update(
            index_elements=[listing_ids.c.table_name], set_={"last_id": listing_ids.c.last_id + 1}
        )
        return {"id": connection.execute(counter.returning(listing_ids.c.last_id)).scalar_one()}

    def metadata_contains(
        self, connection: Connection, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]
    ) -> ColumnElement[bool]:
        return and_(*(_has_entry(column, key, value) for key, value in wanted.items()))

    def metadata_number(
        self, connection: Connection, column: ColumnElement[Any], path: Sequence[str]
    ) -> ColumnElement[float]:
        place = "$" + "".join(f'."{name}"' for name in path)
        is_number = func.json_type(column, place).in_(["integer", "real"])
        number = case((is_number, func.json_extract(column, place)), else_=None)
        return case((func.json_valid(column) == 1, number), else_=None)

    def day_number(self, moment: ColumnElement[datetime]) -> ColumnElement[int]:
        return type_coerce(moment, BigInteger) // _MICROSECONDS_OF_A_DAY

    def fill(
        self, connection: Connection, session_id: str, rows: Iterable[tuple[int, Row]], revision: int | None
    ) -> None:
        _fill(connection, sender(connection), session_id, rows, revision)

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append messages whose uuids are new, with statements that were compiled once and are sent as they are."""
        if not (append.fresh or append.only_unknown):
            return None
        send, parameters = sender(connection), append.parameters
        driver: Any = connection.connection.driver_connection
        with nullcontext() if driver.in_transaction else transaction(connection, send):
            if _may_be_resent(connection, append, send):
                return None
            taking = _taking_seqs(owned=append.user_id is not None, expected=append.expected_revision is not None)
            session = taking.rows(connection, parameters, send)
            if not session:
                return None
            ((last_seq, revision, number, hour),) = session
            if parameters["hour"] is not None and hour < parameters["hour"]:
                _LIST_ANEW.run(connection, [parameters], send)
            first = last_seq - len(append.rows) + 1
            _fill(connection, send, append.session_id, enumerate(append.rows, start=first), revision)
            waiting.add_new(connection, number << SEQ_BITS | first, len(append.rows), send)
            return filled(enumerate(append.rows, start=first))

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        keys = list(table.primary_key)
        rows = select(*keys).where(condition).order_by(order).limit(count)
        return tuple_(*keys).in_(rows) if len(keys) > 1 else keys[0].in_(rows)


@cache
def _taking_seqs(*, owned: bool, expected: bool) -> Prepared:
    taking = take_seqs(owned=owned, expected=expected, listed=False)
    return Prepared(taking.returning(sessions.c.last_seq, sessions.c.revision, sessions.c.id, sessions.c.active_hour))


_LIST_ANEW = Prepared(list_anew())
"""Sent only where the hour has changed: naming an indexed column makes SQLite write to its indexes."""


_KNOWN = Prepared(
    select(messages.c.seq).where(
        messages.c.session_id == bindparam("session"), messages.c.uuid == bindparam("uuid", type_=messages.c.uuid.type)
    )
)


_ENDS_WITH_QUESTION = Prepared(ENDS_WITH_QUESTION)


def _may_be_resent(connection: Connection, append: Append, send: Send) -> bool:
    """Tell whether the session may have some of what is appended."""
    if append.question is not None and _ENDS_WITH_QUESTION.rows(connection, append.parameters, send):
        return True
    return not append.fresh and any(_is_known(connection, append, row, send) for row in append.rows)


def _is_known(connection: Connection, append: Append, row: Row, send: Send) -> bool:
    return bool(_KNOWN.rows(connection, {"session": append.session_id, "uuid": row["uuid"]}, send))


_UNSET = ("updated_at", "deleted_at", "changed_revision", "terms")
_FILL = Prepared(messages.insert(), column_keys=[column.name for column in messages.c if column.name not in _UNSET])


def _fill(
    connection: Connection, send: Send, session_id: str, rows: Iterable[tuple[int, Row]], revision: int | None
) -> None:
    of_all = {"session_id": session_id, "appended_revision": revision}
    _FILL.run(connection, ({**row, **of_all, "seq": seq} for seq, row in rows), send)


def _without_nul(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the JSON of *column* with U+FFFD for NUL, at which `json_each` would cut a text off.

    JSON text holds no raw U+0001, so that can stand for an escaped backslash meanwhile.
    """
    marked = func.replace(func.replace(column, "\\\\", "\x01"), "\\u0000", "\ufffd")
    return case((column.contains("\\u0000", autoescape=True), func.replace(marked, "\x01", "\\\\")), else_=column)


def _has_entry(column: ColumnElement[Any], key: str, value: JsonScalar) -> ColumnElement[bool]:
    entry = func.json_each(_without_nul(column)).table_valued("key", "value", "type", name="entry")
    same = select(literal(1)).where(entry.c.key == key, entry.c.type.in_(_json_types(value)))
    if value is not None and not isinstance(value, bool):
        same = same.where(entry.c.value == value)
    # In a CASE, as `json_each` raises on what is no JSON, and one garbled row is not to hide the others.
    return case((func.json_valid(column) == 1, exists(same)), else_=false())


def _json_types(value: JsonScalar) -> list[str]:
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return ["text"] if isinstance(value, str) else ["integer", "real"]
