"""Another program beside a manager: plain connections to its database, that know nothing of this package."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

PATIENCE = 60.0
"""Seconds after which nothing more is waited for."""

POSTGRES_LOCKED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
      AND (state LIKE 'idle in transaction%' OR (state = 'active' AND backend_xid IS NOT NULL))
"""


def is_sqlite(url: str) -> bool:
    """Tell whether *url* is of an SQLite database, with whichever driver."""
    return url.startswith("sqlite")


def is_file(url: str) -> bool:
    """Tell whether *url* is of an SQLite database in a file, which other processes can open."""
    return is_sqlite(url) and url != "sqlite://" and "mode=memory" not in url


def path_of(url: str) -> Path:
    """Return the file of an SQLite database."""
    return Path(url.partition(":///")[2].partition("?")[0])


def plain(url: str) -> str:
    """Return *url* of Postgres as a program without SQLAlchemy has it."""
    return f"postgresql:{url.partition(':')[2]}"


def execute(url: str, statement: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    """Run *statement* on a connection of its own, and return the rows."""
    if is_sqlite(url):
        with closing(sqlite3.connect(path_of(url), isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()
    with psycopg.connect(plain(url), autocommit=True) as connection:
        cursor = connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """Hold a lock that every write of a session has to wait for."""
    if is_sqlite(url):
        with closing(sqlite3.connect(path_of(url), isolation_level=None, check_same_thread=False)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(plain(url)) as connection:
            connection.execute("LOCK TABLE zep_sessions, zep_messages IN EXCLUSIVE MODE")
            yield
            connection.rollback()


def is_locked(url: str) -> bool:
    """Tell whether anybody holds a lock that a write would have to wait for."""
    if not is_sqlite(url):
        return bool(execute(url, POSTGRES_LOCKED)[0][0])
    with closing(sqlite3.connect(path_of(url), isolation_level=None, timeout=0.05)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
    return False


def becomes(condition: Callable[[], bool]) -> bool:
    """Wait until *condition* holds, and tell whether it does after all."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def becomes_free(url: str) -> bool:
    """Wait for the end of what still holds a lock, and tell whether it came."""
    return becomes(lambda: not is_locked(url))


def is_intact(url: str) -> bool:
    """Let SQLite check the whole of its file; Postgres needs no such check."""
    return not is_sqlite(url) or execute(url, "PRAGMA integrity_check") == [("ok",)]


@contextmanager
def row_locks(url: str, session_ids: list[str]) -> Iterator[None]:
    """Hold the locks of some sessions' rows, on Postgres."""
    with psycopg.connect(plain(url)) as connection:
        connection.execute("SELECT 1 FROM zep_sessions WHERE session_id = ANY(%s) FOR UPDATE", [session_ids])
        yield
        connection.rollback()


def is_waiting(url: str) -> bool:
    """Tell whether anybody waits for a lock of the Postgres database."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(execute(url, waiting))
