"""`use_session` names the session that surrounds a block of code."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context

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


def steps_of(name: str) -> Iterator[str | None]:
    """Say in each of five steps whose it is."""
    with use_session(name):
        for _ in range(5):
            yield named()


def named() -> str | None:
    session = current_session()
    return None if session is None else session.session_id


async def named_in_task() -> str | None:
    await asyncio.sleep(0)
    return named()


async def asteps_of(name: str) -> AsyncIterator[list[str | None]]:
    """Say in each of five steps whose it is, in it, in a thread of it and in a task of it."""
    with use_session(name):
        for _ in range(5):
            yield [named(), await asyncio.to_thread(named), await asyncio.create_task(named_in_task())]


def test_generators_side_by_side_are_each_in_their_own_session() -> None:
    alice, bob = steps_of("alice"), steps_of("bob")

    assert [next(alice), next(bob), next(alice), next(bob), next(bob)] == ["alice", "bob", "alice", "bob", "bob"]
    assert current_session() is None

    alice.close()
    assert next(bob) == "bob"


def test_a_generator_is_in_its_session_whoever_steps_it() -> None:
    """A web framework makes each step in a thread, with a copy of the context from before the first step."""
    assert [copy_context().run(next, steps) for steps in [steps_of("alice")] * 5] == ["alice"] * 5


def test_a_generator_that_is_closed_in_another_context_raises_nothing() -> None:
    steps = steps_of("alice")
    copy_context().run(next, steps)

    steps.close()

    assert current_session() is None


def test_a_generator_that_was_forgotten_leaves_nothing() -> None:
    steps = steps_of("alice")
    next(steps)

    del steps
    gc.collect()

    assert current_session() is None


def test_blocks_around_and_inside_a_generator_nest() -> None:
    def outer() -> Iterator[str | None]:
        with use_session("outer"):
            yield named()
            yield from inner()
            yield named()

    def inner() -> Iterator[str | None]:
        yield named()
        with ExitStack() as stack:
            stack.enter_context(use_session("inner"))
            yield named()

    with use_session("around"):
        seen = [(step, named()) for step in outer()]

    assert seen == [(name, "around") for name in ("outer", "outer", "inner", "outer")]


def test_async_generators_of_one_task_and_what_they_start_are_each_in_their_own_session() -> None:
    async def side_by_side() -> list[list[str | None]]:
        alice, bob = asteps_of("alice"), asteps_of("bob")
        seen = [await anext(steps) for steps in (alice, bob, alice, bob)]
        seen.append([named(), await asyncio.to_thread(named), await asyncio.create_task(named_in_task())])
        with use_session("carol"):
            seen.append([named(), *(await anext(alice))[:1], await asyncio.create_task(named_in_task())])
        await alice.aclose()  # type: ignore[attr-defined]  # an iterator to the type checker
        await bob.aclose()  # type: ignore[attr-defined]  # an iterator to the type checker
        return [*seen, [named()]]

    alice, bob, nobody = ["alice"] * 3, ["bob"] * 3, [None] * 3
    seen = [alice, bob, alice, bob, nobody, ["carol", "alice", "carol"], [None]]
    assert asyncio.run(side_by_side()) == seen


def test_a_task_goes_on_without_the_session_of_a_generator_that_it_left_early() -> None:
    faults: list[object] = []

    async def leave() -> list[str | None]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async for _ in asteps_of("carol"):
            break
        return [named(), await asyncio.to_thread(named), await asyncio.create_task(named_in_task())]

    assert asyncio.run(leave()) == [None] * 3
    assert faults == []


def test_a_context_manager_made_of_a_generator_holds_in_its_own_block() -> None:
    @contextmanager
    def session_of(name: str) -> Iterator[None]:
        with use_session(name):
            yield

    @asynccontextmanager
    async def asession_of(name: str) -> AsyncIterator[None]:
        with use_session(name):
            yield

    async def awaited() -> list[str | None]:
        async with asession_of("alice"):
            return [named(), await asyncio.create_task(named_in_task())]

    with session_of("alice"):
        assert named() == "alice"
    assert asyncio.run(awaited()) == ["alice"] * 2
    assert current_session() is None


def test_where_it_is_unknown_which_of_two_sessions_holds_none_does() -> None:
    """A task that a generator starts inside a block that surrounds only this step."""

    async def doubtful() -> str | None:
        steps = asteps_of("alice")
        await anext(steps)
        with use_session("bob"):
            _, _, of_task = await anext(steps)
        await steps.aclose()  # type: ignore[attr-defined]  # an iterator to the type checker
        return of_task

    assert asyncio.run(doubtful()) is None


def test_a_decorated_function_is_in_the_session_each_time() -> None:
    decorated = use_session("alice")(named)

    assert [decorated(), decorated(), named()] == ["alice", "alice", None]


def test_a_decorated_function_is_in_the_session_while_it_is_awaited_or_stepped_through() -> None:
    @use_session("alice")
    async def awaited() -> list[str | None]:
        await asyncio.sleep(0)
        return [named(), await asyncio.create_task(named_in_task())]

    @use_session("alice")
    def stepped() -> Iterator[str | None]:
        yield named()
        yield named()

    @use_session("alice")
    async def astepped() -> AsyncIterator[str | None]:
        yield named()
        yield await asyncio.create_task(named_in_task())

    async def all_steps() -> list[str | None]:
        return [step async for step in astepped()]

    assert asyncio.run(awaited()) == ["alice"] * 2
    assert asyncio.run(all_steps()) == ["alice"] * 2
    steps = stepped()
    assert [next(steps), named(), next(steps)] == ["alice", None, "alice"]


def test_async_with_is_the_same_as_with() -> None:
    async def nested() -> list[str | None]:
        async with use_session("outer") as session, AsyncExitStack() as stack:
            seen = [session.session_id, named()]
            await stack.enter_async_context(use_session("inner"))
            seen += [named(), await asyncio.create_task(named_in_task())]
            await stack.aclose()
            return [*seen, named()]

    async def steps_of(name: str) -> AsyncIterator[str | None]:
        async with use_session(name):
            yield named()
            yield named()

    async def side_by_side() -> list[str | None]:
        first, second = steps_of("alice"), steps_of("bob")
        seen = [await anext(first), await anext(second), named(), await anext(first), await anext(second)]
        await first.aclose()  # type: ignore[attr-defined]  # an iterator to the type checker
        await second.aclose()  # type: ignore[attr-defined]  # an iterator to the type checker
        return [*seen, named()]

    assert asyncio.run(nested()) == ["outer", "outer", "inner", "inner", "outer"]
    assert asyncio.run(side_by_side()) == ["alice", "bob", None, "alice", "bob", None]


def test_a_block_that_fails_in_async_with_ends_its_session() -> None:
    async def failing() -> None:
        async with use_session("a"):
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(failing())
    assert current_session() is None


def test_a_block_is_entered_again_inside_itself_and_side_by_side() -> None:
    alice = use_session("alice")

    async def inside(entered: asyncio.Barrier, left: asyncio.Event, *, leaves_first: bool) -> str | None:
        with alice:
            await entered.wait()
            if not leaves_first:
                await left.wait()
                return named()
        left.set()
        return named()

    async def side_by_side() -> list[str | None]:
        entered, left = asyncio.Barrier(2), asyncio.Event()
        return await asyncio.gather(*(inside(entered, left, leaves_first=first) for first in (True, False)))

    with alice:
        with alice:
            assert named() == "alice"
        assert named() == "alice"
    assert named() is None
    assert asyncio.run(side_by_side()) == [None, "alice"]


def test_what_was_started_in_a_block_keeps_its_session_after_it() -> None:
    async def run() -> list[str | None]:
        ended = asyncio.Event()

        async def later() -> str | None:
            await ended.wait()
            return named()

        with use_session("bob"), use_session("alice"):
            task, context = asyncio.create_task(later()), copy_context()
        ended.set()
        return [await task, context.run(named), named()]

    assert asyncio.run(run()) == ["alice", "alice", None]
