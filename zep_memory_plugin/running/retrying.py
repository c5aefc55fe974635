"""When a unit of work is sent again, and what its caller gets when it is not."""

import random
import time
import traceback
from typing import NamedTuple

from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..databases import Database
from ..databases.protocol import Failure
from ..errors import DatabaseUnavailable
from ..units import Unit

POOL_IN_USE = "every connection of the pool is in use"

ATTEMPTS = 5
"""Attempts at a unit of work, unless it waits for a server that is away for a while."""

DEADLINE = 15.0
"""Seconds after which a unit of work is not tried again."""

LONGEST_PAUSE = 1.0
"""Longest pause between two attempts, in seconds; the first is at most 10 ms."""


class Outcome(NamedTuple):
    """What came of an attempt that failed."""

    failure: Failure
    pause: float | None
    """Seconds until the unit is sent again, or None when it is not."""


def outcome_of(
    error: Exception, unit: Unit, database: Database, started: float, *, known: bool, patience: float = DEADLINE
) -> Outcome:
    """Return what comes of an *error* of the driver, or of SQLAlchemy or Python on the way to it.

    *started* is when the first attempt began, by the monotonic clock. After so many seconds of *patience* none is made
    any more, and so long is a server waited for that is *known* to have been there: it may fail over, or start anew.
    The failure is raised where *error* is not being handled any more: its words, and those of its causes, may hold some
    of the conversation.
    """
    failure = Failure(DatabaseUnavailable(POOL_IN_USE)) if isinstance(error, PoolTimeout) else database.failure(error)
    failure.error.add_note(_origin(error))
    again = failure.retryable or (failure.unprepared and not failure.replaced and unit.stamp.attempt == 1)
    if failure.garbled and not unit.stamp.tolerant:
        unit.stamp.tolerant = again = True
    pause = random.uniform(0, min(LONGEST_PAUSE, 0.01 * 4 ** min(unit.stamp.attempt - 1, ATTEMPTS)))  # noqa: S311
    in_vain = unit.stamp.attempt >= ATTEMPTS and not (known and failure.away)
    if not again or in_vain or time.monotonic() + pause - started > patience:
        return Outcome(failure, None)
    unit.stamp.attempt += 1
    return Outcome(failure, pause)


def interrupt_behind(error: BaseException, handled: BaseException | None) -> BaseException | None:
    """Return the interrupt that *error* hides, as SQLAlchemy's checks do when one comes amid what they check.

    *handled* is what was being handled before, and is no news.
    """
    behind = error.__context__
    while behind is not None and behind is not handled and isinstance(behind, Exception):
        behind = behind.__context__
    return None if behind is handled else behind


def _origin(error: Exception) -> str:
    """Say of what kind *error* is and where it came from, without its words."""
    kind = type(getattr(error, "orig", None) or error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{kind.__module__}.{kind.__qualname__} at {last.filename}:{last.lineno}, in {last.name}"
