"""Purge: removing for good what was soft-deleted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    select,
)

from ..database import Stamp, Steps, lone_write_unit, read_unit, write_unit
from ..dialects import dialect_named, dialect_of
from ..errors import InvalidInput
from ..models import PurgeReport
from ..tables import PREFIX, UtcDateTime, messages, sessions, summaries
from . import checks
from .search import writes

Progress = Callable[[PurgeReport], None]

LARGEST_BATCH = 100_000
"""Rows of one purge batch."""

_TABLES = (summaries, messages, sessions)


@dataclass(slots=True)
class Request:
    """What to purge, checked."""

    older_than: timedelta
    batch_size: int
    dry_run: bool
    progress: Progress | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def limit(self) -> datetime:
        """The moment up to which deleted rows go."""
        return self.started_at - self.older_than


def request(older_than: timedelta, batch_size: int, dry_run: bool, progress: Progress | None) -> Request:
    """Check what is to be purged."""
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise InvalidInput("older_than", "is no timedelta of zero or more")
    if checks.positive("batch_size", batch_size) > LARGEST_BATCH:
        raise InvalidInput("batch_size", f"is {batch_size}; allowed are 1 to {LARGEST_BATCH}")
    wanted = Request(older_than, batch_size, dry_run, progress)
    if older_than > wanted.started_at - datetime.min.replace(tzinfo=UTC):
        raise InvalidInput("older_than", "reaches back before the year 1")
    return wanted


def checked_interval(interval: timedelta) -> float:
    """Check the time between two purges and return it in seconds."""
    if not isinstance(interval, timedelta) or interval <= timedelta(0):
        raise InvalidInput("interval", "is no timedelta of more than zero")
    return interval.total_seconds()


def steps(wanted: Request) -> Steps[PurgeReport]:
    """Purge in batches, each a transaction of its own, messages before their sessions."""
    counts: dict[str, int] = {}
    batches = 0
    for table in _TABLES:
        name = table.name.removeprefix(PREFIX)
        counts[name] = (yield read_unit(_count, table, wanted.limit)) if wanted.dry_run else 0
        # Until there is nothing left: a smaller batch may only have met rows that somebody changed just then.
        removed, since = int(not wanted.dry_run), checks.EARLIEST
        while removed:
            removed, since = yield write_unit(_remove, table, since, wanted.limit, wanted.batch_size)
            counts[name] += removed
            batches += bool(removed)
            if removed and wanted.progress is not None:
                wanted.progress(_report(wanted, counts, batches))
    if batches:
        yield from reclaim_steps()
    return _report(wanted, counts, batches)


def reclaim_steps() -> Steps[None]:
    """Give the space of rows that are gone back, and leave nothing of them in the files."""
    for step in (writes.forget_removed, _release_space):
        while (yield write_unit(step)):
            pass
    yield lone_write_unit(_forget_deleted)


def _report(wanted: Request, counts: dict[str, int], batches: int) -> PurgeReport:
    return PurgeReport(
        **counts,
        batches=batches,
        dry_run=wanted.dry_run,
        older_than=wanted.older_than,
        started_at=wanted.started_at,
        finished_at=datetime.now(UTC),
    )


def _count(connection: Connection, table: Table, limit: datetime) -> int:
    query = select(func.count()).select_from(table).where(_expired(table))
    return int(connection.execute(query, {"limit": limit}).scalar_one())


def _remove(
    connection: Connection, stamp: Stamp, table: Table, since: datetime, limit: datetime, batch_size: int
) -> tuple[int, datetime]:
    """Remove the rows that were deleted first from *since* on, and return how many and until when.

    From there on, as the index of Postgres goes on holding what earlier batches removed, until a vacuum.
    """
    condition = _batch(connection.dialect.name, table, batch_size)
    bounds = {"since": since, "limit": limit}
    if table is messages:
        removed, until = writes.remove(connection, condition, bounds)
        return removed, until or since
    moments = connection.execute(delete(table).where(condition).returning(table.c.deleted_at), bounds).scalars().all()
    return len(moments), max(moments, default=since)


@cache
def _batch(dialect: str, table: Table, size: int) -> ColumnElement[bool]:
    """Match the rows of *table* that a batch of this *size* removes: the first ones to be deleted from `since` on."""
    removable = and_(_removable(table), table.c.deleted_at >= bindparam("since", type_=UtcDateTime))
    # Twice, as a row that was restored meanwhile is no longer to go; the second time in a form that uses no index, or
    # Postgres might read all that is expired to join it with the batch.
    first = dialect_named(dialect).first_rows(table, removable, table.c.deleted_at, size)
    return and_(first, func.coalesce(removable, false()))


def _expired(table: Table) -> ColumnElement[bool]:
    """Match the rows that were deleted up to the moment `limit`."""
    return and_(table.c.deleted_at.is_not(None), table.c.deleted_at <= bindparam("limit", type_=UtcDateTime))


def _removable(table: Table) -> ColumnElement[bool]:
    if table is not sessions:
        return _expired(table)
    return and_(_expired(table), ~exists().where(messages.c.session_id == sessions.c.session_id))


def _release_space(connection: Connection, stamp: Stamp) -> bool:
    return dialect_of(connection).release_space(connection)


def _forget_deleted(connection: Connection, stamp: Stamp) -> None:
    dialect_of(connection).forget_deleted(connection)
