"""History: what a session showed at an earlier time, with what was deleted since, as long as no purge has taken it.

What was changed since, or moved by `replace_memory`, is as it is now: nobody has kept what it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select

from ..databases.statements import IS_KEPT
from ..errors import InvalidInput
from ..models import Memory, Message, Summary, stored
from ..tables import messages, sessions, summaries
from . import branches, checks, ownership
from .branches import Stretch
from .messages import COLUMNS, read
from .summaries import read_summary
from .windows import newest_turns

Time = int | datetime
"""A seq, when that message was the last one; or a moment."""


@dataclass(frozen=True, slots=True)
class _Past:
    """A session at an earlier time: the way to its last message then, and the moment."""

    session_id: str
    way: Sequence[Stretch]
    moment: datetime

    def shown(self, table: Table) -> ColumnElement[bool]:
        """Match the rows of *table* that were there and not deleted."""
        was_live = or_(table.c.deleted_at.is_(None), table.c.deleted_at > self.moment)
        return and_(table.c.session_id == self.session_id, branches.on(table, self.way), was_live)


def listed(
    connection: Connection,
    session_id: str,
    as_of: Time,
    limit: int | None,
    cursor: int | None,
    deleted: bool,
    user_id: str | None,
) -> list[Message]:
    """Return the messages of a session as of a time, in order, those after the seq *cursor*."""
    if deleted:
        raise InvalidInput("deleted", "is for what is deleted now; as_of shows what was not deleted then")
    after, count = checks.cursor(cursor), checks.limit(limit)
    past = _past(connection, session_id, as_of, user_id)
    if past is None:
        return []
    query = select(*COLUMNS).where(past.shown(messages), messages.c.seq > after).order_by(messages.c.seq)
    return read(connection.execute(query.limit(count)).all(), session_id)


def memory(
    connection: Connection,
    session_id: str,
    as_of: Time,
    lastn: int | None,
    window: int,
    max_tokens: int | None,
    user_id: str | None,
) -> Memory:
    """Return what `memory.get` would have returned at a time."""
    count, tokens = checks.limit(lastn, "lastn") or None, checks.limit(max_tokens, "max_tokens")
    past = _past(connection, session_id, as_of, user_id)
    if past is None:
        return Memory()
    summary = _summary(connection, past)
    covered = summary.seq if summary is not None and count is None else 0
    query = select(*COLUMNS).where(past.shown(messages), messages.c.seq > covered)
    newest = connection.execute(query.order_by(messages.c.seq.desc()).limit(count or window)).all()
    shown = newest_turns(read(reversed(newest), session_id), {"max_tokens": tokens})
    return stored(Memory, {"messages": shown, "summary": summary})


def _summary(connection: Connection, past: _Past) -> Summary | None:
    """Return the latest summary that there was."""
    made = (past.shown(summaries), summaries.c.created_at <= past.moment)
    row = connection.execute(select(summaries).where(*made).order_by(summaries.c.seq.desc()).limit(1)).first()
    return None if row is None else read_summary(row, past.session_id)


def _past(connection: Connection, session_id: str, as_of: Time, user_id: str | None) -> _Past | None:
    """Return a session as of a time, None where it had no message, or is not there for the user."""
    checked, time = checks.session_id(session_id), _time(as_of)
    owner = checks.optional_user_id(user_id)
    session = connection.execute(select(sessions).where(sessions.c.session_id == checked, IS_KEPT)).first()
    if session is None or not ownership.shows(checked, session.user_id, owner):
        return None
    before = messages.c.seq <= time if isinstance(time, int) else messages.c.created_at <= time
    last = select(messages.c.seq, messages.c.created_at).where(messages.c.session_id == checked, before)
    row = connection.execute(last.order_by(messages.c.seq.desc()).limit(1)).first()
    if row is None:
        return None
    stretches = branches.stretches_of(connection, checked, session.last_seq)
    if isinstance(time, int):
        return _Past(checked, branches.path(stretches, row.seq), row.created_at)
    is_now = time >= session.updated_at  # a rewind shows in no message before the next one
    seq = branches.head_of(session.last_seq, stretches) if is_now else row.seq
    return _Past(checked, branches.path(stretches, seq), time)


def _time(as_of: object) -> Time:
    if isinstance(as_of, datetime):
        return checks.moment("as_of", as_of)
    return checks.number("as_of", as_of, checks.LARGEST_INTEGER)
