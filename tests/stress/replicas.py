"""Writers that look for what they have written through a replica, which is paused, and stopped and started again.

Each has a session and a user of its own, so it knows what every answer has to be. No call may be refused: where the
replica cannot answer, the primary does.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.support.cluster import SETTINGS, Cluster
from tests.support.messages import said
from tests.support.standby import Standby
from zep_memory_plugin import SearchResult, Session, SessionManager

BLOCKING = AWAITING = 4
"""Writers of each colour."""

LONGEST_PAUSE = 1.5
"""Seconds that a writer, and who disturbs the replica, waits at most."""


@dataclass
class Seeker:
    """Who writes to one session, looks for it at once or a little later, and says what was wrong."""

    name: str
    chance: random.Random
    count: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def scope(self) -> dict[str, str]:
        """Where to look, now in the session, now over the user."""
        return {self.chance.choice(["user_id", "session_id"]): self.name}

    @property
    def pause(self) -> float:
        """Seconds to wait before looking, mostly none."""
        return self.chance.choice([0.0, 0.0, self.chance.uniform(0, LONGEST_PAUSE)])

    def check(self, found: list[SearchResult], sessions: list[Session]) -> None:
        """See that all that was written was found, and the session listed."""
        self.counts["reads"] += 2
        if len(found) != self.count or [session.session_id for session in sessions] != [self.name]:
            self.problems.append(
                f"{self.name} found {len(found)} of {self.count} messages, and {len(sessions)} sessions"
            )

    def seek(self, manager: SessionManager, over: threading.Event) -> None:
        """Write and look until it is over."""
        while not over.is_set():
            self.count += 1
            manager.add_memory(self.name, said(f"saffron {self.count}"), user_id=self.name)
            over.wait(self.pause)
            found = manager.search_memory("saffron", limit=None, **self.scope)  # type: ignore[arg-type]  # ids
            self.check(found, manager.get_user_sessions(self.name))

    async def aseek(self, manager: SessionManager, over: threading.Event) -> None:
        """Do as `seek` does, awaiting each call."""
        while not over.is_set():
            self.count += 1
            await manager.aadd_memory(self.name, said(f"saffron {self.count}"), user_id=self.name)
            await asyncio.sleep(self.pause)
            found = await manager.asearch_memory("saffron", limit=None, **self.scope)  # type: ignore[arg-type]  # ids
            self.check(found, await manager.aget_user_sessions(self.name))


def disturb(standby: Standby, chance: random.Random, over: threading.Event) -> Counter[str]:
    """Pause the *standby*, or stop and start it, until it is over."""
    counts = Counter[str]()
    while not over.wait(chance.uniform(0.2, LONGEST_PAUSE)):
        if chance.random() < 0.1:
            counts["restarts"] += 1
            standby.restart()
        else:
            counts["pauses"] += 1
            standby.pause()
            over.wait(chance.uniform(0, LONGEST_PAUSE))
            standby.resume()
    return counts


def read_replica(seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    """Let writers look for what they write for so many seconds, and return what came of it."""
    primary = Cluster({**SETTINGS, "synchronous_commit": "on"})
    primary.start()
    standby = Standby(primary)
    try:
        with SessionManager(primary.url) as manager:
            manager.list_sessions()
        standby.start()
        standby.catch_up()
        return _seek(primary, standby, seed, seconds)
    finally:
        standby.stop()
        primary.stop()


def _seek(primary: Cluster, standby: Standby, seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    over = threading.Event()
    seekers = [Seeker(f"s{number}", random.Random(seed + number)) for number in range(BLOCKING + AWAITING)]
    url, replica = (each.url.replace("postgresql:", "postgresql+asyncpg:") for each in (primary, standby))
    with SessionManager(url, replica=replica) as manager, ThreadPoolExecutor(BLOCKING + 2) as threads:
        work = [threads.submit(each.seek, manager, over) for each in seekers[:BLOCKING]]
        work.append(threads.submit(asyncio.run, _awaiting(manager, seekers[BLOCKING:], over)))
        disturbing = threads.submit(disturb, standby, random.Random(seed), over)
        time.sleep(seconds)
        over.set()
        for each in work:
            each.result()
        counts = sum((seeker.counts for seeker in seekers), disturbing.result())
    return counts, [problem for seeker in seekers for problem in seeker.problems]


async def _awaiting(manager: SessionManager, seekers: list[Seeker], over: threading.Event) -> None:
    await asyncio.gather(*(each.aseek(manager, over) for each in seekers))
