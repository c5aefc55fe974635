"""Running a unit of work: in which thread or event loop, on which connection, and once more when that may help.

A unit of work is a blocking function of a `Connection`. Connections are in autocommit; `read` and `write_alone` hand
them over as they are, `write` puts a transaction around the function.
"""

import asyncio
import os
import random
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID, uuid4

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from . import engines, schema
from .dialects import transaction
from .dialects.prepared import sender
from .errors import DatabaseUnavailable, ZepMemoryError
from .failures import DRIVER_ERRORS, POOL_IN_USE, is_locked_out, is_retryable, translated

ATTEMPTS = 5
DEADLINE = 15.0
"""Seconds after which a unit of work is not tried again."""

LONGEST_PAUSE = 1.0
"""Longest pause between two attempts, in seconds; the first is at most 10 ms."""

LONGEST_WAIT = 30.0
"""Seconds that an async caller waits for a connection, as long as SQLAlchemy's pool lets a blocking one wait."""

SETTLING_TIME = 5.0
"""How long a cancelled caller waits for its unit of work to end, in seconds."""

READERS = max(2, min(8, os.cpu_count() or 2))
"""Threads for the reads of async callers where the driver blocks; more than processors get in each other's way.

On two processors, turns of 64 coroutines: 740 a second with eight threads, 870 with two.
"""

OWN_LOOP_PATIENCE = 1.0
"""How long a blocking call waits for locks, in seconds, where the event loop that it blocks has writes under way."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Stamp:
    """What a write must not make anew when it is sent again: its moment and its id."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    attempt: int = 1

    @cached_property
    def uuid(self) -> UUID:
        """The id of what is created, for the few writes that create something."""
        return uuid4()


@dataclass(slots=True)
class Unit:
    """A unit of work, and what it needs around it."""

    operation: Callable[[Connection], Any]
    writes: bool = False
    in_transaction: bool = False
    stamp: Stamp = field(default_factory=Stamp)


Steps = Generator[Unit, Any, T]
"""Work of several units, each with the result of the one before: what a purge is."""


class _Loop:
    """What belongs to one event loop: an engine whose connections live on it, and the queue of its writers."""

    def __init__(self, engine: AsyncEngine, *, owned: bool) -> None:
        self.engine = engine
        self.owned = owned
        self.writers = asyncio.Lock()
        self.locking = 0
        self._turns = asyncio.Semaphore(engines.CONNECTIONS)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a connection in the order of asking: a pool gives the next one to whoever comes by just then."""
        if not self.owned:
            yield
            return
        try:
            async with asyncio.timeout(LONGEST_WAIT) if self._turns.locked() else nullcontext():
                await self._turns.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable(POOL_IN_USE) from error
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def at_work(self, *, locks: bool) -> Iterator[None]:
        """Count, for as long as the block, a unit of work that holds locks until the loop goes on with it."""
        self.locking += locks
        try:
            yield
        finally:
            self.locking -= locks

    def forget(self) -> None:
        """Let go of the connections from outside the loop, which alone could close them."""
        if self.owned:
            self.engine.sync_engine.dispose(close=False)


class _Process:
    """What belongs to one process and must not be carried over a fork."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.prepared = False
        self.lock = threading.Lock()
        self.making = threading.Lock()
        self.engine: Engine | None = None
        self.owns_engine = False
        self.loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = weakref.WeakKeyDictionary()
        self.readers: Executor = ThreadPoolExecutor(READERS, thread_name_prefix="zep-memory-read")
        self.writer: Executor = ThreadPoolExecutor(1, thread_name_prefix="zep-memory-write")

    def holds_up_its_locks(self) -> bool:
        """Tell whether this thread blocks an event loop of its own that has locks."""
        try:
            here = self.loops.get(asyncio.get_running_loop())
        except RuntimeError:
            return False
        return here is not None and here.locking > 0

    def drop_closed_loops(self) -> None:
        """Forget the engines of event loops that have ended."""
        for ended in [loop for loop in self.loops if loop.is_closed()]:
            self.loops.pop(ended).forget()

    def discard(self) -> None:
        """Close what was made here."""
        self.readers.shutdown(wait=False)
        self.writer.shutdown(wait=False)
        if self.engine is not None and self.owns_engine:
            self.engine.dispose()
        for loop in self.loops.values():
            loop.forget()

    def abandon(self) -> None:
        """Forget the connections of the process that this one was forked from: they are still that one's."""
        if self.engine is not None:
            self.engine.dispose(close=False)
        for loop in self.loops.values():
            loop.forget()


class Database:
    """The database behind a manager. Making one does no I/O; the tables are created on first use."""

    def __init__(self, database: str | URL | Engine | AsyncEngine, *, durability: str = "full") -> None:
        self._source = engines.source_of(database, durability)
        self._state = _Process()
        self._closed = False

    @property
    def shown_url(self) -> str:
        """Where the database is, without anything secret."""
        return self._source.url.set(query={}).render_as_string(hide_password=True)

    @property
    def closed(self) -> bool:
        """Whether `close` was called; nothing runs any more."""
        return self._closed

    def read(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation*, one SELECT or several that need not agree, in autocommit."""
        return cast("T", self._run(read_unit(operation, *args, **kwargs)))

    async def aread(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation* in autocommit. See `read`."""
        return cast("T", await self._arun(read_unit(operation, *args, **kwargs)))

    def write(self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation* in one transaction. When it is sent again, it gets the same stamp."""
        return cast("T", self._run(write_unit(operation, *args, **kwargs)))

    async def awrite(
        self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *operation* in one transaction. See `write`."""
        return cast("T", await self._arun(write_unit(operation, *args, **kwargs)))

    def write_alone(
        self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *operation*, which is a single statement or opens its transaction itself."""
        return cast("T", self._run(lone_write_unit(operation, *args, **kwargs)))

    async def awrite_alone(
        self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *operation*, which is a single statement or opens its transaction itself. See `write_alone`."""
        return cast("T", await self._arun(lone_write_unit(operation, *args, **kwargs)))

    def drive(self, steps: Steps[T]) -> T:
        """Run *steps* one after another, each on its own, and return what they come to."""
        result: Any = None
        while True:
            try:
                unit = steps.send(result)
            except StopIteration as end:
                return cast("T", end.value)
            result = self._run(unit)

    async def adrive(self, steps: Steps[T]) -> T:
        """Run *steps* one after another. See `drive`."""
        result: Any = None
        while True:
            try:
                unit = steps.send(result)
            except StopIteration as end:
                return cast("T", end.value)
            result = await self._arun(unit)

    def close(self) -> None:
        """Close the connections that were made here; the application's own engine stays as it is."""
        self._closed = True
        state, self._state = self._state, _Process()
        state.discard()

    async def aclose(self) -> None:
        """Close the connections that were made here. See `close`."""
        here = self._state.loops.pop(asyncio.get_running_loop(), None)
        self.close()
        if here is not None and self._source.async_engine is None:
            await here.engine.dispose()

    def _run(self, unit: Unit) -> Any:
        started = time.monotonic()
        while True:
            try:
                return self._once(unit)
            except ZepMemoryError:
                raise
            except DRIVER_ERRORS as error:
                pause = _pause_after(error, unit, started)
            time.sleep(pause)

    def _once(self, unit: Unit) -> Any:
        state = self._here()
        queue = state.lock if self._queues(unit) else nullcontext()
        with queue, self._engine(state).connect() as connection:
            if self._locks(unit) and state.holds_up_its_locks():
                return self._do_impatiently(connection, unit)
            return self._doing(state.owns_engine)(connection, unit)

    async def _arun(self, unit: Unit) -> Any:
        if self._source.awaits:
            return await _settled(asyncio.ensure_future(self._run_awaiting(unit)))
        if self._source.thread_bound:
            return self._run(unit)
        state = self._here()
        threads = state.writer if self._queues(unit) else state.readers
        return await _settled(asyncio.get_running_loop().run_in_executor(threads, self._run, unit))

    async def _run_awaiting(self, unit: Unit) -> Any:
        started = time.monotonic()
        while True:
            try:
                return await self._once_awaiting(unit)
            except ZepMemoryError:
                raise
            except DRIVER_ERRORS as error:
                pause = _pause_after(error, unit, started)
            await asyncio.sleep(pause)

    async def _once_awaiting(self, unit: Unit) -> Any:
        here = self._loop(self._here())
        queue = here.writers if self._queues(unit) else nullcontext()
        async with queue, here.turn():
            with here.at_work(locks=self._locks(unit)):
                # An AsyncConnection would switch to the driver and back again for connecting and for closing, too.
                return await greenlet_spawn(self._connected, here, unit)

    def _connected(self, here: _Loop, unit: Unit) -> Any:
        with here.engine.sync_engine.connect() as connection:
            return self._doing(here.owned)(connection, unit)

    def _doing(self, owned: bool) -> Callable[[Connection, Unit], Any]:
        return self._do if owned else self._do_as_guest

    def _do_as_guest(self, connection: Connection, unit: Unit) -> Any:
        """Do *unit* on a connection of the application, which gets it back as it was."""
        with self._source.dialect.autocommit(connection):
            return self._do(connection, unit)

    def _do_impatiently(self, connection: Connection, unit: Unit) -> Any:
        """Do *unit* in the thread of an event loop whose locks it keeps from being released."""
        try:
            with self._source.dialect.impatient(connection, OWN_LOOP_PATIENCE):
                return self._do(connection, unit)
        except DRIVER_ERRORS as error:
            if is_locked_out(error):
                raise DatabaseUnavailable(
                    "what is to be written is locked by a write that this event loop awaits; "
                    "await here, too, or block another thread"
                ) from error
            raise

    def _do(self, connection: Connection, unit: Unit) -> Any:
        if not self._state.prepared:
            schema.prepare(connection)
            self._state.prepared = True
        if not unit.in_transaction:
            return unit.operation(connection)
        with transaction(connection, sender(connection)):
            return unit.operation(connection)

    def _locks(self, unit: Unit) -> bool:
        """Tell whether *unit* may hold locks over several statements."""
        return unit.writes or not self._state.prepared

    def _queues(self, unit: Unit) -> bool:
        """Tell whether *unit* waits for others of this process, rather than in the driver."""
        return self._source.in_memory or (unit.writes and self._source.dialect.one_writer)

    def _here(self) -> _Process:
        """Return the state of this process: a new one after a fork."""
        if self._closed:
            raise DatabaseUnavailable("the manager is closed")
        if self._state.pid != os.getpid():
            forked, self._state = self._state, _Process()
            forked.abandon()
        return self._state

    def _engine(self, state: _Process) -> Engine:
        if state.engine is not None:
            return state.engine
        with state.making:
            if state.engine is None:
                given = self._source.engine
                state.owns_engine = given is None
                state.engine = engines.make_engine(self._source) if given is None else given
            return state.engine

    def _loop(self, state: _Process) -> _Loop:
        running = asyncio.get_running_loop()
        known = state.loops.get(running)
        if known is not None:
            return known
        with state.making:
            state.drop_closed_loops()
            given = self._source.async_engine
            engine = engines.make_async_engine(self._source) if given is None else given
            state.loops[running] = _Loop(engine, owned=given is None)
            return state.loops[running]


def write_unit(operation: Callable[Concatenate[Connection, Stamp, P], Any], *args: P.args, **kwargs: P.kwargs) -> Unit:
    """Return the unit of work that runs *operation* in one transaction."""
    stamp = Stamp()
    return Unit(lambda connection: operation(connection, stamp, *args, **kwargs), True, True, stamp)


def lone_write_unit(
    operation: Callable[Concatenate[Connection, Stamp, P], Any], *args: P.args, **kwargs: P.kwargs
) -> Unit:
    """Return the unit of work that runs *operation*, which cares for its transaction itself."""
    stamp = Stamp()
    return Unit(lambda connection: operation(connection, stamp, *args, **kwargs), True, False, stamp)


def read_unit(operation: Callable[Concatenate[Connection, P], Any], *args: P.args, **kwargs: P.kwargs) -> Unit:
    """Return the unit of work that runs *operation* in autocommit."""
    return Unit(lambda connection: operation(connection, *args, **kwargs))


def _pause_after(error: BaseException, unit: Unit, started: float) -> float:
    """Return how long to wait before *unit* is sent again, or raise what its caller is told."""
    waited = time.monotonic() - started
    if unit.stamp.attempt >= ATTEMPTS or waited > DEADLINE or not is_retryable(error):
        raise translated(error) from error
    unit.stamp.attempt += 1
    return random.uniform(0, min(LONGEST_PAUSE, 0.01 * 4 ** (unit.stamp.attempt - 2)))  # noqa: S311 - jitter


async def _settled(work: "asyncio.Future[T]") -> T:
    """Await *work*; when the caller is cancelled, let what was started come to its end first."""
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if not work.done():
            await asyncio.wait([work], timeout=SETTLING_TIME)
        work.cancel()
        raise
