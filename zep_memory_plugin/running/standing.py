"""What is known of a replica: which moments it shows, what it has to show, and whether it is asked at all.

**You read your own writes**, and nothing older than `LATEST`, whether a replica answers or the primary. In steps:

1. A *mark* is where the primary's log ended at a moment; all that was committed before stands before it. It is asked
   for when a read needs a newer one, so that a write costs nothing more.
2. A connection to a replica shows a moment when it has replayed the mark of that. It is noted with the connection, as
   several replicas may be behind one URL.
3. A read goes to a replica that shows a moment after the last write that concerns it: of this manager, to its session
   where it is of one, else to anything. Where that was just now, the replica is given a little time.
4. A read of a session that this manager has just written to goes to the primary without more ado.
5. Where the replica cannot answer, or not yet, the primary does, and the replica is left alone for a while.
"""

import inspect
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ..databases import database_of
from ..errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound, ZepMemoryError
from ..units import NEVER, Unit
from .background import Transaction

LATEST = 10.0
"""Seconds that what a replica shows may be old."""

JUST_WRITTEN = 1.0
"""Seconds after a write to a session in which it is not tried whether a replica has it."""

WAIT = 0.2
"""Seconds that a replica is given to replay what a read has to show."""

PAUSE = 0.002
"""Seconds between two looks at how far it is."""

REST = 5.0
"""Seconds for which a replica that has failed is not asked."""

SHORT_REST = 1.0
"""Seconds for which one that is not far enough is not asked."""

MOST_SESSIONS = 10_000
"""Sessions of which it is known when they were written to; of more, all count as written to just now."""

_MARKS, _APART = 30, 0.5
"""Marks that are kept, and how many seconds they are apart: more than `LATEST` together."""

_SHOWN = "zep_memory_shown"
"""The key under which a connection to a replica has the moment that it shows."""

logger = logging.getLogger(__name__)


class _Mark(NamedTuple):
    moment: float
    position: int


class _NotYet(DatabaseUnavailable):
    """The replica has not replayed what a read has to show."""


class Writes:
    """When a manager has written what."""

    def __init__(self) -> None:
        self._sessions: dict[str, float] = {}
        self._elsewhere = NEVER
        self._last = NEVER
        self._lent: list[Transaction] = []

    def add(self, unit: Unit, transaction: Transaction | None) -> None:
        """Take in that *unit* was sent, in a *transaction* of the application's where there is one."""
        self._last = time.monotonic()
        if transaction is not None:
            self._lent.append(transaction)
        elif not (unit.arguments and _is_of_one_session(unit.called)) or len(self._sessions) >= MOST_SESSIONS:
            self._elsewhere, self._sessions = self._last, {}
        else:
            self._sessions[str(unit.arguments[0])] = self._last

    def last(self, session_id: str | None) -> float:
        """Return the moment of the last write that may concern a session, or None for all of them."""
        if self._lent:  # which are committed when the application likes
            self._lent = [transaction for transaction in self._lent if transaction.is_active]
            self._elsewhere = self._last = time.monotonic()
        if session_id is None:
            return self._last
        return max(self._elsewhere, self._sessions.get(session_id, NEVER))


class Standing:
    """How a replica stands to its primary, as far as one manager knows."""

    def __init__(self) -> None:
        self.writes = Writes()
        self._marks: deque[_Mark] = deque(maxlen=_MARKS)
        self._rests_until = NEVER
        self._is_away = False

    def needed(self, unit: Unit) -> float | None:
        """Return the moment that a replica has to show to answer *unit*, or None where the primary does."""
        now = time.monotonic()
        if unit.since is None or now < self._rests_until:
            return None
        written = self.writes.last(unit.session_id)
        if unit.session_id is not None and now - written < JUST_WRITTEN:
            return None
        return max(unit.since, written, now - LATEST)

    def has_mark_after(self, moment: float) -> bool:
        """Tell whether there is a mark that is newer than a *moment*."""
        return bool(self._marks) and self._marks[-1].moment > moment

    def add_mark(self, moment: float, position: int) -> None:
        """Take in where the primary's log ended, as it was asked at a *moment*."""
        if len(self._marks) > 1 and moment - self._marks[-2].moment < _APART:
            self._marks.pop()
        self._marks.append(_Mark(moment, position))

    def prove(self, connection: Connection, since: float) -> None:
        """Make sure that a *connection* to the replica shows all *since* a moment.

        Raises:
            DatabaseUnavailable: it does not, or leads to no replica.
        """
        end = time.monotonic() + WAIT
        pause = 0.0
        while connection.info.get(_SHOWN, NEVER) <= since:
            replayed = database_of(connection).replayed(connection, pause)
            if replayed is None:
                raise DatabaseUnavailable("it is no replica, or none any more")
            connection.info[_SHOWN] = max(self._shown_at(replayed), connection.info.get(_SHOWN, NEVER))
            pause = PAUSE
            if time.monotonic() > end and connection.info[_SHOWN] <= since:
                raise self._lagging(replayed)

    def answered(self) -> None:
        """Take in that the replica has answered."""
        if self._is_away:
            self._is_away = False
            logger.info("the replica answers again")

    def failed(self, error: ZepMemoryError) -> None:
        """Take in what the replica failed at, and let it rest unless the question was to blame."""
        if isinstance(error, NotFound | Conflict) or (isinstance(error, InvalidInput) and error.field != "database"):
            return
        self._rests_until = time.monotonic() + (SHORT_REST if isinstance(error, _NotYet) else REST)
        if not self._is_away and str(error):
            self._is_away = True
            logger.warning("the primary answers for the replica until that is back: %s", error)

    def _shown_at(self, replayed: int) -> float:
        return max((mark.moment for mark in list(self._marks) if mark.position <= replayed), default=NEVER)

    def _lagging(self, replayed: int) -> DatabaseUnavailable:
        """Return what says that the replica is late, in words where that is news."""
        latest = time.monotonic() - LATEST
        is_late = any(mark.moment < latest and mark.position > replayed for mark in list(self._marks))
        return _NotYet(f"it is more than {LATEST:.0f} seconds late" if is_late else "")


@lru_cache(1_000)
def _is_of_one_session(called: Callable[..., Any] | None) -> bool:
    """Tell whether a function writes to one session, which is named in its first argument."""
    parameters = [] if called is None else list(inspect.signature(called).parameters)
    return parameters[2:3] == ["session_id"] and sum(name.endswith("session_id") for name in parameters) == 1
