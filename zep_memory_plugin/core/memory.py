"""Memory: what a session remembers as a whole."""

from collections.abc import Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    bindparam,
    insert,
    literal,
    select,
    union_all,
)

from ..databases import index_of
from ..databases.prepared import Prepared
from ..errors import InvalidInput, SessionExists
from ..models import Memory, Session, Summary, stored
from ..tables import columns_of, messages, summaries
from ..units import Stamp
from . import branches, checks, ownership, revisions, states
from . import sessions as session_rows
from .messages import COLUMNS, NEAR_END, of_session, read, seq_of
from .summaries import COVERED, latest_as_row, parted
from .windows import newest_turns

FIRST_REVISION = 1
"""The revision of a session that is a copy."""

_SEQ = [column.name for column in COLUMNS].index("seq")


def get(
    connection: Connection,
    session_id: str,
    lastn: int | None,
    window: int,
    max_tokens: int | None = None,
    user_id: str | None = None,
) -> Memory:
    """Return the newest *lastn* messages, or those after the latest summary but at most *window*, and that summary.

    Of more than *max_tokens* tokens only the newest whole turns, at least one, that have no more. One statement: the
    summary comes as one more row, of the shape of a message. Where some of the newest were deleted, it is sent again,
    to look further back.
    """
    count, tokens = checks.limit(lastn, "lastn") or None, checks.limit(max_tokens, "max_tokens")
    owner = checks.optional_user_id(user_id)
    parameters = ownership.parameters(owner, session=checks.session_id(session_id), count=count or window)
    look = partial(_statement, after_summary=count is None, of_owner=owner is not None)
    rows = look(near_end=True).rows(connection, parameters)
    newest, summary = parted(rows, session_id)
    if not _is_whole(newest, summary if count is None else None, parameters["count"]):
        rows = look(near_end=False).rows(connection, parameters)
        newest, summary = parted(rows, session_id)
    if not rows:
        ownership.refuse(connection, session_id, owner)
    shown = read(sorted(newest, key=itemgetter(_SEQ)), session_id)
    return stored(Memory, {"messages": newest_turns(shown, {"max_tokens": tokens}), "summary": summary})


def _is_whole(newest: Sequence[Sequence[Any]], covering: Summary | None, count: int) -> bool:
    """Tell whether no older message can belong to the memory than the *newest*, found at the end of a session."""
    covered = (covering.seq or 0) if covering else 0
    return len(newest) == count or (bool(newest) and min(row[_SEQ] for row in newest) == 1 + covered)


@cache
def _statement(*, after_summary: bool, of_owner: bool, near_end: bool) -> Prepared:
    query = select(*COLUMNS).where(of_session(of_owner=of_owner))
    if near_end:
        query = query.where(NEAR_END)
    if after_summary:
        query = query.where(messages.c.seq > COVERED)
    newest = query.order_by(messages.c.seq.desc()).limit(bindparam("count")).subquery("newest")
    return Prepared(union_all(select(newest), latest_as_row(of_owner=of_owner)))


def clear(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None = None) -> None:
    """Soft-delete all messages and summaries of a session, and keep the session."""
    checked = checks.session_id(session_id)
    session_rows.lock_live(connection, checked, user_id)
    session_rows.write(connection, stamp, checked)
    for table in (messages, summaries):
        live = (table.c.session_id == checked, table.c.deleted_at.is_(None))
        connection.execute(revisions.change(table, *live, deleted_at=stamp.now))
    branches.forget(connection, stamp, checked)


def rewind(connection: Connection, stamp: Stamp, session_id: str, to_uuid: object, user_id: str | None = None) -> None:
    """Let a session end with one message, and supersede everything after it."""
    checked = checks.session_id(session_id)
    session_rows.lock_live(connection, checked, user_id)
    branches.rewind(connection, stamp, checked, seq_of(connection, checked, to_uuid))


def fork(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    new_session_id: str,
    until_uuid: object | None,
    user_id: str | None = None,
) -> Session:
    """Copy a session up to one message, by default all of it, into a new session of the same user."""
    source, target = checks.session_id(session_id), checks.session_id(new_session_id)
    if source == target:
        raise InvalidInput("new_session_id", "is the session's own id")
    origin = session_rows.lock_live(connection, source, user_id)
    until: int = origin.last_seq if until_uuid is None else seq_of(connection, source, until_uuid)
    if not _create_fork(connection, stamp, target, origin, until):
        taken = session_rows.lock_taken(connection, target)
        if taken.uuid != stamp.uuid:
            raise SessionExists(target, deleted=taken.deleted_at is not None)
        return session_rows.get(connection, target)
    for table in (messages, summaries):
        _copy(connection, table, source, target, until)
    index_of(connection).copy(connection, source, target)
    states.copy(connection, stamp, source, target)
    return session_rows.get(connection, target)


def _create_fork(connection: Connection, stamp: Stamp, target: str, origin: Row[Any], until: int) -> bool:
    same = {"user_id": origin.user_id, "title": origin.title, "metadata": origin.metadata}
    fields = {"added_at": stamp.now, "last_seq": until, "revision": FIRST_REVISION, **same}
    return session_rows.create(connection, stamp, target, **fields)


def _copy(connection: Connection, table: Table, source: str, target: str, until: int) -> None:
    columns = columns_of(table, connection.dialect.name)
    given: dict[str, ColumnElement[Any]] = {"session_id": literal(target)}
    if table is messages:
        given["appended_revision"] = literal(FIRST_REVISION)
    kept = [column for column in columns if column.name not in (*given, "deleted_at", "changed_revision")]
    rows: Any = select(*given.values(), *kept).where(
        table.c.session_id == source, table.c.seq <= until, table.c.deleted_at.is_(None)
    )
    connection.execute(insert(table).from_select([*given, *(column.name for column in kept)], rows))
