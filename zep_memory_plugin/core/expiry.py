"""Expiry: soft-deleting sessions that are old, or in which nothing was said for long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, select

from .. import units
from ..databases import database_of
from ..moments import hour_of
from ..tables import sessions
from ..types import JsonScalar
from ..units import Flow, Stamp
from . import checks, holds, leases, purge
from . import sessions as session_rows
from .leases import Lease

_IS_LIVE = sessions.c.deleted_at.is_(None)


@dataclass(frozen=True, slots=True)
class Expiry:
    """Which sessions expire, checked."""

    limit: datetime
    """The moment up to which they were active, or added."""

    by_activity: bool
    user_id: str | None
    metadata: dict[str, JsonScalar] | None
    batch_size: int


def request(older_than: timedelta, since: object, user_id: object, metadata: object, batch_size: int) -> Expiry:
    """Check which sessions are to expire."""
    age = purge.request(older_than, batch_size, False, None)
    by_activity = checks.session_order(since, "since") == "active"
    owner, entries = checks.optional_user_id(user_id), checks.metadata_filter(metadata)
    return Expiry(age.limit, by_activity, owner, entries, batch_size)


def expire(wanted: Expiry, dry_run: bool, lease: Lease | None = None) -> Flow[int]:
    """Soft-delete what is wanted in batches, each a transaction of its own, and count the sessions.

    With a *lease*, that is kept with each batch, so that no other machine begins meanwhile.
    """
    if dry_run:
        counted: int = yield units.read(_count, wanted)
        return counted
    expired, since = 0, hour_of(checks.EARLIEST)
    while (batch := (yield units.write(_expire, wanted, since))) is not None:
        deleted, since = batch
        expired += deleted
        if lease is not None:
            yield units.write(leases.keep, lease)
    return expired


def _count(connection: Connection, wanted: Expiry, state: ColumnElement[bool] = _IS_LIVE) -> int:
    query = select(func.count()).select_from(sessions).where(_is_wanted(connection, wanted, state))
    return int(connection.execute(query).scalar_one())


def _expire(connection: Connection, stamp: Stamp, wanted: Expiry, since: int) -> tuple[int, int] | None:
    """Soft-delete the first sessions of the hour *since* and later ones; return how many, and where to go on.

    From there on, as those that are gone, or do not match, would else be gone past once more with every batch.
    """
    if stamp.attempt > 1 and (before := _count(connection, wanted, sessions.c.deleted_at == stamp.now)):
        return before, since  # by an attempt whose answer was lost
    is_wanted = _is_wanted(connection, wanted)
    first = select(sessions.c.session_id, sessions.c.active_hour).where(is_wanted, sessions.c.active_hour >= since)
    found = connection.execute(first.order_by(sessions.c.active_hour).limit(wanted.batch_size)).all()
    if not found:
        return None
    ids = [row.session_id for row in found]
    still = select(sessions.c.session_id).where(sessions.c.session_id.in_(ids), is_wanted)
    locked = connection.execute(still.order_by(sessions.c.session_id).with_for_update()).scalars().all()
    # Somebody may have held one while its row was waited for: now that all are locked, that shows.
    free = select(sessions.c.session_id).where(sessions.c.session_id.in_(locked), holds.is_free(sessions.c.session_id))
    expired = connection.execute(free).scalars().all()
    if expired:
        session_rows.soft_delete(connection, stamp, expired)
    return len(expired), found[-1].active_hour


def _is_wanted(connection: Connection, wanted: Expiry, state: ColumnElement[bool] = _IS_LIVE) -> ColumnElement[bool]:
    """Match what is to expire, or with another *state* what has."""
    conditions = [state, holds.is_free(sessions.c.session_id)]
    if wanted.by_activity:
        conditions += [sessions.c.active_hour <= hour_of(wanted.limit), sessions.c.last_active_at <= wanted.limit]
    else:
        conditions.append(sessions.c.created_at <= wanted.limit)
    if wanted.user_id is not None:
        conditions.append(sessions.c.user_id == wanted.user_id)
    if wanted.metadata:
        contains = database_of(connection).metadata_contains
        conditions.append(contains(connection, sessions.c.metadata, wanted.metadata))
    return and_(*conditions)
