"""One manager serves threads, event loops, forked processes and cancelled callers, one after another and at once."""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support import at_once
from zep_memory_plugin import DatabaseUnavailable, Message, Session, SessionManager

DRIVERS = ["sqlite", "sqlite+aiosqlite", "postgresql+psycopg", "postgresql+asyncpg"]
SESSION = "session"
BATCH = 3


def url_of(driver: str, request: pytest.FixtureRequest) -> str:
    fixture = "sqlite_url" if driver.startswith("sqlite") else "shared_postgres_url"
    _, _, path = str(request.getfixturevalue(fixture)).partition(":")
    return f"{driver}:{path}"


@pytest.fixture(params=DRIVERS)
def durable_url(request: pytest.FixtureRequest) -> str:
    """A database that other processes can reach, through each driver."""
    return url_of(request.param, request)


@pytest.fixture(params=["memory", *DRIVERS])
def url(request: pytest.FixtureRequest) -> str:
    """A database in memory, and one through each driver."""
    return "sqlite://" if request.param == "memory" else url_of(request.param, request)


def batch(name: str) -> list[Message]:
    """Return messages that belong together."""
    return [Message(role="user", content=f"{name} {part}") for part in range(BATCH)]


def stored_batches(manager: SessionManager) -> Counter[str]:
    """Return how often each batch is stored, having checked that each is whole, in one piece and in order."""
    messages = manager.list_messages(SESSION)
    names: Counter[str] = Counter()
    for start in range(0, len(messages), BATCH):
        name, _, _ = messages[start].content.rpartition(" ")
        assert [message.content for message in messages[start : start + BATCH]] == [m.content for m in batch(name)]
        names[name] += 1
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    return names


def once_each(names: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


async def append_all(manager: SessionManager, names: list[str]) -> None:
    """Append a batch for each of *names*, all at once."""
    await asyncio.gather(*(manager.aadd_memory(SESSION, batch(name)) for name in names))


def run_loop(manager: SessionManager, names: list[str]) -> None:
    asyncio.run(append_all(manager, names))


def named(who: str, count: int = 10) -> list[str]:
    return [f"{who}-{number}" for number in range(count)]


def test_event_loops_follow_one_another(url: str) -> None:
    with SessionManager(url) as manager:
        for name in ("first", "second", "third"):
            run_loop(manager, named(name))

        assert stored_batches(manager) == once_each(named("first") + named("second") + named("third"))


def test_event_loops_run_at_once(url: str) -> None:
    who = [f"thread-{number}" for number in range(4)]
    with SessionManager(url) as manager:
        with at_once.threads(run_loop, [(manager, named(name)) for name in who]) as calls:
            at_once.results(calls)

        assert stored_batches(manager) == once_each([name for one in who for name in named(one)])


def test_blocking_calls_work_inside_a_running_loop(url: str) -> None:
    """As in a notebook; what one kind of call stores, the other sees at once."""

    async def main(manager: SessionManager) -> None:
        for number in range(5):
            await manager.aadd_memory(SESSION, batch(f"awaited-{number}"))
            manager.add_memory(SESSION, batch(f"blocking-{number}"))
            assert await manager.alist_messages(SESSION) == manager.list_messages(SESSION)

    with SessionManager(url) as manager:
        asyncio.run(main(manager))

        assert stored_batches(manager) == once_each(named("awaited", 5) + named("blocking", 5))


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+psycopg_async", "postgresql+asyncpg"])
def test_a_blocking_call_does_not_wait_for_its_own_loop(driver: str, request: pytest.FixtureRequest) -> None:
    """The loop cannot end its write, which locks the session, before the call that blocks it returns."""

    async def main(engine: AsyncEngine) -> None:
        def write_before_the_commit(*call: Any) -> None:
            if call[2] == "COMMIT" and not refused:
                with pytest.raises(DatabaseUnavailable, match="this event loop") as caught:
                    manager.update_session(session)
                refused.append(caught.value)

        async with SessionManager(engine) as manager:
            await manager.aadd_memory(SESSION, batch("first"))
            manager.update_session(session)
            event.listen(engine.sync_engine, "before_cursor_execute", write_before_the_commit)
            await manager.aupdate_session(session)
            assert len(refused) == 1
            assert manager.update_session(session).session_id == SESSION
        await engine.dispose()

    session = Session(session_id=SESSION, metadata={"a": 1})
    refused: list[BaseException] = []
    asyncio.run(main(create_async_engine(url_of(driver, request))))


def test_threads_and_loops_share_a_manager(url: str) -> None:
    def blocking(manager: SessionManager, names: list[str]) -> None:
        for name in names:
            manager.add_memory(SESSION, batch(name))

    def work(manager: SessionManager, who: str) -> None:
        (blocking if who.startswith("blocking") else run_loop)(manager, named(who))

    who = ["blocking-1", "awaited-1", "blocking-2", "awaited-2"]
    with SessionManager(url) as manager:
        with at_once.threads(work, [(manager, name) for name in who]) as calls:
            at_once.results(calls)

        assert stored_batches(manager) == once_each([name for one in who for name in named(one)])


def use_in_child(manager: SessionManager) -> int:
    """Fork, append in the child as a blocking and as an async caller, and return the child's process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        for name in named("blocking child", 5):
            manager.add_memory(SESSION, batch(name))
        run_loop(manager, named("awaiting child", 5))
        status = 0
    finally:
        os._exit(status)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_manager_works_on_both_sides_of_a_fork(durable_url: str) -> None:
    """Though its connections were open, and its threads running, when the process forked."""
    with SessionManager(durable_url) as manager:
        run_loop(manager, named("before"))
        manager.add_memory(SESSION, batch("before"))

        child = use_in_child(manager)
        for name in named("blocking parent", 5):
            manager.add_memory(SESSION, batch(name))
        run_loop(manager, named("awaiting parent", 5))

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        appended = ["blocking child", "awaiting child", "blocking parent", "awaiting parent"]
        assert stored_batches(manager) == once_each(
            ["before", *named("before"), *(name for who in appended for name in named(who, 5))]
        )


async def append_with_short_patience(manager: SessionManager, chance: random.Random) -> tuple[list[str], list[str]]:
    """Append 200 batches, ten at a time, each given up after at most 30 ms; return the names of both outcomes."""
    acknowledged: list[str] = []
    cancelled: list[str] = []

    async def append(who: str) -> None:
        for name in named(who, 20):
            try:
                async with asyncio.timeout(chance.uniform(0, 0.03)):
                    await manager.aadd_memory(SESSION, batch(name))
            except TimeoutError:
                cancelled.append(name)
            else:
                acknowledged.append(name)

    await asyncio.gather(*(append(who) for who in named("writer")))
    return acknowledged, cancelled


def assert_settled(manager: SessionManager, acknowledged: list[str], cancelled: list[str]) -> None:
    """Check that what was acknowledged is there, what was cancelled is there whole or not at all, and nothing else."""
    stored = stored_batches(manager)
    assert acknowledged
    assert cancelled
    assert set(acknowledged) <= set(stored) <= {*acknowledged, *cancelled}
    assert set(stored.values()) == {1}


def test_cancelled_appends_are_whole_or_absent(url: str) -> None:
    """And the manager goes on working, in the same loop and in another."""

    async def main(manager: SessionManager) -> tuple[list[str], list[str]]:
        outcome = await append_with_short_patience(manager, random.Random(11))
        await append_all(manager, after)
        return outcome

    after = named("after", 20)
    with SessionManager(url) as manager:
        acknowledged, cancelled = asyncio.run(main(manager))
        run_loop(manager, named("another loop", 20))

        assert_settled(manager, acknowledged + after + named("another loop", 20), cancelled)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_cancelled_calls_leave_no_transaction_open(shared_postgres_url: str, driver: str) -> None:
    """Not of writes that take several statements either."""

    async def main(url: str) -> list[BaseException | None]:
        async with SessionManager(url) as manager:
            await manager.aadd_memory(SESSION, batch("first"))
            chance = random.Random(5)
            limits = [chance.uniform(0, 0.03) if number % 2 else None for number in range(100)]
            calls = (asyncio.wait_for(manager.aclear_memory(SESSION), limit) for limit in limits)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert open_transactions(shared_postgres_url) == []
            return outcomes

    outcomes = asyncio.run(main(shared_postgres_url.replace("postgresql:", f"postgresql+{driver}:")))

    assert {type(outcome) for outcome in outcomes} == {type(None), TimeoutError}


def open_transactions(url: str) -> list[tuple[str, ...]]:
    """Return the last statements of connections that have left a transaction open."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
        ).fetchall()


def test_closing_twice_is_no_error(url: str) -> None:
    async def aclose_twice(manager: SessionManager) -> None:
        await manager.aadd_memory(SESSION, batch("only"))
        await manager.aclose()
        await manager.aclose()

    manager = SessionManager(url)
    manager.close()
    manager.close()

    asyncio.run(aclose_twice(SessionManager(url)))


def test_a_closed_manager_says_so(url: str) -> None:
    manager = SessionManager(url)
    manager.add_memory(SESSION, batch("only"))
    manager.close()

    for call in (manager.list_sessions, lambda: run_loop(manager, ["late"]), manager.purge):
        with pytest.raises(DatabaseUnavailable, match="the manager is closed"):
            call()


EXIT = """
import asyncio
from zep_memory_plugin import Message, SessionManager

manager = SessionManager({url!r})
manager.add_memory("session", [Message(role="user", content="blocking")])
asyncio.run(manager.aadd_memory("session", [Message(role="user", content="awaited")]))
print([message.content for message in manager.list_messages("session")])
"""


def test_a_process_ends_without_closing_its_manager(durable_url: str) -> None:
    """At once and without a word."""
    ended = subprocess.run(
        [sys.executable, "-c", EXIT.format(url=durable_url)], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.stdout, ended.stderr, ended.returncode) == ("['blocking', 'awaited']\n", "", 0)
