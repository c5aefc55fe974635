"""Calls that begin at the same moment, each in a thread or a process of its own."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

START_LIMIT = 90.0  # seconds until the last one is ready
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["asyncpg", "psycopg", "pytest", "sqlalchemy.ext.asyncio", "zep_memory_plugin"])

T = TypeVar("T")


class Barrier(Protocol):
    """What the barriers of threads and of processes have in common."""

    def wait(self, timeout: float | None = None) -> int: ...


_barriers: list[Barrier] = []


@contextmanager
def threads(work: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> Iterator[list[Future[T]]]:
    """Call *work* with each of *arguments*, every one in its own thread, all at once; wait for them at the end."""
    barrier = threading.Barrier(len(arguments))
    with ThreadPoolExecutor(len(arguments)) as executor:
        yield [executor.submit(_meet_and_work, barrier, work, each) for each in arguments]


@contextmanager
def processes(work: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> Iterator[list[Future[T]]]:
    """Call *work* with each of *arguments*, every one in its own process. See `threads`."""
    barrier = FORKSERVER.Barrier(len(arguments))
    executor: Executor
    with ProcessPoolExecutor(len(arguments), FORKSERVER, _remember, (barrier,)) as executor:
        yield [executor.submit(_meet_in_process, work, each) for each in arguments]


def results(calls: Sequence[Future[T]]) -> list[T]:
    """Return what *calls* return, or raise what the first of them raises."""
    return [call.result() for call in calls]


def _meet_and_work(barrier: Barrier, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    barrier.wait(START_LIMIT)
    return work(*arguments)


def _remember(barrier: Barrier) -> None:
    # A barrier of processes is handed over when a process starts and at no other time.
    _barriers.append(barrier)


def _meet_in_process(work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    return _meet_and_work(_barriers[-1], work, arguments)
