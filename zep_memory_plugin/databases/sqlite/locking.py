"""How a write waits until no other process writes to the file.

SQLite's own way is to sleep, for up to 100 ms at a time, while the lock may be freed and taken again many times over:
of two busy processes one starves. So a connection that had to wait looks for the lock itself, often, for a while.

Here: connections to a file that are opened here. An application's own wait as it has told them to, and how the writers
of one process queue is `running`'s.
"""

import random
import sqlite3
import time

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..protocol import Send
from .errors import failure
from .files import FileConnection

FIRST_SLEEP = 0.001
"""Seconds that SQLite sleeps for at first: a write that took as long to begin has waited."""

CONTENDED_FOR = 1.0
"""Seconds after a wait in which another process is taken to write, too."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.0006, 0.01
"""Seconds between two looks, before chance: it is looked less often for a lock that somebody holds for long."""

LOOKS = 50
"""Looks, about, in the time that was waited so far."""


def begin(connection: Connection, send: Send) -> None:
    """Begin a transaction that writes, when nobody else does."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, FileConnection):
        send("BEGIN IMMEDIATE")
        return
    started = time.monotonic()
    if started < driver.contended_until:
        has_waited = _begin_among_others(driver, send)
    else:
        send("BEGIN IMMEDIATE")
        has_waited = time.monotonic() - started >= FIRST_SLEEP
    if has_waited:
        driver.contended_until = time.monotonic() + CONTENDED_FOR


def _begin_among_others(driver: FileConnection, send: Send) -> bool:
    """Begin without SQLite's patience but for as long as that, and tell whether it took a second look."""
    patience = _patience(driver)
    _patience(driver, "=0")
    try:
        return _looked_until_begun(send, patience / 1000)
    finally:
        _patience(driver, f"={patience}")


def _patience(driver: sqlite3.Connection, change: str = "") -> int:
    """Return for how many milliseconds SQLite waits, by now; its whole answer is read, which else would hold a lock."""
    ((milliseconds,),) = sqlite3.Cursor(driver).execute(f"PRAGMA busy_timeout{change}").fetchall()
    return int(milliseconds)


def _looked_until_begun(send: Send, patience: float) -> bool:
    started, waited = time.monotonic(), 0.0
    while True:
        try:
            send("BEGIN IMMEDIATE")
            return waited > 0
        except DBAPIError as error:
            waited = time.monotonic() - started
            if waited >= patience or not failure(error).locked_out:
                raise
        pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, waited / LOOKS))
        time.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311
