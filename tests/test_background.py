"""What nobody waits for: summaries and embeddings that are made in the background."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.conftest import OpenMemory
from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import numbered, said, texts
from zep_memory_plugin import Message, SessionManager, Summary
from zep_memory_plugin.running.background import AT_ONCE, LONGEST_QUEUE, Chores
from zep_memory_plugin.running.runner import Runner
from zep_memory_plugin.units import Flow, Later

PATIENCE = 90.0


class Gate:
    """A summarizer that waits until it is let through, and writes down whom it was asked for."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.calls: list[list[str]] = []
        if is_open:
            self.opened.set()

    def __call__(self, previous: Summary | None, messages: list[Message]) -> str:
        self.begun.set()
        assert self.opened.wait(PATIENCE)
        self.calls.append(texts(messages))
        return f"of {len(messages)} messages"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a closed gate, which the end of the test opens, so that nothing hangs where it fails."""
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return a database of each kind, in another colour each."""
    return request.param


def letters(texts: list[str]) -> list[list[float]]:
    """Embed by which vowels there are most of."""
    return [[1.0 + text.count("a"), 1.0 + text.count("o")] for text in texts]


def summary_of(memory: Caller | SessionManager, session_id: str = "a") -> str | None:
    summary = memory.get_memory(session_id).summary
    return summary and summary.content


def test_a_write_returns_before_the_summarizer_does(open_memory: OpenMemory, gate: Gate) -> None:
    memory = open_memory(message_window=2, summarizer=gate, background=True)

    stored = memory.add_memory("a", numbered(3))

    assert memory.list_messages("a") == stored
    assert summary_of(memory) is None

    gate.opened.set()
    memory.flush()

    assert summary_of(memory) == "of 2 messages"


def test_what_was_said_is_found_by_words_at_once_and_by_meaning_after_a_flush(open_memory: OpenMemory) -> None:
    let_through = threading.Event()

    def embed(texts: list[str]) -> list[list[float]]:
        assert texts == ["oo"] or let_through.wait(PATIENCE)
        return letters(texts)

    memory = open_memory(embedder=embed, background=True)
    memory.add_memory("a", said("banana", "potato soup"))

    by_words = memory.search_memory("soup", session_id="a")
    by_meaning = memory.search_memory("oo", session_id="a", mode="semantic")
    let_through.set()
    memory.flush()

    assert (by_words[0].content, by_meaning) == ("potato soup", [])

    found = memory.search_memory("oo", session_id="a", mode="semantic")
    assert [result.content for result in found] == ["potato soup", "banana"]


def test_closing_does_what_is_left_to_do(backend: Backend, request: pytest.FixtureRequest) -> None:
    url = backend.url(request.getfixturevalue(backend.url_fixture or ""))
    memory = backend.open(url, message_window=2, summarizer=Gate(is_open=True), background=True)
    for session_id in "abc":
        memory.add_memory(session_id, numbered(3))
    memory.close()

    with SessionManager(url.replace("+asyncpg", "")) as manager:
        assert [summary_of(manager, session_id) for session_id in "abc"] == ["of 2 messages"] * 3


def test_several_sessions_are_worked_on_at_once_and_each_by_one(open_memory: OpenMemory) -> None:
    together = threading.Barrier(4)

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        together.wait(PATIENCE)
        return "short"

    memory = open_memory(message_window=2, summarizer=summarize, background=True)
    for session_id in "abcd":
        memory.add_memory(session_id, numbered(3))
    memory.flush()

    assert [summary_of(memory, session_id) for session_id in "abcd"] == ["short"] * 4


def test_what_is_written_while_a_session_is_worked_on_has_its_turn_after_that(
    open_memory: OpenMemory, gate: Gate
) -> None:
    memory = open_memory(message_window=2, summarizer=gate, background=True)
    memory.add_memory("a", numbered(3))
    memory.add_memory("a", said("4", "5", "6"))
    gate.opened.set()
    memory.flush()

    assert [number for call in gate.calls for number in call] == ["1", "2", "3", "4", "5"]
    assert texts(memory.get_memory("a").messages) == ["6"]


def test_a_failure_is_logged_and_holds_nobody_up(open_memory: OpenMemory, caplog: pytest.LogCaptureFixture) -> None:
    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        if texts(messages) == ["bad", "one"]:
            raise RuntimeError("with words of the conversation")
        return "short"

    memory = open_memory(message_window=2, summarizer=summarize, background=True)
    memory.add_memory("bad", said("bad", "one", "more"))
    memory.add_memory("good", numbered(3))
    memory.flush()

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "summarizing session 'bad' failed: RuntimeError"
    ]
    assert (summary_of(memory, "bad"), summary_of(memory, "good")) == (None, "short")

    memory.add_memory("bad", said("again"))
    memory.flush()

    assert summary_of(memory, "bad") == "short"


def test_what_an_earlier_process_left_undone_is_made_up_for(open_memory: OpenMemory) -> None:
    """A write by a manager without the functions leaves behind what a crash before they were called would."""
    before = open_memory()
    for session_id in "abc":
        before.add_memory(session_id, numbered(3))

    memory = open_memory(message_window=2, summarizer=Gate(is_open=True), embedder=letters, background=True)
    memory.flush()

    assert [summary_of(memory, session_id) for session_id in "abc"] == ["of 2 messages"] * 3
    assert len(memory.search_memory("a", user_id=None, mode="semantic")) == 9


CRASH = """
import os, sys
from zep_memory_plugin import Message, SessionManager

manager = SessionManager(sys.argv[1], message_window=2, summarizer=lambda previous, messages: os._exit(7))
manager.add_memory("a", [Message(role="user", content=str(number)) for number in (1, 2, 3)])
manager.flush()
"""


def test_a_process_that_ends_in_the_summarizer_loses_nothing(sqlite_url: str) -> None:
    crashed = subprocess.run([sys.executable, "-c", CRASH, sqlite_url], check=False)

    assert crashed.returncode == 7
    with SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True)) as manager:
        assert texts(manager.list_messages("a")) == ["1", "2", "3"]
        assert summary_of(manager) is None
        manager.flush()
        assert summary_of(manager) == "of 2 messages"


UNCLOSED = """
import sys
from zep_memory_plugin import Message, SessionManager

async def summarize(previous, messages):
    return f"of {len(messages)} messages"

manager = SessionManager(sys.argv[1], message_window=2, summarizer=summarize)
for session_id in "abcdefgh":
    manager.add_memory(session_id, [Message(role="user", content=str(number)) for number in range(3)])
"""


def test_a_process_that_ends_without_closing_awaits_an_async_summarizer(sqlite_url: str) -> None:
    ended = subprocess.run([sys.executable, "-c", UNCLOSED, sqlite_url], capture_output=True, check=True)

    assert ended.stderr == b""
    with SessionManager(sqlite_url) as manager:
        assert [summary_of(manager, session_id) for session_id in "abcdefgh"] == ["of 2 messages"] * 8


def test_a_write_to_any_session_makes_up_for_what_was_left_undone(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", numbered(3))

    summarized = threading.Event()

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        summarized.set()
        return "short"

    with SessionManager(sqlite_url, message_window=2, summarizer=summarize) as manager:
        manager.add_memory("b", said("1"))
        assert summarized.wait(PATIENCE)


def test_what_a_full_queue_has_no_room_for_is_done_by_the_write_itself() -> None:
    """So that what was flushed is done, however much of it there is."""
    let_through, main, done = threading.Event(), threading.get_ident(), list[str]()
    written = [f"s{number}" for number in range(LONGEST_QUEUE + 2 * AT_ONCE)]

    def of_session(session_id: str) -> Flow[None]:
        assert threading.get_ident() == main or let_through.wait(PATIENCE)
        done.append(session_id)
        yield from ()

    def left_undone(before: datetime | None) -> Flow[list[str]]:
        yield from ()
        return []

    def put(session_id: str) -> Flow[None]:
        yield Later(session_id)

    runner = Runner("sqlite://", chores=Chores(of_session, left_undone))
    for session_id in written:
        runner.run(put(session_id))
    waiting, by_writes = runner._worker.waiting, list(done)
    let_through.set()
    runner.flush()
    flushed = sorted(done)
    runner.close()

    assert waiting == LONGEST_QUEUE
    assert by_writes == written[-len(by_writes) :]
    assert flushed == sorted(written)


def test_nothing_is_done_inside_the_transaction_of_a_caller(database_url: str) -> None:
    calls: list[list[str]] = []

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        calls.append(texts(messages))
        return "short"

    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(database_url, message_window=2, summarizer=summarize) as manager:
        manager.add_memory("other", said("1"))
        with engine.connect() as connection:
            with manager.using(connection):
                manager.add_memory("a", numbered(3))
                manager.flush()
            connection.rollback()
            with manager.using(connection):
                manager.add_memory("a", said("4", "5", "6"))
                manager.flush()
            assert calls == []
            connection.commit()
        manager.flush()

        assert calls == [["4", "5"]]
        assert summary_of(manager) == "short"
    engine.dispose()


def test_nothing_is_done_inside_a_transaction_that_is_awaited(sqlite_url: str) -> None:
    calls: list[list[str]] = []

    async def summarize(previous: Summary | None, messages: list[Message]) -> str:
        calls.append(texts(messages))
        return "short"

    async def scenario() -> None:
        engine = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with SessionManager(engine, message_window=2, summarizer=summarize) as manager:
            await manager.aadd_memory("other", said("1"))
            async with engine.connect() as connection:
                with manager.using(connection):
                    await manager.aadd_memory("a", numbered(3))
                await manager.aflush()
                assert calls == []
                await connection.commit()
            await manager.aflush()
            assert calls == [["1", "2"]]
        await engine.dispose()

    asyncio.run(scenario())


def test_what_an_event_loop_leaves_behind_is_done_by_the_next_caller(sqlite_url: str) -> None:
    calls: list[list[str]] = []
    begun = asyncio.Event()

    async def summarize(previous: Summary | None, messages: list[Message]) -> str:
        calls.append(texts(messages))
        if len(calls) == 1:
            begun.set()
            await asyncio.Event().wait()  # until its loop ends
        return "short"

    async def write() -> None:
        await manager.aadd_memory("a", numbered(3))
        await asyncio.wait_for(begun.wait(), PATIENCE)

    with SessionManager(sqlite_url, message_window=2, summarizer=summarize) as manager:
        asyncio.run(write())
        assert summary_of(manager) is None

        manager.flush()

        assert summary_of(manager) == "short"
        assert calls == [["1", "2"], ["1", "2"]]


def test_several_event_loops_in_threads_share_the_work(sqlite_url: str) -> None:
    async def summarize(previous: Summary | None, messages: list[Message]) -> str:
        await asyncio.sleep(0)
        return "short"

    async def write(session_id: str) -> None:
        await manager.aadd_memory(session_id, numbered(3))
        await manager.aflush()

    def run(session_id: str) -> None:
        asyncio.run(write(session_id))

    with SessionManager(sqlite_url, message_window=2, summarizer=summarize) as manager:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(run, "abcd"))

        assert [summary_of(manager, session_id) for session_id in "abcd"] == ["short"] * 4


def test_a_blocking_call_inside_a_running_loop_can_flush(sqlite_url: str) -> None:
    async def cell() -> str | None:
        with SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True)) as manager:
            manager.add_memory("a", numbered(3))
            await manager.aadd_memory("b", numbered(3))
            manager.flush()
            return summary_of(manager)

    assert asyncio.run(cell()) == "of 2 messages"


@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_blocking_call_inside_a_running_loop_waits_for_no_turn_behind_a_task_of_that_loop(
    sqlite_url: str, end: str
) -> None:
    """The session has been written to again, while a task that cannot go on meanwhile works on it."""

    async def cell() -> None:
        begun = asyncio.Event()

        async def summarize(previous: Summary | None, messages: list[Message]) -> str:
            begun.set()
            await asyncio.Event().wait()
            return "never"

        manager = SessionManager(sqlite_url, message_window=2, summarizer=summarize)
        await manager.aadd_memory("a", numbered(3))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        await manager.aadd_memory("a", said("4"))
        getattr(manager, end)()
        manager.close()

    asyncio.run(cell())

    with SessionManager(sqlite_url) as manager:
        assert texts(manager.list_messages("a")) == ["1", "2", "3", "4"]


INTERRUPTED = """
import asyncio, sys
from zep_memory_plugin import Message, SessionManager

calls = []

async def summarize(previous, messages):
    calls.append(len(messages))
    if len(calls) == 1:
        raise KeyboardInterrupt
    return f"of {len(messages)} messages"

async def write():
    await manager.aadd_memory("a", [Message(role="user", content=str(number)) for number in range(3)])
    await asyncio.Event().wait()

async def flush():
    await asyncio.wait_for(manager.aflush(), 90)

loop = asyncio.new_event_loop()
with SessionManager(sys.argv[1], message_window=2, summarizer=summarize) as manager:
    try:
        loop.run_until_complete(write())
    except KeyboardInterrupt:
        loop.run_until_complete(flush())
"""


def test_what_an_interrupt_ends_on_a_loop_that_goes_on_is_done_by_the_next_caller(sqlite_url: str) -> None:
    """As in a notebook, whose cells share a loop."""
    subprocess.run([sys.executable, "-c", INTERRUPTED, sqlite_url], capture_output=True, check=True)

    with SessionManager(sqlite_url) as manager:
        assert summary_of(manager) == "of 2 messages"


@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_summarizer_does_not_wait_for_itself(sqlite_url: str, end: str) -> None:
    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        getattr(managers[0], end)()
        return "short"

    managers = [SessionManager(sqlite_url, message_window=2, summarizer=summarize)]
    managers[0].add_memory("a", numbered(3))
    managers[0].close()

    with SessionManager(sqlite_url) as manager:
        assert texts(manager.list_messages("a")) == ["1", "2", "3"]


@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_blocking_summarizer_does_not_wait_for_the_task_that_waits_for_it(sqlite_url: str, end: str) -> None:
    """It runs in a thread, for a task of a loop that goes on meanwhile."""
    ended: list[str] = []

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        getattr(managers[0], end)()
        ended.append(end)
        return "short"

    async def write() -> None:
        await managers[0].aadd_memory("a", numbered(3))
        await managers[0].aclose()

    managers = [SessionManager(sqlite_url, message_window=2, summarizer=summarize)]
    asyncio.run(asyncio.wait_for(write(), PATIENCE))

    assert ended == [end]


def test_closing_in_vain_leaves_what_waits_with_one_line(
    sqlite_url: str, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """The sessions that are worked on end their turn in vain; the others are left to the next process."""
    names = [f"s{number}" for number in range(AT_ONCE + 20)]

    async def begin() -> None:
        manager = SessionManager(sqlite_url, message_window=2, summarizer=gate)
        for name in names:
            await manager.aadd_memory(name, numbered(3))
        closing = asyncio.create_task(manager.aclose())
        await asyncio.sleep(0)  # by which it has begun to wait
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        gate.opened.set()

    asyncio.run(begin())

    said = [record.getMessage() for record in caplog.records]
    (line,) = [line for line in said if "summarizing" not in line]
    assert line.endswith(" sessions are left undone; the next process makes up for that")
    assert len(said) <= 1 + AT_ONCE
    with SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True)) as other:
        other.add_memory("another", numbered(3))
        other.flush()
        assert {summary_of(other, name) for name in names} == {"of 2 messages"}


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_leaves_the_work_of_its_parent_to_it(sqlite_url: str, gate: Gate) -> None:
    with SessionManager(sqlite_url, message_window=2, summarizer=gate) as manager:
        manager.add_memory("of the parent", numbered(3))
        assert gate.begun.wait(PATIENCE)
        child = os.fork()
        if child == 0:
            try:
                gate.opened.set()
                manager.add_memory("of the child", numbered(3))
                manager.flush()
            finally:
                os._exit(len(gate.calls))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 1
        gate.opened.set()
        manager.flush()

        assert summary_of(manager, "of the child") == summary_of(manager, "of the parent") == "of 2 messages"


def test_where_each_thread_has_a_database_of_its_own_the_write_waits() -> None:
    engine = create_engine("sqlite://")
    with SessionManager(engine, message_window=2, summarizer=Gate(is_open=True)) as manager:
        manager.add_memory("a", numbered(3))

        assert summary_of(manager) == "of 2 messages"
    engine.dispose()


def test_a_manager_of_one_user_can_flush(sqlite_url: str) -> None:
    with SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True)) as manager:
        alice = manager.as_user("alice")
        alice.add_memory("a", numbered(3))
        alice.flush()

        assert summary_of(alice) == "of 2 messages"


def test_a_manager_that_is_opened_again_goes_on(sqlite_url: str) -> None:
    manager = SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True))
    for session_id in "ab":
        with manager:
            manager.add_memory(session_id, numbered(3))
    with manager:
        assert [summary_of(manager, session_id) for session_id in "ab"] == ["of 2 messages"] * 2


def test_a_manager_that_is_opened_again_looks_for_what_was_left_undone(sqlite_url: str) -> None:
    manager = SessionManager(sqlite_url, message_window=2, summarizer=Gate(is_open=True))
    with manager:
        manager.add_memory("a", numbered(3))
    with SessionManager(sqlite_url) as other:  # which has no summarizer
        other.add_memory("b", numbered(3))

    with manager:
        manager.add_memory("a", numbered(1))
        manager.flush()

        assert summary_of(manager, "b") == "of 2 messages"


def test_without_functions_a_flush_is_nothing(memory: Caller) -> None:
    memory.add_memory("a", numbered(3))

    memory.flush()

    assert summary_of(memory) is None
