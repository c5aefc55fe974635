"""Branches: what was said after a message, and what was said instead.

A conversation that is rewound goes on as another branch. What it leaves is superseded: no read shows it, and no purge
takes it until its session goes. A row is kept only where a message does not follow the one before it: from there on, up
to the next row, messages are a stretch of one branch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, delete, func, or_, select

from ..databases import database_of
from ..errors import MessageNotFound
from ..models import Branch, Message, stored
from ..tables import SUPERSEDED, branches, messages, sessions, summaries
from ..units import Stamp
from ..uuids import BEGINNING
from . import checks, ownership, revisions
from . import sessions as session_rows
from .messages import COLUMNS, read
from .sessions import LONGEST_PREVIEW

_PLACE = select(messages.c.seq, sessions.c.last_seq, sessions.c.user_id).where(
    messages.c.session_id == bindparam("session"),
    messages.c.uuid == bindparam("uuid"),
    sessions.c.session_id == messages.c.session_id,
    sessions.c.deleted_at.is_(None),
    or_(messages.c.deleted_at.is_(None), messages.c.deleted_at == SUPERSEDED),
)
"""Selects where in a live session a message of any branch is."""


class Stretch(NamedTuple):
    """Messages in a row, from one seq up to another, and the seq of the message that the first one follows."""

    first: int
    last: int
    parent: int


def listed(connection: Connection, session_id: str, user_id: str | None) -> list[Branch]:
    """Return the branches of a live session, each by the message that it ends with, in the order of these."""
    checked = checks.session_id(session_id)
    session_rows.get(connection, checked, user_id)
    last_seq = _last_seq(connection, checked)
    stretches = stretches_of(connection, checked, last_seq)
    head = head_of(last_seq, stretches)
    ends = {each.last for each in stretches} - {each.parent for each in stretches} | {head}
    tips = {end: _tip(connection, checked, path(stretches, end)) for end in sorted(ends)}
    rows = {tip.seq: tip for tip in tips.values() if tip is not None}
    active = tips[head]
    return [_branch(row, is_active=active is not None and seq == active.seq) for seq, row in sorted(rows.items())]


def read_to(
    connection: Connection, session_id: str, to_uuid: object, limit: int | None, user_id: str | None
) -> list[Message]:
    """Return the messages up to one of any branch of a live session, of these the newest, oldest first."""
    checked, uuid, count = checks.session_id(session_id), checks.message_id(to_uuid), checks.limit(limit)
    owner = checks.optional_user_id(user_id)
    found = connection.execute(_PLACE, {"session": checked, "uuid": uuid}).first()
    if found is None:
        ownership.refuse(connection, checked, owner)
        raise MessageNotFound(checked, to_uuid)
    ownership.check(checked, found.user_id, owner)
    way = path(stretches_of(connection, checked, found.last_seq), found.seq)
    kept = (messages.c.session_id == checked, on(messages, way), _is_kept(messages))
    newest = select(*COLUMNS).where(*kept).order_by(messages.c.seq.desc()).limit(count)
    return read(reversed(connection.execute(newest).all()), checked)


def rewind(connection: Connection, stamp: Stamp, session_id: str, seq: int) -> None:
    """Let a locked session end with the message at *seq*, and supersede what comes after it."""
    last_seq = _last_seq(connection, session_id)
    session_rows.write(connection, stamp, session_id)
    superseded = _set(connection, messages, session_id, messages.c.seq > seq, None, SUPERSEDED)
    _set(connection, summaries, session_id, summaries.c.seq > seq, None, SUPERSEDED)
    if superseded:
        _go_on_from(connection, session_id, last_seq, seq)


def switch(connection: Connection, stamp: Stamp, session_id: str, to_uuid: object, user_id: str | None) -> None:
    """Let a live session end with a message of any of its branches."""
    checked, uuid = checks.session_id(session_id), checks.message_id(to_uuid)
    session_rows.lock_live(connection, checked, user_id)
    session_rows.write(connection, stamp, checked)
    go_on_from(connection, checked, uuid, _last_seq(connection, checked))


def go_on_from(connection: Connection, session_id: str, uuid: UUID, last_seq: int) -> None:
    """Let what comes after *last_seq* in a locked session follow a message of any of its branches."""
    there = select(messages.c.seq).where(messages.c.session_id == session_id, messages.c.uuid == uuid)
    seq = 0 if uuid == BEGINNING else connection.execute(there.where(_is_kept(messages))).scalar()
    if seq is None:
        raise MessageNotFound(session_id, uuid)
    stretches = stretches_of(connection, session_id, last_seq)
    if seq == head_of(last_seq, stretches):
        return
    way = path(stretches, seq)
    for table in (messages, summaries):
        _set(connection, table, session_id, ~on(table, way), None, SUPERSEDED)
        _set(connection, table, session_id, on(table, way), SUPERSEDED, None)
    _go_on_from(connection, session_id, last_seq, seq)


def forget(connection: Connection, stamp: Stamp, session_id: str) -> None:
    """Soft-delete what is superseded in a locked session, whose messages are deleted or replaced."""
    for table in (messages, summaries):
        superseded = (table.c.session_id == session_id, table.c.deleted_at == SUPERSEDED)
        connection.execute(revisions.change(table, *superseded, deleted_at=stamp.now))
    connection.execute(delete(branches).where(branches.c.session_id == session_id))


def path(stretches: Sequence[Stretch], seq: int) -> list[Stretch]:
    """Return the stretches that lead to the message at *seq*, from there to the beginning."""
    found: list[Stretch] = []
    for each in reversed(stretches):
        if each.first <= seq:
            found.append(each._replace(last=seq))
            seq = each.parent
    return found


def _last_seq(connection: Connection, session_id: str) -> int:
    query = select(sessions.c.last_seq).where(sessions.c.session_id == session_id)
    last_seq: int = connection.execute(query).scalar_one()
    return last_seq


def stretches_of(connection: Connection, session_id: str, last_seq: int) -> list[Stretch]:
    """Return the stretches of a session up to its last seq in order, among them one that is still to begin."""
    query = select(branches.c.seq, branches.c.parent_seq).where(branches.c.session_id == session_id)
    rows = connection.execute(query.order_by(branches.c.seq)).all()
    starts = [(0, -1), *((row.seq, row.parent_seq) for row in rows)]
    ends = [*(seq - 1 for seq, _ in starts[1:]), max(last_seq, starts[-1][0])]
    return [Stretch(seq, end, parent) for (seq, parent), end in zip(starts, ends, strict=True)]


def head_of(last_seq: int, stretches: Sequence[Stretch]) -> int:
    """Return the seq that the next message follows."""
    newest = stretches[-1]
    return newest.parent if newest.first > last_seq else last_seq


def _go_on_from(connection: Connection, session_id: str, last_seq: int, seq: int) -> None:
    """Let the next message follow the one at *seq*."""
    row = {"session_id": session_id, "seq": last_seq + 1, "parent_seq": seq}
    inserted = database_of(connection).insert(branches).values(row)
    connection.execute(
        inserted.on_conflict_do_update(index_elements=list(branches.primary_key), set_={"parent_seq": seq})
    )


def _set(connection: Connection, table: Table, session_id: str, which: Any, before: Any, after: Any) -> int:
    """Change `deleted_at` from *before* to *after* where it is so, and count the rows."""
    is_before = table.c.deleted_at.is_(None) if before is None else table.c.deleted_at == before
    changed = revisions.change(table, table.c.session_id == session_id, which, is_before, deleted_at=after)
    return connection.execute(changed).rowcount


def on(table: Table, way: Sequence[Stretch]) -> ColumnElement[bool]:
    """Match what is on a way."""
    return or_(*(table.c.seq.between(each.first, each.last) for each in way))


def _is_kept(table: Table) -> ColumnElement[bool]:
    return or_(table.c.deleted_at.is_(None), table.c.deleted_at == SUPERSEDED)


def _tip(connection: Connection, session_id: str, way: Sequence[Stretch]) -> Row[Any] | None:
    """Return the newest message on a way, without those that were deleted."""
    beginning = func.substr(messages.c.content, 1, LONGEST_PREVIEW).label("preview")
    query = select(messages.c.uuid, messages.c.seq, messages.c.created_at, beginning)
    newest = query.where(and_(messages.c.session_id == session_id, on(messages, way), _is_kept(messages)))
    row: Any = connection.execute(newest.order_by(messages.c.seq.desc()).limit(1)).first()
    tip: Row[Any] | None = row
    return tip


def _branch(row: Row[Any], *, is_active: bool) -> Branch:
    return stored(Branch, {**row._mapping, "is_active": is_active})
