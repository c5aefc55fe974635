"""How many connections the event loops of one process have open together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from .living import Living

PATIENCE = 1.0
"""Seconds after which room is made for another connection: a loop that stands still gives none up."""


class Owner(Protocol):
    """An event loop that has connections."""

    def connections(self) -> int:
        """Return how many connections are open, or just being opened."""
        ...

    def give_up_idle(self) -> None:
        """Close connections that no unit has, soon, for another loop that wants one."""
        ...


class Slots:
    """Keeps loops that are at work at once, each with connections of its own, from using up the server's."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._owners: Living[Owner] = Living()
        self._waiting: deque[Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether someone waits, so that a connection had better be closed than kept."""
        return bool(self._waiting)

    def join(self, owner: Owner) -> None:
        """Take in an event loop that will open connections."""
        self._owners.add(owner)

    async def room(self, owner: Owner) -> None:
        """Wait until another connection may be opened."""
        end = time.monotonic() + PATIENCE
        while self._open() >= self._limit() and (left := end - time.monotonic()) > 0:
            await self._freed_within(left, owner)

    def freed(self) -> None:
        """Take in that a connection was closed."""
        while self._waiting:
            first = self._waiting.popleft()
            if first.set_running_or_notify_cancel():
                first.set_result(None)
                return

    def _open(self) -> int:
        return sum(owner.connections() for owner in self._owners)

    async def _freed_within(self, seconds: float, owner: Owner) -> None:
        freed: Future[None] = Future()
        self._waiting.append(freed)
        for other in self._owners:
            if other is not owner:
                other.give_up_idle()
        await asyncio.wait([asyncio.wrap_future(freed)], timeout=seconds)
        freed.cancel()
