"""`use_session` names the session that surrounds a block of code."""

import asyncio
import threading

import pytest

from zep_memory_plugin import CurrentSession, current_session, use_session


def test_outside_of_any_block_there_is_no_session() -> None:
    assert current_session() is None


def test_a_block_names_its_session() -> None:
    with use_session("a", user_id="alice") as session:
        assert session == current_session() == CurrentSession("a", "alice")

    assert current_session() is None


def test_the_innermost_block_counts() -> None:
    with use_session("outer"):
        with use_session("inner"):
            assert current_session() == CurrentSession("inner")
        assert current_session() == CurrentSession("outer")


def test_a_block_that_fails_ends_its_session() -> None:
    with pytest.raises(LookupError), use_session("a"):
        raise LookupError

    assert current_session() is None


def test_tasks_see_the_session_in_which_they_were_started_and_no_other() -> None:
    async def session_of_task(started: asyncio.Barrier, name: str | None) -> CurrentSession | None:
        if name is None:
            await started.wait()
            return current_session()
        with use_session(name):
            await started.wait()
            return current_session()

    async def run() -> list[CurrentSession | None]:
        started = asyncio.Barrier(3)
        with use_session("surrounding"):
            return await asyncio.gather(*(session_of_task(started, name) for name in ("a", "b", None)))

    assert asyncio.run(run()) == [CurrentSession("a"), CurrentSession("b"), CurrentSession("surrounding")]
    assert current_session() is None


def test_a_worker_thread_of_a_task_sees_its_session_and_a_new_thread_none() -> None:
    seen: list[CurrentSession | None] = []

    async def run() -> None:
        with use_session("a"):
            seen.append(await asyncio.to_thread(current_session))
            thread = threading.Thread(target=lambda: seen.append(current_session()))
            thread.start()
            thread.join()

    asyncio.run(run())

    assert seen == [CurrentSession("a"), None]
