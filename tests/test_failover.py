"""A standby takes over from its primary, and no call of a manager whose URL names both fails."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.cluster import Cluster
from tests.support.standby import Standby, either
from zep_memory_plugin import Message, SessionManager

AWAY = 3.0
"""Seconds between the end of the primary and the promotion of its standby."""

LONGEST = 20.0
"""Seconds that a writer may take to go on."""

SESSIONS = ["blocking", "awaiting"]

Writer = Callable[[SessionManager, threading.Event], int]


@pytest.fixture
def primary() -> Iterator[Cluster]:
    """A server that only this test has."""
    cluster = Cluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Standby]:
    """What follows the primary."""
    follower = Standby(primary)
    follower.start()
    yield follower
    follower.stop()


def turn(number: int) -> list[Message]:
    return [Message(role="user", content=str(number))]


def write(manager: SessionManager, over: threading.Event) -> int:
    """Append and read until it is over, and return how many messages were acknowledged."""
    count = 0
    while not over.is_set():
        count += 1
        manager.add_memory("blocking", turn(count))
        assert manager.last_messages("blocking", 1)[0].content == str(count)
    return count


async def _awrite(manager: SessionManager, over: threading.Event) -> int:
    count = 0
    while not over.is_set():
        count += 1
        await manager.aadd_memory("awaiting", turn(count))
        assert (await manager.alast_messages("awaiting", 1))[0].content == str(count)
    return count


def awrite(manager: SessionManager, over: threading.Event) -> int:
    """Do as `write` does, awaiting each call."""
    return asyncio.run(_awrite(manager, over))


def both_go_on(manager: SessionManager, before: dict[str, int]) -> None:
    """Wait until both writers have appended once more, which may have to wait for their next attempt."""
    deadline = time.monotonic() + LONGEST
    while any(count <= before[session] for session, count in manager.count_messages(SESSIONS).items()):
        assert time.monotonic() < deadline, "a writer does not go on"
        time.sleep(0.05)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_no_call_fails_while_a_standby_takes_over(primary: Cluster, standby: Standby, driver: str) -> None:
    """Three seconds after its primary has ended: what was acknowledged is there, once."""
    over = threading.Event()
    with SessionManager(either(primary, standby, driver)) as manager, ThreadPoolExecutor(2) as threads:
        manager.list_sessions()
        writers = [threads.submit(each, manager, over) for each in (write, awrite)]
        standby.catch_up()
        try:
            primary.stop_in_order()
            time.sleep(AWAY)
            standby.promote()
            before = manager.count_messages(SESSIONS)
            both_go_on(manager, before)
        finally:
            over.set()
        counts = [writer.result() for writer in writers]

        for session, count in zip(SESSIONS, counts, strict=True):
            assert count > before[session]
            shown = manager.list_messages(session)
            assert [message.content for message in shown] == [str(number) for number in range(1, count + 1)]
