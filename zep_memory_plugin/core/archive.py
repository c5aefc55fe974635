"""The archive, where messages go that a framework no longer works with, and messages by their position."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, select

from ..errors import InvalidInput
from ..models import Message
from ..tables import messages
from ..units import Stamp
from . import checks, ownership, revisions
from . import sessions as session_rows
from .chunks import chunked
from .messages import COLUMNS, of_session, read, unmarked


def archive(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    limit: int | None,
    until_seq: int | None,
    after_seq: int = 0,
    user_id: str | None = None,
) -> list[Message]:
    """Archive the oldest active messages after the seq *after_seq*, at most *limit* and none after *until_seq*."""
    count, last, first = checks.limit(limit), checks.limit(until_seq, "until_seq"), checks.limit(after_seq, "after_seq")
    session_rows.lock_live(connection, checks.session_id(session_id), user_id)
    active = and_(_of_session(session_id), unmarked(stamp, messages.c.archived_at))
    live = and_(active, messages.c.deleted_at.is_(None), messages.c.seq > (first or 0))
    oldest = _rows_at(connection, live if last is None else and_(live, messages.c.seq <= last), 0, count)
    _mark(connection, stamp, session_id, oldest, messages.c.archived_at)
    return read(oldest, session_id)


def sliced(
    connection: Connection,
    session_id: str,
    start: int | None,
    stop: int | None,
    status: object,
    user_id: str | None = None,
) -> list[Message]:
    """Return the messages at the positions from *start* until before *stop*."""
    owner = checks.optional_user_id(user_id)
    live = and_(of_session(of_owner=owner is not None), session_rows.of_status(status))
    rows = _rows_at(connection, live, start, stop, ownership.parameters(owner, session=checks.session_id(session_id)))
    if not rows:
        ownership.refuse(connection, session_id, owner)
    return read(rows, session_id)


def delete_slice(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    start: int | None,
    stop: int | None,
    status: object,
    user_id: str | None = None,
) -> list[Message]:
    """Soft-delete the messages at the positions from *start* until before *stop*, and return them."""
    session_rows.lock_live(connection, checks.session_id(session_id), user_id)
    live = and_(_of_session(session_id), session_rows.of_status(status), unmarked(stamp, messages.c.deleted_at))
    rows = _rows_at(connection, live, start, stop)
    _mark(connection, stamp, session_id, rows, messages.c.deleted_at)
    return read(rows, session_id)


def _of_session(session_id: str) -> ColumnElement[bool]:
    return messages.c.session_id == checks.session_id(session_id)


def _rows_at(
    connection: Connection,
    conditions: ColumnElement[bool],
    start: int | None,
    stop: int | None,
    parameters: Mapping[str, Any] | None = None,
) -> Sequence[Row[Any]]:
    """Return the rows of a slice, oldest first."""
    newest_first, offset, limit = _span(start, stop)
    order = messages.c.seq.desc() if newest_first else messages.c.seq
    query = select(*COLUMNS).where(conditions).order_by(order).offset(offset).limit(limit)
    rows = connection.execute(query, dict(parameters or {})).all()
    return rows[::-1] if newest_first else rows


def _span(start: int | None, stop: int | None) -> tuple[bool, int, int | None]:
    """Return from which end a slice counts, how many it leaves out there, and how many it holds."""
    first, last = checks.position("start", start), checks.position("stop", stop)
    negative = {bound < 0 for bound in (first, last) if bound is not None}
    if len(negative) == 2:
        raise InvalidInput("start", f"is {first} and stop {last}; count both from the oldest or both from the newest")
    near, far = (last, first) if True in negative else (first, last)
    offset = abs(near or 0)
    return True in negative, offset, None if far is None else max(0, abs(far) - offset)


def _mark(
    connection: Connection, stamp: Stamp, session_id: str, rows: Sequence[Row[Any]], column: Column[datetime]
) -> None:
    """Write the moment of this call into *column* of some messages."""
    if rows:
        session_rows.write(connection, stamp, session_id)
    for chunk in chunked([row.seq for row in rows]):
        those = (_of_session(session_id), messages.c.seq.in_(chunk))
        connection.execute(revisions.change(messages, *those, **{column.name: stamp.now}))
