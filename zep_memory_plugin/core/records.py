"""What is stored as JSON, and JSON as what is stored: a record for each row of a table, with all of its columns.

Derived from `tables`: a column of tomorrow is carried as well. Left out is what a database makes of the rest: listing
ids, which each database gives out itself, the search index, and embeddings, which cost time but no words.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import BigInteger, Column, Integer, Table

from ..errors import InvalidInput, shown
from ..tables import (
    SEQ_BITS,
    CompactUuid,
    UtcDateTime,
    branches,
    messages,
    session_states,
    sessions,
    summaries,
    user_states,
    users,
)
from . import checks, jsontext

KINDS: Mapping[str, Table] = {
    "user": users,
    "user_state": user_states,
    "session": sessions,
    "session_state": session_states,
    "branch": branches,
    "summary": summaries,
    "message": messages,
}
"""The tables whose rows are carried, by what one row is; each after those that it needs."""

OF_SESSION = {kind: table for kind, table in KINDS.items() if "seq" in table.c}
"""Those of them whose rows are in a session, any number of them."""

STATES = {kind: table for kind, table in KINDS.items() if kind.endswith("_state")}
"""Those of which a user or a session has at most one row."""

_MADE = ("id", "active_hour", "appended_revision", "changed_revision")
"""Columns that a database makes of the rest."""

_JSON = ("metadata", "tool_calls")
"""Columns whose text is JSON, and is read more easily as that."""

_CHECKED = {
    "session_id": checks.session_id,
    "user_id": checks.user_id,
    "title": checks.title,
    "role_type": checks.role_type,
}

LARGEST_SEQ = 2**SEQ_BITS - 1
"""More messages than that the index of SQLite has no numbers for."""

_SEQS = {"seq": (1, LARGEST_SEQ), "last_seq": (0, LARGEST_SEQ)}
_NUMBERS = {True: (0, checks.LARGEST_INTEGER), False: (0, checks.LARGEST_TOKEN_COUNT)}
"""From where to where a number goes, in columns for large ones and in others."""

Row = dict[str, Any]


class Record(NamedTuple):
    """A row on its way from one database to another."""

    kind: str
    row: Row


@cache
def columns_of(kind: str) -> Sequence[Column[Any]]:
    """Return the columns that are carried of a *kind* of rows."""
    return [column for column in KINDS[kind].c if column.name not in _MADE and "dialect" not in column.info]


def encoded(kind: str, row: Row) -> Row:
    """Return a *row* as JSON has it, without what is not set."""
    return {name: encode(row[name]) for name, encode in _encoders(kind) if row[name] is not None}


@cache
def _encoders(kind: str) -> Sequence[tuple[str, Callable[[Any], Any]]]:
    return [(column.name, _encoder(column)) for column in columns_of(kind)]


def _encoder(column: Column[Any]) -> Callable[[Any], Any]:
    if isinstance(column.type, UtcDateTime):
        return lambda moment: moment.isoformat()
    if isinstance(column.type, CompactUuid):
        return str
    return _readable if column.name in _JSON else undamaged


def undamaged(value: Any) -> Any:
    """Return *value*, as text also where somebody has put bytes: one damaged row stops no export."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _readable(text: str) -> Any:
    """Return what *text* says, or *text* itself where it would not be the same when it is written again."""
    text = undamaged(text)
    try:
        value = json.loads(text)
        return value if isinstance(value, dict | list) and jsontext.dumps(value) == text else text
    except (ValueError, RecursionError):
        return text


def decoded(kind: object, fields: object) -> Record:
    """Check what JSON says of a row, and return it as it is stored.

    Raises:
        InvalidInput: it is no row of that kind, or a value is out of bounds.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput("kind", f"is {shown(kind)}; allowed are {', '.join(KINDS)}")
    if not isinstance(fields, dict):
        raise InvalidInput(kind, "is no object")
    if unknown := sorted(fields.keys() - {column.name for column in columns_of(kind)} - {"id"}):
        raise InvalidInput(kind, f"has the field {shown(unknown[0])}, which this version does not know")
    row = {column.name: _value(column, fields.get(column.name)) for column in columns_of(kind)}
    if "uuid" in row and row["uuid"] is None:
        row["uuid"] = same_uuid(kind, row.get("session_id"), row.get("user_id"), row.get("seq"))
    if kind in STATES:
        checks.state(row["content"])
    return Record(kind, row)


def same_uuid(*parts: object) -> UUID:
    """Return a uuid that is the same whenever it is made of the same *parts*."""
    return uuid5(NAMESPACE_URL, json.dumps(["zep_memory_plugin", *parts], default=str))


def _value(column: Column[Any], value: Any) -> Any:
    if value is None:
        return _default(column)
    if isinstance(column.type, UtcDateTime):
        return checks.moment(column.name, _moment(column.name, value))
    if isinstance(column.type, CompactUuid):
        return checks.uuid(value)
    if isinstance(column.type, BigInteger | Integer):
        return _number(column, value)
    if column.name in _CHECKED:
        return _CHECKED[column.name](value)
    return _text(column.name, value)


def _number(column: Column[Any], value: object) -> int:
    least, largest = _SEQS.get(column.name, _NUMBERS[isinstance(column.type, BigInteger)])
    number = checks.number(column.name, value, largest)
    if number < least:
        raise InvalidInput(column.name, f"is {number}; allowed are whole numbers from {least}")
    return number


def _default(column: Column[Any]) -> Any:
    """Return what a column holds of which nothing is said, as what an older version wrote."""
    if column.nullable or isinstance(column.type, CompactUuid | UtcDateTime):
        return None
    if column.default is not None and column.default.is_scalar:
        return column.default.arg  # type: ignore[attr-defined]  # a scalar default has one
    raise InvalidInput(column.name, "is missing")


def _moment(name: str, value: object) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise InvalidInput(name, f"is {shown(value)}; give a moment in ISO 8601") from None


def _text(name: str, value: object) -> str:
    if name in _JSON and isinstance(value, dict | list):
        return _json_text(name, value)
    if not isinstance(value, str):
        raise InvalidInput(name, f"is of type {type(value).__name__}, not text")
    text = jsontext.clean(value)
    checks.size(name, text)
    return text


def _json_text(name: str, value: dict[str, Any] | list[Any]) -> str:
    if name == "metadata":
        return checks.metadata(value) or ""
    try:
        text = jsontext.dumps(value)
    except (ValueError, RecursionError):
        raise InvalidInput(name, "is not JSON") from None
    checks.size(name, text)
    return text
