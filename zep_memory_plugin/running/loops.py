"""What belongs to one event loop: its connections, the queue of its writers, and the units that it carries through."""

import asyncio
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from ..databases import Database
from ..errors import DatabaseUnavailable
from . import engines
from .connections import ENDING_TIME, Opened
from .pool import LONGEST_WAIT
from .retrying import POOL_IN_USE
from .slots import Slots

SETTLING_TIME = 5.0
"""How long a cancelled caller waits for its unit of work to end, and a loop that ends for a driver, in seconds."""

FAR_AWAY = 1e9
"""Seconds until a timer that no loop lives to see."""

T = TypeVar("T")


class Loop:
    """An engine whose connections live on one event loop, and the units that are carried through there.

    A unit is a task that is not among `asyncio.all_tasks()`: what ends a loop cancels those, and it must not be cut in
    half. Two things tell when the loop ends. An asynchronous generator is closed where it ends in order; a timer is
    dropped where it is just closed.
    """

    def __init__(
        self, engine: AsyncEngine, database: Database, slots: Slots, when_lost: "Callable[[Loop], None]", *, owned: bool
    ) -> None:
        self.engine = engine
        self._when_lost = when_lost
        self.owned = owned
        self.opened = Opened(database, slots.freed)
        self._database = database
        self.writers = asyncio.Semaphore(1 if database.one_writer else engines.CONNECTIONS - engines.LEFT_TO_READS)
        self.ended = False
        self._slots = slots
        self._opening = 0
        self._turns = asyncio.Semaphore(engines.CONNECTIONS)
        self._units: set[asyncio.Task[Any]] = set()
        self._at_work: dict[asyncio.Task[Any] | None, bool] = {}
        self._running = asyncio.get_running_loop()
        self._life = self._live()
        self._forget_timer = _tell_when_closed(self)
        if owned:
            event.listen(engine.sync_engine, "do_connect", self._connect)
            slots.join(self)

    @property
    def locking(self) -> bool:
        """Whether a unit holds locks until the loop goes on with it."""
        return any(self._at_work.values())

    async def begin(self) -> None:
        """Begin to live on the running loop."""
        await anext(self._life)

    async def end(self) -> None:
        """Let the units that are under way come to their end, and close the connections."""
        await self._life.aclose()

    def lose(self) -> None:
        """Take in that nothing goes on any more here: end the connections from outside, and forget the units."""
        self.ended = True
        self._units.clear()
        self._forget_timer()
        self.opened.end()
        self._when_lost(self)

    def let_go(self, patience: float = ENDING_TIME) -> None:
        """End the connections from outside, in a moment when no unit has one or could go on with it."""
        if self.owned:
            self.engine.sync_engine.dispose(close=False)
        self.opened.end(patience)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a unit that nobody cancels but who `give_up`s."""
        unit = self._uncancelled(work)
        self._units.add(unit)
        unit.add_done_callback(self._units.discard)
        return unit

    def give_up(self, unit: "asyncio.Task[T]") -> bool:
        """Cancel *unit* unless it has a connection, and tell whether it was."""
        return unit not in self._at_work and unit.cancel()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a connection in the order of asking: a pool gives the next one to whoever comes by just then."""
        if not self.owned:
            yield
            return
        try:
            async with asyncio.timeout(LONGEST_WAIT) if self._turns.locked() else nullcontext():
                await self._turns.acquire()
        except TimeoutError:
            in_time = False
        else:
            in_time = True
        if not in_time:
            raise DatabaseUnavailable(POOL_IN_USE)
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def at_work(self, *, locks: bool) -> Iterator[None]:
        """Note, for as long as the block, a unit that may hold locks until the loop goes on with it."""
        unit = asyncio.current_task()
        self._at_work[unit] = locks
        try:
            yield
        finally:
            del self._at_work[unit]

    @property
    def wanted_elsewhere(self) -> bool:
        """Whether another loop waits for a connection."""
        return self.owned and self._slots.wanted

    def connections(self) -> int:
        """Return how many connections are open, or just being opened."""
        return len(self.opened) + self._opening

    def give_up_idle(self) -> None:
        """Close connections that no unit has, soon, for another loop that wants one. May be called from there."""
        try:
            self._running.call_soon_threadsafe(self._close_idle)
        except RuntimeError:  # it was closed meanwhile
            return

    def _close_idle(self) -> None:
        if self._at_work or self.ended:
            return  # who works gives up its connection in the end
        idle = self.engine.sync_engine.pool
        self.engine.sync_engine.dispose(close=False)
        self.start(greenlet_spawn(idle.dispose))

    def _connect(self, dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Connect when there is room for another connection."""
        await_only(self._slots.room(self))
        self._opening += 1
        try:
            connection = dialect.connect(*arguments, **options)
            driver = dialect.get_driver_connection(connection)
            self._database.guard(driver)
            self.opened.add(driver)
        finally:
            self._opening -= 1
        return connection

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.ended = True
            await asyncio.shield(self._uncancelled(self._end()))

    async def _end(self) -> None:
        """Wait for the units, and close the connections; what does not answer in time is ended from outside.

        An interrupt that led here, which the frames below are handling, may have kept a unit from ever going on.
        """
        interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
        if self._units:
            await asyncio.wait(self._units, timeout=SETTLING_TIME if interrupted else LONGEST_WAIT)
        if self.owned:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLING_TIME):
                    await self.engine.dispose()
        self.lose()

    def _uncancelled(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Return a task that is not among `asyncio.all_tasks()`."""
        task = asyncio.Task(work, loop=self._running)
        asyncio.tasks._unregister_task(task)
        return task


class _Timer:
    """A timer that never comes; what counts is that a loop drops it when it is closed."""

    def __call__(self) -> None:
        """Do nothing."""


def _tell_when_closed(loop: Loop) -> Callable[[], None]:
    """Let *loop* lose its connections when its event loop is closed; return what takes that back."""
    timer = _Timer()
    handle = weakref.ref(asyncio.get_running_loop().call_later(FAR_AWAY, timer))
    telling = weakref.finalize(timer, _lose, weakref.ref(loop))
    telling.atexit = False

    def forget() -> None:
        telling.detach()
        pending = handle()
        if pending is not None:
            pending.cancel()

    weakref.finalize(loop, forget).atexit = False
    return forget


def _lose(reference: "weakref.ref[Loop]") -> None:
    loop = reference()
    if loop is not None:
        loop.lose()


async def settled(work: "asyncio.Future[T]", give_up: Callable[[], bool]) -> T:
    """Await *work*; when the caller is cancelled, *give_up* what was not started, and see what was to its end.

    That is for so long as the caller may be kept waiting; *work* goes on without it after that.
    """
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if not give_up() and not work.done():
            await asyncio.wait([work], timeout=SETTLING_TIME)
        raise
