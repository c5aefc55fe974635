"""Usage and feedback: what providers report of messages, and what people think of them, summed up.

Both are in a message's metadata, under keys of their own: so they are written with it, carried and erased with it.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, case, cast, func, or_, select

from ..databases import database_of
from ..errors import InvalidInput, shown
from ..models import Feedback, Usage, stored
from ..tables import messages, sessions
from ..types import Metadata
from . import checks, damage

KEY = "usage"
"""The key of a message's metadata with what a provider reports of it."""

FEEDBACK = "feedback"
"""The key of a message's metadata with what somebody thinks of it."""

LARGEST = 1e15
"""The largest number that counts; what is larger, or is a usage of less than 0, was not reported by anybody."""

LONGEST_COMMENT = 10_000
"""Characters of a comment."""

_OF_USAGE = ("input_tokens", "output_tokens", "cost")
_PATHS = {**{name: (KEY, name) for name in _OF_USAGE}, "score": (FEEDBACK, "score")}
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
    conditions = [_has(KEY, FEEDBACK), *_conditions(user_id, start_date, end_date)]
    kept = _reported(connection, by, conditions).subquery()
    told = {name: kept.c[name].between(0 if name in _OF_USAGE else -LARGEST, LARGEST) for name in _PATHS}
    sums: dict[str, ColumnElement[Any]] = {
        name: func.sum(case((is_told, cast(kept.c[name], Float)), else_=0.0)) for name, is_told in told.items()
    }
    sums |= {"messages": _count(or_(*(told[name] for name in _OF_USAGE))), "rated": _count(told["score"])}
    query = select(kept.c.key, *(each.label(name) for name, each in sums.items())).where(or_(*told.values()))
    return [_usage(by, row) for row in connection.execute(query.group_by(kept.c.key).order_by(kept.c.key))]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def feedback(score: object, comment: object) -> Metadata:
    """Check what somebody thinks of a message, and return it as the metadata of that."""
    if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) <= LARGEST:
        raise InvalidInput("score", f"is {shown(score)}; give a number of at most {LARGEST:g}")
    if comment is not None and not isinstance(comment, str):
        raise InvalidInput("comment", f"is of type {type(comment).__name__}, not text")
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise InvalidInput("comment", f"has {len(comment)} characters; allowed are {LONGEST_COMMENT}")
    return {FEEDBACK: {"score": score, "comment": comment}}


def listed(
    connection: Connection, limit: object, user_id: object, start_date: object, end_date: object
) -> list[Feedback]:
    """Return what people think of live messages, the newest message first."""
    count = checks.limit(limit)
    conditions = (messages.c.deleted_at.is_(None), _has(FEEDBACK), *_conditions(user_id, start_date, end_date))
    score = database_of(connection).metadata_number(connection, messages.c.metadata, _PATHS["score"])
    columns = (messages.c[name] for name in ("session_id", "seq", "uuid", "created_at", "metadata"))
    query = select(*columns, score.label("score")).join_from(
        messages, sessions, sessions.c.session_id == messages.c.session_id
    )
    newest = query.where(*conditions, score.is_not(None)).order_by(
        messages.c.created_at.desc(), messages.c.session_id, messages.c.seq.desc()
    )
    return [_feedback(row) for row in connection.execute(newest.limit(count))]


def _feedback(row: Any) -> Feedback:
    metadata = damage.json_object(row.metadata, "metadata of message", (row.session_id, row.seq, row.uuid)) or {}
    comment = metadata[FEEDBACK].get("comment")
    fields = {name: row._mapping[name] for name in ("session_id", "uuid", "created_at")}
    said = comment if isinstance(comment, str) else None
    return stored(Feedback, {**fields, "score": float(row.score), "comment": said})


def _has(*keys: str) -> ColumnElement[bool]:
    """Match messages whose metadata may have one of *keys*."""
    return or_(*(messages.c.metadata.contains(f'"{key}"', autoescape=True) for key in keys))


def _conditions(user_id: object, start_date: object, end_date: object) -> list[ColumnElement[bool]]:
    owner = checks.optional_user_id(user_id)
    conditions: list[ColumnElement[bool]] = []
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
    numbers = (
        database.metadata_number(connection, messages.c.metadata, path).label(name) for name, path in _PATHS.items()
    )
    joined = select(keys[by].label("key"), *numbers).join_from(
        messages, sessions, sessions.c.session_id == messages.c.session_id
    )
    return joined.where(*conditions)


def _usage(by: object, row: Any) -> Usage:
    key = _FIRST_DAY + timedelta(days=row.key) if by == "day" else row.key
    names = {"session": "session_id", "user": "user_id", "day": "day"}
    fields = {**dict.fromkeys(names.values()), names[str(by)]: key}
    tokens = {name: round(row._mapping[name]) for name in _OF_USAGE[:2]}
    rest = {name: row._mapping[name] for name in ("messages", "cost", "rated", "score")}
    return stored(Usage, {**fields, **tokens, **rest})
