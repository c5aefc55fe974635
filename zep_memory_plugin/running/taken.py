"""The connections of an engine of the application's that it has taken out itself, and by whom each was taken.

Where one connection writes at a time, a write of ours waits for theirs; and in vain, where who took it waits for us.
"""

import asyncio
import threading
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from ..databases import Database
from .living import Living

_TAKER = "zep_memory_taker"
"""The key under which a connection has who took it."""

_WATCHED: "WeakKeyDictionary[Engine, Taken]" = WeakKeyDictionary()


def taker() -> object:
    """Return who is at work here: a task of the event loop that runs here, or else this thread."""
    running = asyncio._get_running_loop()
    return threading.get_ident() if running is None else asyncio.current_task(running)


class Taken:
    """What is taken of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._entries: Living[ConnectionPoolEntry] = Living()
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._given_back)
        event.listen(engine, "detach", self._given_back)

    @classmethod
    def of(cls, engine: Engine) -> "Taken":
        """Return what is taken of *engine*, which several managers may have."""
        if engine not in _WATCHED:
            _WATCHED[engine] = cls(engine)
        return _WATCHED[engine]

    def amid_a_transaction(self, database: Database, by: object) -> bool:
        """Tell whether a connection was taken *by* someone and has not been committed."""
        return any(
            entry.info.get(_TAKER) == by and not database.clean(entry.driver_connection) for entry in self._entries
        )

    def _taken(self, _: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        entry.info[_TAKER] = taker()
        self._entries.add(entry)

    def _given_back(self, _: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info.pop(_TAKER, None)
        self._entries.discard(entry)
