"""The life of a connection, and what becomes of it when its owner disappears.

**The rule.** A connection belongs to one unit of work at a time, and the unit gives it back itself: without a
transaction, or ended, which is rolled back and closed. It never waits for the garbage collector, or for a traceback
that someone keeps, to do so. A unit that was started is never cut in half: it is carried to its end, or its
transaction is rolled back and it may be sent again. So, when an owner disappears:

1. *The caller is cancelled.* A unit that has no connection yet never begins. Any other goes on to its end, without its
   caller: in its thread, or as a task that belongs to the event loop and that nobody else can cancel.
2. *The caller is interrupted* (KeyboardInterrupt, SystemExit), at whatever moment: the transaction is rolled back
   before the exception leaves the call, and the connection is ended; one that is lost between the pool and the caller
   is ended with its entry in the pool. Only one that is a database in memory is kept.
3. *An event loop ends.* `asyncio.run` and whoever else shuts its generators down waits for its units and closes its
   connections in order. A loop that is just closed, amid a unit or not, has its connections ended from outside, then.
4. *The manager is closed.* What is to begin is refused, what is under way comes to its end, then connections are
   closed: by `close`, or where that cannot wait for it, by the last unit.
5. *The process forks.* Postgres' connections stay the parent's; the child opens others. A connection to SQLite must not
   be open then, as the child's locks on the file would not count: what is to begin waits, what is under way comes to
   its end, connections are closed, and both sides open others. What cannot end in time stays open, and the child, which
   is told so, leaves the file alone. A database in memory stays the parent's. Locks and threads are new in the child.
6. *The file is deleted or replaced.* No commit in it is acknowledged, and a connection that was idle looks before it is
   used; the caller is told, and the next call opens what is there then.
7. *The tables are changed.* They are looked at again with each new connection and after a statement that fails.

It holds for every driver, and here is the code that keeps it; only what a driver must do in its own way, such as
closing a connection from outside of its loop, is in `databases`. An engine of the application opens and closes its
connections itself; what is said of transactions, interrupts, forks and files holds for those while a unit has them.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from traceback import clear_frames
from types import TracebackType
from typing import Any
from weakref import ref

from greenlet import GreenletExit  # type: ignore[import-untyped]  # it has no stubs
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry

from ..databases import Database
from ..databases.protocol import DriverConnection
from ..errors import InvalidInput
from .living import Living

UNAWAITED = (GeneratorExit, GreenletExit)
"""What ends a unit whose event loop is gone, so that nothing can be awaited any more."""

ENDING_TIME = 1.0
"""How long it is waited for connections to be ended from outside, in seconds; it goes on after that."""
OPTION_REFUSED = "has an option in its URL that the driver does not understand"


def _nobody() -> None:
    """Tell nobody."""


class Opened:
    """The connections of one engine that are open, as their driver knows them."""

    def __init__(self, database: Database, when_closed: Callable[[], None] = _nobody) -> None:
        self._database = database
        self._when_closed = when_closed
        self._drivers: Living[DriverConnection] = Living()
        self._entries: dict[int, ref[ConnectionPoolEntry]] = {}
        self._pid = os.getpid()

    def __len__(self) -> int:
        return len(self._drivers)

    def watch(self, engine: Engine) -> None:
        """Follow the connections of an *engine* that was made here."""
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "close", self._closed)

    def end_lost(self, engine: Engine) -> None:
        """End connections of a blocking *engine* with their entries in its pool, which an interrupt may lose."""
        event.listen(engine, "connect", self._tie)

    def add(self, driver: DriverConnection) -> None:
        """Take in a connection that was just opened, or is just held."""
        self._drivers.add(driver)

    def discard(self, driver: DriverConnection) -> None:
        """Take in that a connection is closed, or held no more."""
        self._entries.pop(id(driver), None)
        self._drivers.discard(driver)
        self._when_closed()

    def all(self) -> list[DriverConnection]:
        """Return the connections that are open now."""
        return list(self._drivers)

    def end(self, patience: float = ENDING_TIME) -> None:
        """End what is open, in a thread that has no event loop, and wait for up to *patience* until that is done."""
        drivers = self.all()
        if drivers:
            ending = threading.Thread(target=self._end, args=(drivers,), name="zep-memory-end", daemon=True)
            with suppress(RuntimeError):  # the interpreter shuts down, and ends them itself
                ending.start()
                ending.join(max(0.0, patience))

    def _end(self, drivers: Iterable[DriverConnection]) -> None:
        for driver in drivers:
            self._database.end(driver)
            self.discard(driver)

    def _connected(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        self.add(record.driver_connection)

    def _tie(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        driver = record.driver_connection
        self._entries[id(driver)] = ref(record, partial(self._lost, driver))

    def _lost(self, driver: DriverConnection, _: object) -> None:
        if self._pid == os.getpid():  # the parent's connections are left to it
            self._database.end(driver)
        self.discard(driver)

    def _closed(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        self.discard(record.driver_connection)


def undo_before_the_end(engine: Engine, database: Database) -> None:
    """Let no connection of *engine* be closed amid a transaction, which closing alone does not end everywhere."""
    if not event.contains(engine, "invalidate", database.invalidated):  # several managers may have an engine
        event.listen(engine, "invalidate", database.invalidated)


class Held:
    """A connection that one unit of work has, and what becomes of it when the unit ends or is ended."""

    def __init__(
        self, engine: Engine, database: Database, *, owned: bool, kept: bool, given_to: Opened | None = None
    ) -> None:
        """Get one of *engine*, which is *owned* when it was made here.

        Where the connection is *kept*, it is a whole database, and nothing ends it. One that lives on an event loop and
        is the application's is *given_to* what knows it meanwhile.
        """
        self._engine = engine
        self._database = database
        self._owned = owned
        self._kept = kept
        self._given_to = given_to

    def __enter__(self) -> Connection:
        self._connection = connection = _connected(self._engine)
        self._driver: DriverConnection = connection.connection.driver_connection
        if self._given_to is not None:
            self._given_to.add(self._driver)
        return connection

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, UNAWAITED) and self._connection.dialect.is_async:
            return  # it is ended from outside
        if isinstance(error, Exception) and self._database.failure(error).outlived:
            self._renew(error)
        if error is None or isinstance(error, Exception):
            self._give_back()
        else:
            self._abandon(trace)
        if self._given_to is not None:
            self._given_to.discard(self._driver)

    def _give_back(self) -> None:
        if self._owned and not self._kept and not self._database.clean(self._driver):
            self._connection.invalidate()
        self._connection.close()

    def _renew(self, error: Exception) -> None:
        """Let the pool open another connection for every one that it has."""
        if not self._connection.invalidated:
            self._engine.pool._invalidate(self._connection.connection, error, _checkin=False)
            self._connection.invalidate(error)

    def _abandon(self, trace: TracebackType | None) -> None:
        """Give up a connection amid a statement, or amid what SQLAlchemy does; what it fails at then is no news.

        The frames of *trace*, which someone may keep, would else keep the statement going.
        """
        self._database.undo(self._driver)
        clear_frames(trace)
        if not self._kept:
            with suppress(Exception):
                self._connection.invalidate()
        with suppress(Exception):
            self._connection.close()


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except InvalidInput:
        raise
    except (TypeError, ValueError, ProgrammingError) as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) is not None:
            raise  # the server's word, about what is asked on each new connection
        # the others' words repeat the option's value
    raise InvalidInput("database", OPTION_REFUSED)


class Memory:
    """Opens the one connection of an *engine* that is a database in memory."""

    def __init__(self, engine: Engine) -> None:
        self._connection: DBAPIConnection | None = None
        event.listen(engine, "do_connect", self.connect)
        event.listen(engine, "handle_error", self.keep)

    def connect(self, dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Return the connection, opened when it is first asked for."""
        if self._connection is None:
            self._connection = dialect.connect(*arguments, **options)
        return self._connection

    def keep(self, error: ExceptionContext) -> None:
        """Keep SQLAlchemy from taking an interrupt for the end of the connection."""
        error.is_disconnect = False
