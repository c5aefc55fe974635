"""Replacing everything that a session holds."""

from sqlalchemy import Connection, update

from ..database import Stamp
from ..errors import SessionNotFound
from ..models import Message
from ..tables import messages, summaries
from . import checks, memory
from . import sessions as session_rows
from .batches import Batch
from .messages import append_anew


def replace(connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None) -> list[Message]:
    """Put *new* in the place of all messages and summaries of a session, which is created when need be."""
    if not new.rows:
        _empty(connection, stamp, checks.session_id(session_id), checks.optional_user_id(user_id))
        return []
    stored = append_anew(connection, stamp, session_id, new, user_id)
    for table in (messages, summaries):
        old = (table.c.session_id == session_id, table.c.seq < stored[0].seq, table.c.deleted_at.is_(None))
        connection.execute(update(table).where(*old).values(deleted_at=stamp.now))
    return stored


def _empty(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None) -> None:
    """Clear a session when there is one."""
    try:
        owner = session_rows.lock_live(connection, session_id).user_id
    except SessionNotFound:
        return
    session_rows.own(connection, stamp, session_id, owner, user_id)
    memory.clear(connection, stamp, session_id)
