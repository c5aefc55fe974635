"""What was written when: messages by day. No index has that order, so that every message is looked at."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from ..databases import database_of
from ..errors import InvalidInput
from ..tables import messages, sessions
from . import checks

MOST_DAYS = 3_660
"""Days that are counted at once."""

_FIRST_DAY = date(1970, 1, 1)


def by_day(connection: Connection, days: int, user_id: str | None = None) -> dict[date, int]:
    """Count the live messages of each of the last *days* in UTC, those without any too, the first day first."""
    owner = checks.optional_user_id(user_id)
    wanted = _last(days)
    day = database_of(connection).day_number(messages.c.created_at).label("day")
    written_at = messages.c.created_at
    query = select(day, func.count(messages.c.seq).label("written")).where(
        messages.c.deleted_at.is_(None),
        written_at >= _begin(wanted[0]),
        written_at < _begin(wanted[-1] + timedelta(days=1)),
    )
    if owner is not None:
        query = query.join(sessions, sessions.c.session_id == messages.c.session_id).where(sessions.c.user_id == owner)
    counts = {row.day: row.written for row in connection.execute(query.group_by(day))}
    return {day: counts.get((day - _FIRST_DAY).days, 0) for day in wanted}


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _last(days: int) -> Sequence[date]:
    count = checks.positive("days", days)
    if count > MOST_DAYS:
        raise InvalidInput("days", f"is {count}; allowed are 1 to {MOST_DAYS}")
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(count))]
