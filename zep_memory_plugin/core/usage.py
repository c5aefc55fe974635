"""Usage: tokens and cost that providers report of messages, under "usage" in their metadata, summed up."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, case, cast, func, or_, select

from ..databases import database_of
from ..errors import InvalidInput, shown
from ..models import Usage, stored
from ..tables import messages, sessions
from ..types import Metadata
from . import checks

KEY = "usage"
"""The key of a message's metadata with what a provider reports of it."""

LARGEST = 1e15
"""The largest number that counts; what is larger, or less than 0, was not reported by anybody."""

_FIELDS = ("input_tokens", "output_tokens", "cost")
_FIRST_DAY = date(1970, 1, 1)


def with_usage(metadata: Metadata | None, **reported: object) -> Metadata | None:
    """Return *metadata* with the numbers among what a provider has *reported*, unless it tells of usage itself."""
    numbers = {
        name: each for name, each in reported.items() if isinstance(each, int | float) and not isinstance(each, bool)
    }
    if not any(numbers.values()) or KEY in (metadata or {}):
        return metadata
    return {**(metadata or {}), KEY: dict(numbers)}


def summed(connection: Connection, by: object, user_id: object, start_date: object, end_date: object) -> list[Usage]:
    """Sum what messages have, until a purge also deleted ones, by session, user or day, with one statement."""
    if by not in ("session", "user", "day"):
        raise InvalidInput("by", f"is {shown(by)}; allowed are 'session', 'user' and 'day'")
    kept = _reported(connection, by, _conditions(user_id, start_date, end_date)).subquery()
    told = {name: kept.c[name].between(0, LARGEST) for name in _FIELDS}
    numbers = {name: case((is_told, cast(kept.c[name], Float)), else_=0.0) for name, is_told in told.items()}
    sums = (func.sum(number).label(name) for name, number in numbers.items())
    query = select(kept.c.key, func.count().label("messages"), *sums).where(or_(*told.values()))
    return [_usage(by, row) for row in connection.execute(query.group_by(kept.c.key).order_by(kept.c.key))]


def _conditions(user_id: object, start_date: object, end_date: object) -> list[ColumnElement[bool]]:
    owner = checks.optional_user_id(user_id)
    conditions = [messages.c.metadata.contains(f'"{KEY}"', autoescape=True)]
    if owner is not None:
        conditions.append(sessions.c.user_id == owner)
    if start_date is not None:
        conditions.append(messages.c.created_at >= checks.moment("start_date", start_date))
    if end_date is not None:
        conditions.append(messages.c.created_at <= checks.moment("end_date", end_date))
    return conditions


def _reported(connection: Connection, by: object, conditions: list[ColumnElement[bool]]) -> Any:
    """Select what each message has, with what it is summed by."""
    database = database_of(connection)
    keys: dict[object, ColumnElement[Any]] = {
        "session": messages.c.session_id,
        "user": sessions.c.user_id,
        "day": database.day_number(messages.c.created_at),
    }
    numbers = (database.metadata_number(connection, messages.c.metadata, (KEY, name)).label(name) for name in _FIELDS)
    joined = select(keys[by].label("key"), *numbers).join_from(
        messages, sessions, sessions.c.session_id == messages.c.session_id
    )
    return joined.where(*conditions)


def _usage(by: object, row: Any) -> Usage:
    key = _FIRST_DAY + timedelta(days=row.key) if by == "day" else row.key
    names = {"session": "session_id", "user": "user_id", "day": "day"}
    fields = {**dict.fromkeys(names.values()), names[str(by)]: key}
    tokens = {name: round(row._mapping[name]) for name in _FIELDS[:2]}
    return stored(Usage, {**fields, "messages": row.messages, **tokens, "cost": row.cost})
