"""Replacing everything that a session holds."""

from sqlalchemy import Connection

from ..errors import SessionChanged, SessionNotFound
from ..models import Message
from ..tables import messages, summaries
from ..units import Stamp
from . import branches, checks, memory, revisions
from . import sessions as session_rows
from .appending import append_anew
from .batches import Batch


def replace(connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None) -> list[Message]:
    """Put *new* instead of all messages and summaries of a session, which is created when need be."""
    if new.is_empty:
        _empty(connection, stamp, checks.session_id(session_id), checks.optional_user_id(user_id), new)
        return []
    stored = append_anew(connection, stamp, session_id, new, user_id)
    for table in (messages, summaries):
        old = [table.c.session_id == session_id, table.c.deleted_at.is_(None)]
        old += [table.c.seq < message.seq for message in stored[:1]]
        connection.execute(revisions.change(table, *old, deleted_at=stamp.now))
    branches.forget(connection, stamp, session_id)
    return stored


def _empty(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None, new: Batch) -> None:
    """Clear a session when there is one."""
    try:
        stored = session_rows.lock_live(connection, session_id, user_id)
    except SessionNotFound:
        if new.expected_revision:
            raise SessionChanged(session_id, new.expected_revision, 0) from None
        return
    session_rows.expect(stored, stamp, new.expected_revision)
    session_rows.own(connection, stamp, session_id, stored.user_id, user_id)
    memory.clear(connection, stamp, session_id)
