"""The units of work that are under way in one process, and those who wait for them to end."""

import threading
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from ..errors import DatabaseUnavailable

ANYWHERE = object()
"""Where a unit is that nobody's waiting holds up: in a thread of ours."""


class Underway:
    """Knows each unit from before its first attempt until after its last, and lets none begin at the wrong moment.

    A unit is noted first and asks then whether it may begin; who wants quiet forbids it first and looks then who is
    noted. So neither needs a lock, and one of the two always sees the other.
    """

    def __init__(self) -> None:
        self._units: dict[object, object] = {}
        self._refusal: str | None = None
        self._halt: Future[None] | None = None
        self._waiting: list[_Wait] = []

    @property
    def refusal(self) -> str | None:
        """Why nothing may begin any more, or None as long as it may."""
        return self._refusal

    def enter(self, unit: object, where: object) -> "Future[None] | None":
        """Note a unit that is about to begin *where*: in a thread, on an event loop, or anywhere.

        Return None, or else what it has to wait for before it enters again.

        Raises:
            DatabaseUnavailable: nothing may begin any more.
        """
        self._units[unit] = where
        refusal, halt = self._refusal, self._halt
        if refusal is None and halt is None:
            return None
        self.leave(unit)
        if refusal is not None:
            raise DatabaseUnavailable(refusal)
        return halt

    def leave(self, unit: object) -> None:
        """Take in that a unit has ended, one way or another."""
        self._units.pop(unit, None)
        if self._waiting:
            self._tell()

    def refuse(self, reason: str) -> None:
        """Let nothing begin any more."""
        self._refusal = reason

    def halt(self) -> None:
        """Let what is to begin wait, until `go_on`."""
        self._halt = self._halt or Future()

    def go_on(self) -> None:
        """Let what waits begin."""
        halt, self._halt = self._halt, None
        if halt is not None:
            halt.set_result(None)

    def end_of_all_but(self, stuck: Collection[object]) -> "Future[None]":
        """Return what is done once no unit is under way elsewhere than where things are *stuck* meanwhile."""
        wait = _Wait(stuck)
        self._waiting.append(wait)
        self._tell()
        return wait.done

    def on(self, where: object) -> list[object]:
        """Return the units that are under way *where* this is."""
        return [unit for unit, at in list(self._units.items()) if at is where]

    def __bool__(self) -> bool:
        return bool(self._units)

    def _tell(self) -> None:
        for wait in list(self._waiting):
            if not any(where not in wait.stuck for where in list(self._units.values())):
                wait.end(self._waiting)


class _Wait:
    """Someone who waits for units to end."""

    def __init__(self, stuck: Collection[object]) -> None:
        self.stuck = stuck
        self.done: Future[None] = Future()
        self._ending = threading.Lock()

    def end(self, waiting: "list[_Wait]") -> None:
        """Tell that they have ended, once."""
        if self._ending.acquire(blocking=False):
            waiting.remove(self)
            self.done.set_result(None)


def within(seconds: float, done: "Future[None]") -> bool:
    """Wait for *done*, but no longer than so many *seconds*, and tell whether it is."""
    try:
        done.result(max(0.0, seconds))
    except FutureTimeout:
        return False
    return True
