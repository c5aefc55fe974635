"""Leases: what is to be done by one of several machines, for now.

Who is ahead by its clock takes a lease too soon, which does no harm; one that would end later than anybody asks for is
of a clock that is wrong, and nobody's. So a lease that its holder never ends, as it crashed, is free after a while.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection, or_, select, update

from .. import units
from ..databases import database_of
from ..errors import InvalidInput
from ..tables import leases
from ..units import Flow, Stamp

logger = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_INTERVAL = timedelta(days=36_500)
"""The longest interval: no calendar has the end of some that are longer."""

WHILE_AT_WORK = timedelta(minutes=10)
"""How long a lease is taken for, and again with each step of the work."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one of several may do once in an *interval*."""

    name: str
    interval: timedelta
    holder: UUID = field(default_factory=uuid4)


def take(connection: Connection, stamp: Stamp, lease: Lease) -> datetime | None:
    """Take *lease* and return None, or else until when somebody else has it."""
    latest = stamp.now + max(lease.interval, WHILE_AT_WORK)
    free = or_(leases.c.until <= stamp.now, leases.c.until > latest, leases.c.holder == lease.holder)
    insert = database_of(connection).insert(leases)
    values = {"holder": lease.holder, "until": stamp.now + WHILE_AT_WORK}
    taking = insert.values(name=lease.name, **values).on_conflict_do_update(
        index_elements=[leases.c.name], set_=values, where=free
    )
    if connection.execute(taking.returning(leases.c.name)).first() is not None:
        return None
    return connection.execute(select(leases.c.until).where(leases.c.name == lease.name)).scalar()


def keep(connection: Connection, stamp: Stamp, lease: Lease, until: datetime | None = None) -> None:
    """Keep *lease* for another while, or *until* a moment, if nobody else has taken it."""
    held = (leases.c.name == lease.name, leases.c.holder == lease.holder)
    connection.execute(update(leases).where(*held).values(until=until or stamp.now + WHILE_AT_WORK))


def check_interval(interval: timedelta) -> timedelta:
    """Return *interval*, once in which work can be done, or the longest one."""
    if not isinstance(interval, timedelta) or interval <= timedelta(0):
        raise InvalidInput("interval", "is no timedelta of more than zero")
    return min(interval, LONGEST_INTERVAL)


def in_turn(lease: Lease, work: Callable[[], Flow[T]], progress: Callable[[T], None] | None) -> Flow[timedelta]:
    """Do *work*, unless another machine has done so within the interval, and return after what time to ask again.

    What was done is told to *progress*.
    """
    started_at = datetime.now(UTC)
    until: datetime | None = yield units.write(take, lease)
    if until is not None:
        pause = min(lease.interval, max(until - started_at, timedelta(0)))
        logger.info("%s: done elsewhere in this interval, next look in %s", lease.name, pause)
        return pause
    done = yield from work()
    yield units.write(keep, lease, started_at + lease.interval)
    if progress is not None:
        progress(done)
    return lease.interval
