"""Memory: what a session remembers as a whole."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    SelectBase,
    Table,
    bindparam,
    cast,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from ..database import Stamp
from ..errors import InvalidInput, SessionExists
from ..models import Memory, Session, stored
from ..tables import columns_of, messages, sessions, summaries
from . import checks
from . import sessions as session_rows
from .messages import COLUMNS, OF_SESSION, read, seq_of
from .search import writes
from .summaries import COVERED, LIVE_SUMMARY, read_summary

_SUMMARY = "summary"


def get(connection: Connection, session_id: str, lastn: int | None, window: int) -> Memory:
    """Return the newest *lastn* messages, or those after the latest summary but at most *window*, and that summary.

    One statement: the summary comes as one more row, of the shape of a message.
    """
    count = checks.limit(lastn, "lastn") or None
    place = {"session": checks.session_id(session_id), "count": count or window}
    found: Sequence[Any] = connection.execute(_query(after_summary=count is None), place).all()
    told = sorted((row for row in found if row.role_type != _SUMMARY), key=lambda row: row.seq)
    summary = next((row for row in found if row.role_type == _SUMMARY), None)
    return stored(Memory, {"messages": read(told), "summary": None if summary is None else read_summary(summary)})


@cache
def _query(*, after_summary: bool) -> CompoundSelect[Any]:
    query = select(*COLUMNS).where(OF_SESSION)
    if after_summary:
        query = query.where(messages.c.seq > COVERED)
    newest = query.order_by(messages.c.seq.desc()).limit(bindparam("count")).subquery("newest")
    return union_all(select(newest), _latest_summary())


def _latest_summary() -> SelectBase:
    latest = select(summaries).where(LIVE_SUMMARY).order_by(summaries.c.seq.desc()).limit(1).subquery("latest")
    same = {"role": literal(_SUMMARY), "role_type": literal(_SUMMARY), **{column.name: column for column in latest.c}}
    columns: list[Any] = [same.get(column.name, cast(null(), column.type)).label(column.name) for column in COLUMNS]
    return select(*columns)


def clear(connection: Connection, stamp: Stamp, session_id: str) -> None:
    """Soft-delete all messages and summaries of a session, and keep the session."""
    checked = checks.session_id(session_id)
    session_rows.lock_live(connection, checked)
    _delete_after(connection, stamp, checked, -1)  # a summary of what came before the first message is at 0


def rewind(connection: Connection, stamp: Stamp, session_id: str, to_uuid: object) -> None:
    """Soft-delete everything after one message."""
    checked = checks.session_id(session_id)
    session_rows.lock_live(connection, checked)
    _delete_after(connection, stamp, checked, seq_of(connection, checked, to_uuid))


def _delete_after(connection: Connection, stamp: Stamp, session_id: str, seq: int) -> None:
    for table in (messages, summaries):
        connection.execute(
            update(table)
            .where(table.c.session_id == session_id, table.c.seq > seq, table.c.deleted_at.is_(None))
            .values(deleted_at=stamp.now)
        )
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(updated_at=stamp.now))


def fork(
    connection: Connection, stamp: Stamp, session_id: str, new_session_id: str, until_uuid: object | None
) -> Session:
    """Copy a session up to one message, by default all of it, into a new session of the same user."""
    source, target = checks.session_id(session_id), checks.session_id(new_session_id)
    if source == target:
        raise InvalidInput("new_session_id", "is the session's own id")
    origin = session_rows.lock_live(connection, source)
    until: int = origin.last_seq if until_uuid is None else seq_of(connection, source, until_uuid)
    if not session_rows.create(connection, stamp, target, origin.user_id, origin.metadata, last_seq=until):
        taken = session_rows.lock(connection, target)
        if taken.uuid != stamp.uuid:
            raise SessionExists(target, deleted=taken.deleted_at is not None)
        return session_rows.get(connection, target)
    for table in (messages, summaries):
        _copy(connection, table, source, target, until)
    writes.copy(connection, source, target)
    return session_rows.get(connection, target)


def _copy(connection: Connection, table: Table, source: str, target: str, until: int) -> None:
    columns = columns_of(table, connection.dialect.name)
    kept = [column for column in columns if column.name not in ("session_id", "deleted_at")]
    rows: Any = select(literal(target), *kept).where(
        table.c.session_id == source, table.c.seq <= until, table.c.deleted_at.is_(None)
    )
    connection.execute(insert(table).from_select(["session_id", *(column.name for column in kept)], rows))
