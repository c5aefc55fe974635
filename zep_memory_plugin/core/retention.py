"""Retention: what expires by rules, and is purged after a time of grace."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from ..errors import InvalidInput
from ..models import RetentionProgress, RetentionReport, RetentionRule
from ..units import Flow
from . import checks, expiry, leases, purge
from .leases import Lease

SESSIONS_OF_BATCH = 100
"""Sessions that one transaction soft-deletes."""

ROWS_OF_BATCH = 1_000
"""Rows that one transaction removes."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What expires and what is purged, checked; ages are as of when it begins."""

    rules: list[RetentionRule]
    grace: timedelta
    dry_run: bool


def request(rules: Iterable[RetentionRule], grace: timedelta, dry_run: bool) -> Retention:
    """Check what is to expire by which rules, and after what time of grace it goes."""
    if isinstance(rules, str | bytes) or not isinstance(rules, Iterable):
        raise InvalidInput("rules", f"is of type {type(rules).__name__}, not an iterable of RetentionRule")
    checks.age("grace", grace, datetime.now(UTC))
    checked = [checks.model("rules", rule, RetentionRule) for rule in rules]
    for rule in checked:
        _expiry(rule)
    return Retention(checked, grace, dry_run)


def retain(wanted: Retention, lease: Lease | None = None) -> Flow[RetentionReport]:
    """Soft-delete what each rule lets expire, then purge what was deleted before the time of grace.

    With a *lease*, that is kept with each batch, so that no other machine begins meanwhile.
    """
    expired: list[int] = []
    for rule in wanted.rules:
        expired.append((yield from expiry.expire(_expiry(rule), wanted.dry_run, lease)))
    purged = yield from purge.purge(purge.request(wanted.grace, ROWS_OF_BATCH, wanted.dry_run, None, lease))
    return RetentionReport(expired=expired, purged=purged, dry_run=wanted.dry_run)


def turn(interval: timedelta, wanted: Retention, progress: RetentionProgress | None) -> Callable[[], Flow[timedelta]]:
    """Return what does it each time, unless another machine has done so within the *interval*, by the same rules.

    It tells after what time to do it again.
    """
    checks.told("progress", progress)
    lease = Lease(f"retention {_digest(wanted)}", leases.check_interval(interval))
    return lambda: leases.in_turn(lease, lambda: retain(wanted, lease), progress)


def _digest(wanted: Retention) -> str:
    """Return what tells these rules from others, whatever they hold, in few characters."""
    rules = [rule.model_dump_json() for rule in wanted.rules]
    return sha256(repr((rules, wanted.grace, wanted.dry_run)).encode()).hexdigest()[:16]


def _expiry(rule: RetentionRule) -> expiry.Expiry:
    return expiry.request(rule.older_than, rule.since, rule.user_id, rule.metadata, SESSIONS_OF_BATCH)
