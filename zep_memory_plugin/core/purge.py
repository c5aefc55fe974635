"""Purge: removing for good what was soft-deleted."""

import logging
from collections.abc import Callable, Sequence
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
    update,
)

from .. import units
from ..databases import database_named, database_of, index_of
from ..databases.statements import IS_KEPT
from ..errors import InvalidInput, ZepMemoryError
from ..models import PurgeProgress, PurgeReport
from ..tables import PREFIX, SUPERSEDED, UtcDateTime, messages, sessions, summaries
from ..units import Flow, Stamp
from . import checks, holds, leases, states
from .chunks import chunked
from .leases import Lease

logger = logging.getLogger(__name__)

LARGEST_PURGE_BATCH = 100_000
"""Rows of one purge batch."""

_TABLES = (summaries, messages, sessions)


@dataclass(slots=True)
class PurgeRequest:
    """What to purge, checked."""

    older_than: timedelta
    batch_size: int
    dry_run: bool
    progress: PurgeProgress | None
    lease: Lease | None = None
    """What is kept with each batch, so that no other machine begins meanwhile."""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    limit: datetime = field(init=False)
    """The moment up to which deleted rows go."""


def request(
    older_than: timedelta,
    batch_size: int,
    dry_run: bool,
    progress: PurgeProgress | None,
    lease: Lease | None = None,
) -> PurgeRequest:
    """Check what is to be purged."""
    if checks.positive("batch_size", batch_size) > LARGEST_PURGE_BATCH:
        raise InvalidInput("batch_size", f"is {batch_size}; allowed are 1 to {LARGEST_PURGE_BATCH}")
    wanted = PurgeRequest(older_than, batch_size, dry_run, checks.told("progress", progress), lease)
    wanted.limit = checks.age("older_than", older_than, wanted.started_at)
    return wanted


def purge(wanted: PurgeRequest) -> Flow[PurgeReport]:
    """Purge in batches, each a transaction of its own.

    First every session that is to go is marked as gone: whatever interrupts the purge or runs beside it, a session is
    whole for `restore_session`, or it is not found. Then rows are removed, messages before their sessions.
    """
    if not wanted.older_than:
        # A clock that was ahead, or was set back since, is no reason to keep what is deleted.
        newest = yield units.read(_newest_deletion)
        wanted.limit = max(wanted.limit, newest or wanted.limit)
    counts: dict[str, int] = {}
    batches = 0
    while not wanted.dry_run and (yield units.write(_mark, wanted.limit, wanted.batch_size)):
        pass
    for table in _TABLES:
        name = table.name.removeprefix(PREFIX)
        counts[name] = (yield units.read(_count, table, wanted.limit)) if wanted.dry_run else 0
        # Until there is nothing left: a smaller batch may only have met rows that somebody changed just then.
        removed, since = int(not wanted.dry_run), checks.EARLIEST
        while removed:
            removed, since = yield units.write(_remove, table, since, wanted.limit, wanted.batch_size)
            counts[name] += removed
            batches += bool(removed)
            if wanted.lease is not None:
                yield units.write(leases.keep, wanted.lease)
            if removed and wanted.progress is not None:
                wanted.progress(_report(wanted, counts, batches))
    kept = () if wanted.dry_run else (yield from reclaim())
    return _report(wanted, counts, batches, kept)


def turn(
    interval: timedelta, older_than: timedelta, batch_size: int, dry_run: bool, progress: PurgeProgress | None
) -> Callable[[], Flow[timedelta]]:
    """Return what purges each time, unless another machine has done so within the *interval*.

    It tells after what time to do it again. Purges of another age or purpose are done beside each other.
    """
    interval = leases.check_interval(interval)
    request(older_than, batch_size, dry_run, progress)
    lease = Lease(f"{'dry run' if dry_run else 'purge'} older than {older_than}", interval)
    return lambda: leases.in_turn(lease, lambda: purge(request(older_than, batch_size, dry_run, None, lease)), progress)


def reclaim(words: Sequence[str] = ()) -> Flow[Sequence[str]]:
    """Give the space of rows that are gone back, and return where their text is kept for now, if anywhere.

    With *words*, ids of what was erased, these are no longer kept beside the rows either. Also where nothing was
    removed just now: an earlier call may have had to leave something. What fails at it is no failure of a call whose
    work is done.
    """
    try:
        kept: Sequence[str] = yield from _reclaimed()
        if words:
            yield units.write_alone(_forget_words, words)
    except ZepMemoryError as error:
        kept = [f"the database's files, which could not be cleaned ({type(error).__name__})"]
    for where in kept:
        logger.warning("text of what was purged is kept for now in %s; the next purge tries again", where)
    return kept


def _reclaimed() -> Flow[Sequence[str]]:
    for step in (_forget_removed, _release_space):
        while (yield units.write(step)):
            pass
    kept: Sequence[str] = yield units.write_alone(_forget_deleted)
    return kept


def _report(
    wanted: PurgeRequest, counts: dict[str, int], batches: int, kept_text_in: Sequence[str] = ()
) -> PurgeReport:
    return PurgeReport(
        **counts,
        kept_text_in=list(kept_text_in),
        batches=batches,
        dry_run=wanted.dry_run,
        older_than=wanted.older_than,
        started_at=wanted.started_at,
        finished_at=datetime.now(UTC),
    )


def _count(connection: Connection, table: Table, limit: datetime) -> int:
    query = select(func.count()).select_from(table).where(_expired(table))
    return int(connection.execute(query, {"limit": limit}).scalar_one())


def _newest_deletion(connection: Connection) -> datetime | None:
    newest = [
        select(func.max(table.c.deleted_at)).where(table.c.deleted_at < SUPERSEDED).scalar_subquery()
        for table in _TABLES
    ]
    return max((moment for moment in connection.execute(select(*newest)).one() if moment is not None), default=None)


def _mark(connection: Connection, stamp: Stamp, limit: datetime, batch_size: int) -> int:
    """Mark sessions that are to go as gone, and count them."""
    unmarked = and_(_expired(sessions), IS_KEPT)
    first = database_of(connection).first_rows(sessions, unmarked, sessions.c.deleted_at, batch_size)
    marked = update(sessions).where(first, unmarked).values(purged_at=sessions.c.deleted_at)
    rows = connection.execute(marked.returning(sessions.c.session_id), {"limit": limit}).scalars().all()
    # Somebody may have held one while its row was waited for: now that all are locked, that shows.
    held = update(sessions).where(sessions.c.session_id.in_(rows), ~holds.is_free(sessions.c.session_id))
    connection.execute(held.values(purged_at=None))
    for chunk in chunked(rows):
        for table in (messages, summaries):  # what was superseded there goes as well
            superseded = (table.c.session_id.in_(chunk), table.c.deleted_at == SUPERSEDED)
            connection.execute(update(table).where(*superseded).values(deleted_at=limit))
    return len(rows)


def _remove(
    connection: Connection, stamp: Stamp, table: Table, since: datetime, limit: datetime, batch_size: int
) -> tuple[int, datetime]:
    """Remove the rows that were deleted first from *since* on, and return how many and until when.

    From there on, as the index of Postgres goes on holding what earlier batches removed, until a vacuum.
    """
    condition = _batch(connection.dialect.name, table, batch_size)
    bounds = {"since": since, "limit": limit}
    if table is messages:
        removed, until = index_of(connection).remove(connection, condition, bounds)
        return removed, until or since
    gone = connection.execute(delete(table).where(condition).returning(table.c.session_id, table.c.deleted_at), bounds)
    rows = gone.all()
    if table is sessions:
        states.remove(connection, [row.session_id for row in rows])
    return len(rows), max((row.deleted_at for row in rows), default=since)


@cache
def _batch(dialect: str, table: Table, size: int) -> ColumnElement[bool]:
    """Match the rows of *table* that a batch of this *size* removes: the first ones to be deleted from `since` on."""
    removable = and_(_removable(table), table.c.deleted_at >= bindparam("since", type_=UtcDateTime))
    # Twice, as a row that was restored meanwhile is no longer to go; the second time in a form that uses no index, or
    # Postgres might read all that is expired to join it with the batch.
    first = database_named(dialect).first_rows(table, removable, table.c.deleted_at, size)
    return and_(first, func.coalesce(removable, false()))


def _expired(table: Table) -> ColumnElement[bool]:
    """Match the rows that were deleted up to the moment `limit`, but for those of sessions that are held."""
    deleted = and_(table.c.deleted_at.is_not(None), table.c.deleted_at <= bindparam("limit", type_=UtcDateTime))
    return and_(deleted, holds.is_free(table.c.session_id))


def _removable(table: Table) -> ColumnElement[bool]:
    if table is not sessions:
        return _expired(table)
    return and_(_expired(table), ~exists().where(messages.c.session_id == sessions.c.session_id))


def _forget_removed(connection: Connection, stamp: Stamp) -> bool:
    return index_of(connection).forget_removed(connection)


def _release_space(connection: Connection, stamp: Stamp) -> bool:
    return database_of(connection).release_space(connection)


def _forget_words(connection: Connection, stamp: Stamp, words: Sequence[str]) -> None:
    database_of(connection).forget_words(connection, words)


def _forget_deleted(connection: Connection, stamp: Stamp) -> Sequence[str]:
    return database_of(connection).forget_deleted(connection)
