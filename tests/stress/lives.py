"""A process whose threads or tasks append, and which forks, is interrupted, cancels and closes at random moments.

Every batch that is acknowledged is told to the parent, in one write, which neither a thread nor a fork can cut.
"""

import asyncio
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from tests.support.batches import batch, violations
from zep_memory_plugin import DatabaseUnavailable, SessionManager

IN_MEMORY = "sqlite://"
SESSIONS = 4
SIZES = (1, 2, 3, 3, 40)
"""How many messages a batch has, at random."""

WORKERS = 3
"""Threads or tasks that append beside the one that disturbs."""

LONGEST_FORK = 20
"""Seconds that a forked copy has for a few batches; one that needs more hangs."""

LONGEST_LOOP = 0.6
"""Seconds that an event loop lives at most."""

REFUSED = 3
"""The exit code of a copy that is told that it cannot use the database."""


def tell(word: Any) -> None:
    """Tell the parent *word*, a line of JSON."""
    os.write(1, f"{json.dumps(word)}\n".encode())


def interrupt(number: int, frame: object) -> None:
    """Handle a signal as Ctrl-C."""
    raise KeyboardInterrupt


class Life:
    """What one process does to a database."""

    def __init__(self, url: str, seed: int, seconds: float) -> None:
        self.url = url
        self.current: tuple[SessionManager, list[str]] = SessionManager(url), []
        """A manager, and the batches that it has acknowledged, as it has a database in memory of its own."""
        self.chance = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._numbers = count()
        self._who = f"{os.getpid()}"
        self._copies: list[int] = []

    @property
    def manager(self) -> SessionManager:
        """The manager that calls go to now."""
        return self.current[0]

    def replace_manager(self) -> SessionManager:
        """Open another manager, and return the one before it."""
        before, self.current = self.manager, (SessionManager(self.url), [])
        self.counts["closes"] += 1
        return before

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def next_batch(self) -> tuple[str, str, list[Any]]:
        """Return the session, the name and the messages of another batch."""
        name = f"{self._who}-{next(self._numbers)}"
        return f"s{self.chance.randrange(SESSIONS)}", name, batch(name, self.chance.choice(SIZES))

    def acknowledge(self, name: str, acknowledged: list[str]) -> None:
        """Take in that a batch was stored."""
        if self.url == IN_MEMORY:
            acknowledged.append(name)
        else:
            tell(name)
        self.counts["acknowledged"] += 1

    def append(self) -> None:
        """Append a batch."""
        manager, acknowledged = self.current
        session_id, name, messages = self.next_batch()
        manager.add_memory(session_id, messages)
        self.acknowledge(name, acknowledged)

    def begin(self) -> None:
        """Do what is done once, such as imports: Python's own locks of those do not outlive an interrupt."""
        self.append()
        self.manager.search_memory("of", limit=5)
        self.manager.list_messages("s0", 50)

    def work(self) -> None:
        """Append until the time is over; a manager that is closed meanwhile is followed by another."""
        while not self.over:
            with suppress(DatabaseUnavailable):
                self.append()

    def interrupted(self, call: Callable[[], object]) -> None:
        """Press Ctrl-C in the middle of *call*."""
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, self.chance.uniform(0.0001, 0.01))
                call()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            self.counts["interrupts"] += 1

    def fork(self) -> None:
        """Fork, and append on both sides."""
        pid = os.fork()
        if pid == 0:
            self._live_as_copy()
        self._copies.append(pid)
        self.counts["forks"] += 1

    def _live_as_copy(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_FORK)
        self._who, code = f"{os.getpid()}", 1
        try:
            for _ in range(3):
                self.append()
            code = 0
        except DatabaseUnavailable as error:
            code = REFUSED if "forked" in str(error) else 1
        finally:
            os._exit(code)

    def close(self) -> None:
        """Close the manager beside what is under way, and open another."""
        self.check_memory()
        self.replace_manager().close()

    def check_memory(self) -> None:
        """See that a database in memory, which nobody else can look at, has all that was acknowledged."""
        manager, acknowledged = self.current
        before = list(acknowledged)
        if before:
            sessions = [f"s{number}" for number in range(SESSIONS)]
            stored = [m.content for session_id in sessions for m in manager.list_messages(session_id)]
            self.problems += violations(stored, before)

    def finish(self) -> None:
        """Wait for the copies, and tell what this life was like."""
        for pid in self._copies:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.counts["copies refused"] += code == REFUSED
            if code not in (0, REFUSED):
                self.problems.append(f"a forked copy ended with {code}")
        self.check_memory()
        self.manager.close()
        tell({"counts": self.counts, "problems": self.problems})


def live_blocking(url: str, seed: int, seconds: float) -> None:
    """In a child: live with threads."""
    signal.signal(signal.SIGALRM, interrupt)
    life = Life(url, seed, seconds)
    life.begin()
    threads = [threading.Thread(target=life.work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    acts: list[Callable[[], object]] = [
        life.append,
        lambda: life.interrupted(life.append),
        lambda: life.interrupted(lambda: life.manager.search_memory("of", limit=5)),
        lambda: life.interrupted(lambda: life.manager.list_messages("s0", 50)),
        life.close,
    ]
    while not life.over:
        life.chance.choice(acts)()
        if url != IN_MEMORY and life.chance.random() < 0.05:
            life.fork()
    for thread in threads:
        thread.join()
    life.finish()


class AwaitingLife(Life):
    """The same on event loops, one after the other."""

    def begin(self) -> None:
        """Do what is done once, in this colour, too: its driver is another one."""
        super().begin()
        asyncio.run(self.aappend())

    async def aappend(self) -> None:
        """Append a batch."""
        manager, acknowledged = self.current
        session_id, name, messages = self.next_batch()
        await manager.aadd_memory(session_id, messages)
        self.acknowledge(name, acknowledged)

    async def awork(self) -> None:
        """Append until it is cancelled."""
        while not self.over:
            with suppress(DatabaseUnavailable):
                await self.aappend()

    async def disturb(self) -> None:
        """Run tasks for a while, cancel some, close the manager, fork; leave some to whoever ends the loop."""
        tasks = [asyncio.create_task(self.awork()) for _ in range(WORKERS)]
        end = time.monotonic() + self.chance.uniform(0.05, LONGEST_LOOP)
        while time.monotonic() < end and not self.over:
            await asyncio.sleep(self.chance.uniform(0, 0.02))
            await self.chance.choice([self._cancel_one, self._read, self._replace_manager, self._fork])(tasks)
        if self.chance.random() < 0.5:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cancel_one(self, tasks: list[asyncio.Task[None]]) -> None:
        number = self.chance.randrange(len(tasks))
        tasks[number].cancel()
        tasks[number] = asyncio.create_task(self.awork())
        self.counts["cancellations"] += 1

    async def _read(self, tasks: list[asyncio.Task[None]]) -> None:
        await self.manager.alist_messages("s0", 50)

    async def _replace_manager(self, tasks: list[asyncio.Task[None]]) -> None:
        await self.replace_manager().aclose()

    async def _fork(self, tasks: list[asyncio.Task[None]]) -> None:
        if self.chance.random() < 0.3:
            self.fork()

    def close_loop_hard(self) -> None:
        """Stop a loop in the middle of its tasks, and just close it."""
        loop = asyncio.new_event_loop()
        loop.call_later(self.chance.uniform(0.01, 0.1), loop.stop)
        tasks = [loop.create_task(self.awork()) for _ in range(WORKERS)]
        loop.run_forever()
        del tasks
        loop.close()
        self.counts["loops closed amid work"] += 1


def live_awaiting(url: str, seed: int, seconds: float) -> None:
    """In a child: live with tasks."""
    signal.signal(signal.SIGALRM, interrupt)
    life = AwaitingLife(url, seed, seconds)
    life.begin()
    while not life.over:
        act = life.chance.random()
        if act < 0.6:
            asyncio.run(life.disturb())
        elif act < 0.8:
            life.close_loop_hard()
        else:
            life.interrupted(lambda: asyncio.run(life.disturb()))
    life.finish()
