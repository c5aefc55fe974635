"""The work that nobody waits for: the application's functions are asked in the background, session after session.

A session that is written to is put in a queue. Whoever put it there sees to it that somebody works: a thread where the
call blocks, a task on the event loop where it is awaited, as the functions of an async application belong to its loop.
Either goes on until nothing waits that is not being worked on, each session by one of them at a time.

What there is to do is written down nowhere: it is what a session lacks, and the database knows. So nothing is lost with
the queue when a process crashes, and what ends with work undone, as an event loop may, leaves it to whoever comes next.
Who is first in a process looks for what an earlier one has left undone.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol, TypeVar, cast

from ..units import Flow

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Sessions that threads, and the tasks of an event loop, work on at once."""

LONGEST_QUEUE = 1_000
"""Sessions that wait at most; a write that finds no room does the work itself."""

STEP = 1.0
"""Seconds after which who waits for work sees whether anybody can still do it."""

_NOBODY = object()

_around: ContextVar[object] = ContextVar("zep_memory_plugin_worked_on_by", default=_NOBODY)
"""The thread or the task that works on a session, for what runs on its behalf wherever that is."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chores:
    """What there is to do in the background."""

    of_session: Callable[[str], Flow[None]]
    left_undone: Callable[[datetime | None], Flow[Sequence[str]]]
    """Finds sessions that were left undone: all, or those that were active last before a moment."""


def _nothing(before: datetime | None) -> Flow[Sequence[str]]:
    yield from ()
    return ()


def _nothing_of(session_id: str) -> Flow[None]:
    yield from ()


NO_CHORES = Chores(_nothing_of, _nothing)


class Runs(Protocol):
    """Who runs flows."""

    def run(self, flow: Flow[T]) -> T: ...
    async def arun(self, flow: Flow[T]) -> T: ...


class Transaction(Protocol):
    """A transaction of the application."""

    @property
    def is_active(self) -> bool: ...


@dataclass(slots=True, eq=False)
class _Work:
    """A session that waits, or is worked on."""

    session_id: str | None
    """None for what was left undone: which sessions these are is to be found out."""
    number: int
    runner: Runs | None = None
    """Who runs it, where that is not who runs what was left undone."""
    at: object = None
    """The thread or the task that works on it."""
    turn: Future[None] = field(default_factory=Future)
    """Done when that has ended, one way or another."""


class Worker:
    """The queue of one process, and its threads and tasks."""

    def __init__(self, chores: Chores, *, looks: bool = True) -> None:
        self._chores = chores
        self._looks = looks
        """Whether there may be more to do than the queue knows of."""
        self._since = datetime.now(UTC) if looks else None
        """From when on the queue knows of everything, if it does."""
        self._lock = threading.Lock()
        self._closed = False
        self._numbers = count(1)
        self._waiting: dict[str | None, _Work] = {}
        self._taken: dict[str | None, _Work] = {}
        self._uncommitted: list[tuple[Transaction, str, Runs | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="zep-memory-background")

    def anew(self) -> "Worker":
        """Return the worker of a manager that is opened again: others may have left work undone meanwhile."""
        return Worker(self._chores)

    def child(self) -> "Worker":
        """Return the worker of a process that was forked from this one, which goes on with what is in the queue."""
        return Worker(self._chores, looks=self._looks)

    @property
    def waiting(self) -> int:
        """How many sessions wait."""
        return len(self._waiting)

    def has_room_for(self, session_id: str) -> bool:
        """Tell whether a session may wait."""
        return len(self._waiting) < LONGEST_QUEUE or session_id in self._waiting

    def flow_of(self, session_id: str) -> Flow[None]:
        """Return what there is to do for a session."""
        return self._chores.of_session(session_id)

    def put(self, session_id: str, transaction: Transaction | None = None, runner: Runs | None = None) -> None:
        """Let a session wait for its turn, where it was written to in a *transaction* until that is over."""
        with self._lock:
            self._put_what_nobody_has()
            if transaction is not None:
                self._uncommitted.append((transaction, session_id, runner))
            else:
                self._put(session_id, runner=runner)

    def start(self, runner: Runs, threads: int = 1) -> None:
        """Let threads work on what waits."""
        for _ in range(threads):
            try:
                self._threads.submit(self._work, runner)
            except RuntimeError:  # the interpreter is shutting down, and starts no threads any more
                Context().run(self._work, runner)

    def astart(self, runner: Runs, tasks: int = 1) -> None:
        """Let tasks on the running event loop work on what waits."""
        loop = asyncio.get_running_loop()
        free = AT_ONCE - sum(task.get_loop() is loop for task in self._tasks)
        for _ in range(min(tasks, free)):
            # In a context of its own: a connection that the caller was lent is not for this.
            self._tasks.add(loop.create_task(self._awork(runner), context=Context()))

    def flush(self, runner: Runs) -> None:
        """Wait until all is done that waits now, but for what nobody can do as long as this thread waits."""
        last = self._last_number()
        self.start(runner, min(AT_ONCE, self.waiting))
        while (work := self._undone(last, self._held_up())) is not None:
            wait([work.turn], STEP)
            self.start(runner)

    async def aflush(self, runner: Runs) -> None:
        """Wait until all is done that waits now. See `flush`."""
        last = self._last_number()
        self.astart(runner, min(AT_ONCE, self.waiting))
        while (work := self._undone(last, self._held_up_elsewhere())) is not None:
            await asyncio.wait([asyncio.wrap_future(work.turn)], timeout=STEP)
            self.astart(runner)

    def drain(self, runner: Runs) -> None:
        """Take no more in, and wait until what was is done."""
        try:
            self._refuse_more()
            self.flush(runner)
        finally:
            self._end()

    async def adrain(self, runner: Runs) -> None:
        """Take no more in, and wait until what was is done. See `drain`."""
        try:
            self._refuse_more()
            await self.aflush(runner)
        finally:
            self._end()

    def _flow(self, work: _Work) -> Flow[None]:
        return self._look(work.number) if work.session_id is None else self.flow_of(work.session_id)

    def _look(self, number: int) -> Flow[None]:
        """Let what was left undone wait, as if it had been put where it was looked for."""
        before, self._since = self._since, None
        found = yield from self._chores.left_undone(before)
        with self._lock:
            for session_id in found:
                self._put(session_id, number)

    def _put(self, session_id: str | None, number: int | None = None, runner: Runs | None = None) -> None:
        """Let a session wait. Here and below: while the lock is held."""
        if not (self._closed or session_id in self._waiting):
            self._waiting[session_id] = _Work(session_id, next(self._numbers) if number is None else number, runner)

    def _put_what_nobody_has(self) -> None:
        """Let what was committed meanwhile wait, and what was left behind where nobody goes on."""
        waiting = [each for each in self._uncommitted if each[0].is_active]
        for transaction, session_id, runner in self._uncommitted:
            if not transaction.is_active:
                self._put(session_id, runner=runner)
        self._uncommitted = waiting
        for work in [work for work in self._taken.values() if _is_over(work.at)]:
            self._give_back(work)
            self._tasks.discard(cast("asyncio.Task[None]", work.at))
        if self._looks and not self._waiting:
            self._looks = False
            self._put(None)

    def _give_back(self, work: _Work) -> None:
        """Let *work* wait again, as nobody has done it."""
        del self._taken[work.session_id]
        again = self._waiting.setdefault(work.session_id, _Work(work.session_id, work.number, work.runner))
        again.number = min(again.number, work.number)
        work.turn.set_result(None)

    def _work(self, runner: Runs) -> None:
        _around.set(threading.get_ident())
        while (work := self._take(threading.get_ident())) is not None:
            try:
                (work.runner or runner).run(self._flow(work))
            finally:
                self._finish(work)

    async def _awork(self, runner: Runs) -> None:
        task: Any = asyncio.current_task()
        _around.set(task)
        try:
            while (work := self._take(task)) is not None:
                with self._given_back_when_cancelled(work):
                    await (work.runner or runner).arun(self._flow(work))
        finally:
            self._tasks.discard(task)

    @contextmanager
    def _given_back_when_cancelled(self, work: _Work) -> Iterator[None]:
        """Take in how *work* of a task ends. One whose loop was just closed ends anywhere, even amid what is locked."""
        try:
            yield
        except asyncio.CancelledError:
            with self._lock:
                self._give_back(work)
            raise
        except Exception:
            self._finish(work)
            raise
        else:
            self._finish(work)

    def _take(self, at: object) -> _Work | None:
        """Return what is worked on next, if anything."""
        with self._lock:
            self._put_what_nobody_has()
            work = next((work for key, work in self._waiting.items() if key not in self._taken), None)
            if work is not None:
                work.at = at
                self._taken[work.session_id] = self._waiting.pop(work.session_id)
            return work

    def _finish(self, work: _Work) -> None:
        """Take in that *work* has had its turn."""
        with self._lock:
            del self._taken[work.session_id]
            work.turn.set_result(None)

    def _last_number(self) -> int:
        with self._lock:
            self._put_what_nobody_has()
            return next(self._numbers)

    def _undone(self, last: int, held_up: Iterable[object]) -> _Work | None:
        """Return work up to the *last* number that is not done, and not *held_up*."""
        with self._lock:
            self._put_what_nobody_has()
            works = [*self._taken.values(), *self._waiting.values()]
            return next((work for work in works if work.number <= last and self._at(work) not in held_up), None)

    def _at(self, work: _Work) -> object:
        """Return who works on the session of *work*, for whom it waits where that is a turn before its own."""
        return self._taken.get(work.session_id, work).at

    def _held_up(self) -> list[object]:
        """Return who cannot go on as long as this thread waits."""
        here = asyncio._get_running_loop()
        tasks = [task for task in list(self._tasks) if task.get_loop() is here]
        return [threading.get_ident(), *tasks, *self._held_up_elsewhere()]

    def _held_up_elsewhere(self) -> list[object]:
        """Return the tasks of event loops that do not run now, and whose turn this call is a part of."""
        return [_around.get(), *(task for task in list(self._tasks) if not task.get_loop().is_running())]

    def _end(self) -> None:
        """Leave what still waits, as an interrupt lets it, to whoever looks for what was left undone."""
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
        if left:
            logger.warning("%d sessions are left undone; the next process makes up for that", left)
        self._threads.shutdown(wait=False)

    def _refuse_more(self) -> None:
        with self._lock:
            self._put_what_nobody_has()
            self._looks, self._closed = False, True
            self._waiting.pop(None, None)


def _is_over(at: object) -> bool:
    """Tell whether a task has ended amid its work: its loop was closed, or it was interrupted."""
    return isinstance(at, asyncio.Task) and (at.done() or at.get_loop().is_closed())
