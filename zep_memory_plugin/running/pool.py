"""The pool of blocking callers' connections, which no interrupt can spoil."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, Pool
from sqlalchemy.pool.base import _ConnectionRecord

from .living import Living

LONGEST_WAIT = 30.0
"""Seconds that a caller waits for a connection, as in SQLAlchemy's own pool."""

SLICE = 1.0
"""Seconds after which a caller who waits looks whether a connection was lost meanwhile, which makes room."""


Clean = Callable[[DBAPIConnection], bool]
"""Tells whether a connection has no transaction open."""


class SteadyPool(Pool):
    """Keeps up to so many connections; another is opened when none is idle.

    An interrupt may hit anywhere, so nothing is counted and no lock is entered but in one step: connections are taken
    from a queue that is written in C, and one that is lost on its way to a caller is garbage and leaves its room;
    `connections` ends it then.
    """

    def __init__(
        self, creator: Any, clean: Clean, pool_size: int = 1, timeout: float = LONGEST_WAIT, **options: Any
    ) -> None:
        super().__init__(creator, **options)
        self._clean = clean
        self._size = pool_size
        self._timeout = timeout
        self._idle: SimpleQueue[ConnectionPoolEntry] = SimpleQueue()
        self._records: Living[_ConnectionRecord] = Living()
        self._growing = threading.Lock()
        self._disposed = False

    def recreate(self) -> "SteadyPool":
        """Return a pool like this one, without connections."""
        return type(self)(
            self._creator,
            clean=self._clean,
            pool_size=self._size,
            timeout=self._timeout,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Close the connections that are idle now, and the others when they are given back."""
        self._disposed = True
        while (record := self._idle_one()) is not None:
            record.close()

    def status(self) -> str:
        """Say how many connections there are."""
        return f"{type(self).__name__} size: {self._size} connections: {len(self._records)}"

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._wait_for_one()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        connection = record.dbapi_connection
        if connection is not None and not self._clean(connection):
            record.invalidate()
        if self._disposed:
            record.close()
        else:
            self._idle.put(record)

    def _wait_for_one(self) -> ConnectionPoolEntry:
        for seconds in self._slices():
            record = self._another() or self._idle_one(seconds)
            if record is not None:
                return record
        raise PoolTimeout(f"each of {self._size} connections was in use for {self._timeout} seconds")

    def _another(self) -> ConnectionPoolEntry | None:
        """Return a connection that is opened by whoever takes it, when there is room for it."""
        with self._growing:
            if len(self._records) >= self._size:
                return None
            return self._records.add(_ConnectionRecord(self, connect=False))

    def _idle_one(self, seconds: float = 0.0) -> ConnectionPoolEntry | None:
        try:
            return self._idle.get(seconds > 0, seconds)
        except Empty:
            return None

    def _slices(self) -> Iterator[float]:
        end = time.monotonic() + self._timeout
        while (left := end - time.monotonic()) > 0:
            yield min(left, SLICE)
