"""Cancelling a call at each of its awaits."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from itertools import count
from types import coroutine
from typing import Any

Call = Callable[[], Coroutine[Any, Any, object]]


@coroutine
def _cancelled_at(moment: int, call: Coroutine[Any, Any, object]) -> Generator[Any, None, bool]:
    """Await *call*, have the task cancelled at its await number *moment*, and tell whether it came so far."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    resume = partial(call.send, None)
    for step in count(1):
        try:
            future = resume()
        except StopIteration:
            return step > moment
        if step == moment and task is not None:
            loop.call_soon(task.cancel)
        try:
            yield future
            resume = partial(call.send, None)
        except BaseException as error:
            resume = partial(call.throw, error)
    return False


async def cancelled_at_every_await(call: Callable[[str], Coroutine[Any, Any, object]]) -> tuple[list[str], list[str]]:
    """Make *call* with a new name again and again, each time cancelled one await later, until one ends before that.

    Return the names of the calls that ended well, and of those that were cancelled.
    """
    done: list[str] = []
    cancelled: list[str] = []
    for moment in count(1):
        name = f"cancelled at {moment}"

        async def main(moment: int = moment, name: str = name) -> bool:
            return await _cancelled_at(moment, call(name))

        try:
            came_so_far = await asyncio.create_task(main())
        except asyncio.CancelledError:
            cancelled.append(name)
            continue
        done.append(name)
        if not came_so_far:
            break
    return done, cancelled
