"""Giving a session another id, with all that is in it."""

from sqlalchemy import Connection, delete, insert, select, update

from ..errors import InvalidInput
from ..models import Session
from ..tables import branches, message_embeddings, messages, session_holds, session_states, sessions, summaries
from ..units import Stamp
from . import checks
from . import sessions as session_rows


def rename(
    connection: Connection, stamp: Stamp, session_id: str, new_session_id: str, user_id: str | None = None
) -> Session:
    """Give a live session another id; what it holds, its position in listings and the search index stay as they are."""
    source, target = checks.session_id(session_id), checks.session_id(new_session_id)
    if source == target:
        raise InvalidInput("new_session_id", "is the session's own id")
    if stamp.attempt > 1 and _is_done(connection, stamp, source, target):
        return session_rows.get(connection, target, user_id)
    row = {**session_rows.lock_live(connection, source, user_id)._mapping, "session_id": target}
    session_rows.vacate(connection, target)
    connection.execute(insert(sessions).values(**{**row, "updated_at": stamp.now, "revision": row["revision"] + 1}))
    for table in (messages, summaries, message_embeddings, session_states, branches, session_holds):
        connection.execute(update(table).where(table.c.session_id == source).values(session_id=target))
    connection.execute(delete(sessions).where(sessions.c.session_id == source))
    return session_rows.get(connection, target)


def _is_done(connection: Connection, stamp: Stamp, source: str, target: str) -> bool:
    """Tell whether an attempt whose answer was lost has renamed the session."""
    names = select(sessions.c.session_id, sessions.c.updated_at).where(sessions.c.session_id.in_((source, target)))
    written = {row.session_id: row.updated_at for row in connection.execute(names)}
    return source not in written and target in written and written[target] >= stamp.now
