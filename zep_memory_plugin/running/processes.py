"""What belongs to one process and must not be carried over a fork: engines, threads, locks."""

import asyncio
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool

from ..databases.protocol import FileId
from ..errors import DatabaseUnavailable
from ..units import Unit
from . import engines, forks, schema
from .connections import Opened, undo_before_the_end
from .engines import Source
from .loops import Loop
from .pool import LONGEST_WAIT
from .slots import Slots
from .taken import Taken, taker
from .underway import Underway, within

logger = logging.getLogger(__name__)

READERS = max(2, min(8, os.cpu_count() or 2))
"""Threads for the reads of async callers where the driver blocks; more than processors get in each other's way.

On two processors, turns of 64 coroutines: 740 a second with eight threads, 870 with two.
"""

CLOSING_STEP = 0.001
"""Seconds between two looks at connections that others are closing."""

STEPS_BEFORE_COLLECTING = 50

REPLACED = (
    "the database file was deleted or replaced while it was open; "
    "nothing more is written to the old one, and the next call opens what is at its path now"
)
OF_THE_PARENT = "the database in memory belongs to the process that this one was forked from; make a manager here"
LEFT_OPEN = (
    "the process was forked from one that was amid work on the same SQLite file, which SQLite does not allow; "
    "fork when nothing is under way, or start the process by spawning it"
)


class Process:
    """The engines, threads and locks of one process."""

    def __init__(self, source: Source) -> None:
        self.pid = os.getpid()
        self.prepared = False
        """Whether the tables are there and of our revision."""
        self.known = False
        """Whether the tables were seen once, so that a server that is away is one that was there."""
        self.underway = Underway()
        self.queue = threading.Lock()
        self._alone = source.in_memory or source.database.one_writer
        writers = 1 if self._alone else engines.CONNECTIONS - engines.LEFT_TO_READS
        self._readers: Executor = ThreadPoolExecutor(READERS, thread_name_prefix="zep-memory-read")
        self._writers: Executor = ThreadPoolExecutor(writers, thread_name_prefix="zep-memory-write")
        self._source = source
        self._file: FileId | None = None
        self._making = threading.Lock()
        self._engine: Engine | None = None
        self._pool_let_go: Pool | None = None
        self._parents: Process | None = None
        """What must not be collected in this process, as that would close the parent's connections."""
        self._taken = None if source.given is None else Taken.of(source.given)
        self._opened = Opened(source.database)
        self._slots = Slots(self._room_for_loops)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Loop] = weakref.WeakKeyDictionary()

    @property
    def owns_engine(self) -> bool:
        """Whether the blocking engine was made here, rather than given by the application."""
        return self._source.engine is None

    def threads(self, unit: Unit) -> Executor:
        """Return the threads for *unit* of an async caller whose driver blocks."""
        return self._writers if unit.writes or self._source.in_memory else self._readers

    def engine(self) -> Engine:
        """Return the blocking engine, made when it is first asked for."""
        if self._engine is not None:
            return self._engine
        self._refuse_file_left_open()
        with self._making:
            if self._engine is None:
                given = self._source.engine
                self._engine = self._own_blocking(engines.make_engine(self._source)) if given is None else given
                undo_before_the_end(self._engine, self._source.database)
            return self._engine

    async def loop(self) -> Loop:
        """Return what belongs to the running event loop, made when it is first asked for."""
        known = self._loop_here()
        if known is not None and not known.ended:
            return known
        self._refuse_file_left_open()
        self._source.database.keep_logs_clean()
        given = self._source.async_engine
        engine = engines.make_async_engine(self._source) if given is None else given
        made = Loop(engine, self._source.database, self._slots, _leaving(self.underway), owned=given is None)
        if given is None:
            self._own(engine.sync_engine, made.opened)
        undo_before_the_end(engine.sync_engine, self._source.database)
        self._loops[asyncio.get_running_loop()] = made
        await made.begin()
        return made

    def blocks_its_loop(self) -> bool:
        """Tell whether this thread blocks an event loop of its own that has locks."""
        here = self._loop_here()
        return here is not None and here.locking

    def is_amid_a_transaction(self) -> bool:
        """Tell whether who calls has a transaction open, on the engine that was given, for which our writes wait."""
        if self._taken is None or not self._source.database.one_writer:
            return False
        return self._taken.amid_a_transaction(self._source.database, taker())

    def prepare(self, connection: Connection) -> None:
        """Make sure that the tables are there and of our revision."""
        if schema.prepare(connection) and self.known:
            logger.warning("all tables were dropped while this manager was open; empty ones were made")
        self.prepared = self.known = True

    def look_again(self, *, replaced: bool) -> None:
        """Take in that the tables may be others by now, and perhaps the file *replaced*."""
        self.prepared = False
        if replaced:
            self._file = None
            if self.owns_engine and self._engine is not None:
                self._engine.dispose()

    def close(self, reason: str) -> None:
        """Refuse what is to begin, for a *reason*, wait for what is under way, and close what was made here.

        What this thread holds up is not waited for; it closes everything when it ends.
        """
        self.underway.refuse(reason)
        within(LONGEST_WAIT, self.underway.end_of_all_but(self._stuck_here()))
        self._close_at_the_end()

    async def aclose(self, reason: str) -> None:
        """Close what was made here, and on the running event loop what only that can close. See `close`."""
        self.underway.refuse(reason)
        quiet = self.underway.end_of_all_but([threading.get_ident()])
        await asyncio.wait([asyncio.wrap_future(quiet)], timeout=LONGEST_WAIT)
        here = self._loop_here()
        if here is not None:
            await here.end()
        self._close_at_the_end()

    def let_go(self, deadline: float) -> None:
        """Close, until the monotonic *deadline*, what must not be open while the process forks. See `forks`."""
        within(deadline - time.monotonic(), self.underway.end_of_all_but(self._stuck_here()))
        if self._source.database.bound_to_process and not self._source.in_memory:
            self._let_go_of_engine(deadline)
            self._let_go_of_loops(deadline)
            self._let_go_of_given_async()

    def left_open(self, deadline: float) -> FileId | None:
        """Return the file that is still open at the monotonic *deadline*, although it must not be, or None."""
        file = self._source.database.file_of(self._source.located)
        if file is None:
            return None
        steps = 0
        while self._source.database.not_closed(file):
            if time.monotonic() > deadline:
                return file
            if steps == STEPS_BEFORE_COLLECTING:
                gc.collect()  # for what was dropped while it was being opened, which only that closes
            steps += 1
            time.sleep(CLOSING_STEP)
        return file if self._given_has_connections() else None

    def child(self) -> "Process":
        """Return what belongs to the process that was forked from this one: the same source, and nothing else."""
        given = self._source.given
        child = Process(self._source)
        if self._source.in_memory and (given is not None or self._engine is not None):
            child.underway.refuse(OF_THE_PARENT)
        elif given is not None:
            given.dispose(close=False)
        if self.underway.refusal is not None:
            child.underway.refuse(self.underway.refusal)
        if self._is_left_open():
            self._source.database.keep_parents()
            child._parents = self
        return child

    def _own_blocking(self, engine: Engine) -> Engine:
        if not self._source.in_memory:
            self._opened.end_lost(engine)
        return self._own(engine, self._opened)

    def _own(self, engine: Engine, opened: Opened) -> Engine:
        """Prepare every connection that an *engine* of ours will open."""
        event.listen(engine, "connect", self._configure)
        opened.watch(engine)
        return engine

    def _configure(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Make the settings of a new connection, and see whether it leads where the others do."""
        cursor = connection.cursor()
        self._source.database.configure(cursor, record, self._source.settings)
        file = self._source.database.open_file_of(record.driver_connection)
        before, self._file = self._file, file
        if before not in (None, file):
            self.prepared = False
            raise DatabaseUnavailable(REPLACED)
        if self.prepared:
            self.prepared = schema.is_current(cursor, self._source.names)
        cursor.close()

    def _refuse_file_left_open(self) -> None:
        if self._is_left_open():
            raise DatabaseUnavailable(LEFT_OPEN)

    def _is_left_open(self) -> bool:
        return forks.left_open(self._source.database.file_of(self._source.located))

    def _room_for_loops(self) -> int:
        """Return how many connections event loops may have together, beside those of blocking callers."""
        return max(engines.CONNECTIONS // 2, engines.CONNECTIONS - len(self._opened))

    def _loop_here(self) -> Loop | None:
        running = asyncio._get_running_loop()
        return None if running is None else self._loops.get(running)

    def _stuck_here(self) -> Sequence[object]:
        """Return where nothing goes on while this thread waits."""
        return threading.get_ident(), self._loop_here()

    def _close_at_the_end(self) -> None:
        self.underway.end_of_all_but(()).add_done_callback(lambda _: self._close())

    def _close(self) -> None:
        self._readers.shutdown(wait=False)
        self._writers.shutdown(wait=False)
        if self._engine is not None and self.owns_engine:
            memory = self._opened.all() if self._source.in_memory else []
            self._engine.dispose()
            for driver in memory:
                self._source.database.end(driver)
        for loop in list(self._loops.values()):
            loop.let_go()

    def _let_go_of_engine(self, deadline: float) -> None:
        if self._engine is None:
            return
        self._pool_let_go = self._engine.pool
        self._engine.dispose()
        if self.owns_engine and not self.underway:
            self._opened.end(deadline - time.monotonic())

    def _let_go_of_loops(self, deadline: float) -> None:
        for loop in list(self._loops.values()):
            if loop is self._loop_here() or not self.underway.on(loop):
                loop.let_go(deadline - time.monotonic())

    def _let_go_of_given_async(self) -> None:
        """Close what is idle in an engine of the application's; what is not idle is the application's affair."""
        given = self._source.async_engine
        if given is None or not isinstance(given.pool, QueuePool):
            return
        idle = Opened(self._source.database)
        for _ in range(given.pool.checkedin()):
            with suppress(SQLAlchemyError):  # one that is not connected now, and cannot be here
                taken = given.sync_engine.raw_connection()
                idle.add(taken.driver_connection)
                taken.invalidate()
        idle.end()

    def _given_has_connections(self) -> bool:
        given = None if self.owns_engine else self._pool_let_go
        pools = [given, self._source.async_engine and self._source.async_engine.pool]
        return any(isinstance(pool, QueuePool) and pool.checkedout() for pool in pools)


def _leaving(underway: Underway) -> Callable[[Loop], None]:
    """Return what takes in that a loop was closed: its units never end, and nobody is to wait for them."""

    def leave(loop: Loop) -> None:
        for unit in underway.on(loop):
            underway.leave(unit)

    return leave
