"""Writers behind a pooler, on a server that is serializable by default, fails over and has its connections killed.

Each writer has a session of its own, so it knows what every answer has to be, and all of them write to one together. A
call that is told that the database is unavailable is made again, with the same id, until it is answered.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg

from tests.support.cluster import SETTINGS, Cluster
from tests.support.pgbouncer import PgBouncer
from zep_memory_plugin import DatabaseUnavailable, Message, SessionManager

TOGETHER = "together"
BLOCKING = AWAITING = 4
"""Writers of each colour."""

PATIENCE = 90.0
"""Seconds after which a writer is not answered any more."""

PAUSE = 0.02
"""Seconds until a refused call is made again."""

READ_ONLY = 0.5
"""Seconds that the server is read-only after each failover."""


@dataclass
class Writer:
    """What one writer has stored in its session, and whether all that it was shown is that."""

    name: str
    end: float
    chance: random.Random
    said: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do: the time is over, or something is wrong."""
        return time.monotonic() > self.end or bool(self.problems)

    def next_message(self, said: list[str]) -> Message:
        """Return what is said next, under an id that it keeps."""
        return Message(role="user", content=f"{self.name}.{len(said) + 1}", uuid=uuid4())

    def check(self, shown: list[Message], expected: list[str]) -> None:
        """See that what was *shown* is what was stored."""
        self.counts["reads"] += 1
        contents = [message.content for message in shown]
        if contents != expected:
            self.problems.append(f"{self.name} was shown {contents[-4:]} for {expected[-4:]}")

    def refused(self, error: Exception, begun: float) -> None:
        """Take in that a call was refused, which it may be for a while."""
        self.counts["refused"] += 1
        if not isinstance(error, DatabaseUnavailable) or time.monotonic() - begun > PATIENCE:
            self.problems.append(f"{self.name}: {type(error).__name__}: {error} {getattr(error, '__notes__', '')}")

    def write(self, manager: SessionManager) -> None:
        """Write and read until the time is over."""
        while not self.is_over:
            for session_id, said in ((self.name, self.said), (TOGETHER, self.together)):
                message = self.next_message(said)
                self._answered(lambda: manager.add_memory(session_id, [message]))  # noqa: B023 - called at once
                said.append(message.content)
            count = self.chance.randrange(1, 9)
            shown = self._answered(lambda: manager.last_messages(self.name, count))  # noqa: B023
            self.check(shown, self.said[-count:])

    def _answered(self, call: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        while not self.problems:
            try:
                return call()
            except Exception as error:
                self.refused(error, begun)
                time.sleep(PAUSE)
        return []

    async def awrite(self, manager: SessionManager) -> None:
        """Write and read until the time is over. See `write`."""
        while not self.is_over:
            for session_id, said in ((self.name, self.said), (TOGETHER, self.together)):
                message = self.next_message(said)
                await self._aanswered(lambda: manager.aadd_memory(session_id, [message]))  # noqa: B023
                said.append(message.content)
            count = self.chance.randrange(1, 9)
            shown = await self._aanswered(lambda: manager.alast_messages(self.name, count))  # noqa: B023
            self.check(shown, self.said[-count:])

    async def _aanswered(self, call: Callable[[], Awaitable[Any]]) -> Any:
        begun = time.monotonic()
        while not self.problems:
            try:
                return await call()
            except Exception as error:
                self.refused(error, begun)
                await asyncio.sleep(PAUSE)
        return []


class Disturber:
    """Kills connections, and lets the server fail over."""

    def __init__(self, cluster: Cluster, chance: random.Random, *, every: float) -> None:
        self.counts: Counter[str] = Counter()
        self._cluster = cluster
        self._chance = chance
        self._every = every

    def disturb(self, is_enough: Callable[[], bool]) -> None:
        """Disturb until it is enough, in this thread: the server ends with the thread that has started it.

        It fails over once at least, however slow the machine is.
        """
        due = time.monotonic() + self._every / 2
        while not (is_enough() and self.counts["failovers"]):
            time.sleep(self._chance.uniform(0.05, 0.4))
            self._kill()
            if time.monotonic() > due:
                self._fail_over()
                due = time.monotonic() + self._every

    def _kill(self) -> None:
        one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        with psycopg.connect(self._cluster.url, autocommit=True) as admin:
            killed = admin.execute(one + "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1").fetchall()
        self.counts["killed"] += len(killed)

    def _fail_over(self) -> None:
        self._cluster.restart(default_transaction_read_only="on")
        time.sleep(READ_ONLY)
        self._cluster.restart(default_transaction_read_only="off")
        self.counts["failovers"] += 1


def fail_over(seed: int, seconds: float, *, every: float) -> tuple[Counter[str], list[str]]:
    """Let writers write for so many seconds, with a failover *every* few, and return what came of it."""
    cluster = Cluster({**SETTINGS, "synchronous_commit": "on", "default_transaction_isolation": "serializable"})
    cluster.start()
    try:
        with SessionManager(cluster.url) as manager:
            manager.list_sessions()
        with PgBouncer(cluster.url) as pooler:
            writers, disturber = _write(cluster, pooler.url, seed, seconds, every)
        problems = [problem for writer in writers for problem in writer.problems] or _wrong(cluster.url, writers)
        return sum((writer.counts for writer in writers), disturber.counts), problems
    finally:
        cluster.stop()


def _write(cluster: Cluster, url: str, seed: int, seconds: float, every: float) -> tuple[list[Writer], Disturber]:
    end, chance = time.monotonic() + seconds, random.Random(seed)
    writers = [Writer(f"w{n}", end, random.Random(seed + n)) for n in range(BLOCKING + AWAITING)]
    disturber = Disturber(cluster, chance, every=every)
    with SessionManager(url) as manager, ThreadPoolExecutor(BLOCKING + 1) as threads:
        work = [threads.submit(writer.write, manager) for writer in writers[:BLOCKING]]
        work.append(threads.submit(asyncio.run, _awaiting(url, writers[BLOCKING:])))
        disturber.disturb(lambda: all(each.done() for each in work))
        for each in work:
            each.result()
    for writer in writers:
        writer.counts["acknowledged"] = len(writer.said) + len(writer.together)
    return writers, disturber


async def _awaiting(url: str, writers: list[Writer]) -> None:
    async with SessionManager(url.replace("postgresql:", "postgresql+asyncpg:")) as manager:
        await asyncio.gather(*(writer.awrite(manager) for writer in writers))


def _wrong(url: str, writers: list[Writer]) -> list[str]:
    """Return what is not as it was acknowledged, once and in order."""
    with SessionManager(url) as manager:
        stored = {writer.name: manager.list_messages(writer.name) for writer in writers}
        together = [message.content for message in manager.list_messages(TOGETHER)]
    problems = [
        f"{writer.name} has {len(stored[writer.name])} messages of {len(writer.said)}"
        for writer in writers
        if [message.content for message in stored[writer.name]] != writer.said
    ]
    for writer in writers:
        own = [content for content in together if content.startswith(f"{writer.name}.")]
        if own != writer.together:
            problems.append(f"of {writer.name} there are {len(own)} messages of {len(writer.together)} together")
    return problems
