"""The limit on SQLite: sqlite3, writing the rows that we write."""

import asyncio
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

from ..places import Place
from ..workload import TURN, WINDOW, conversation
from .bare import CHUNK, COLUMNS, as_messages, create_tables, keep_words, microseconds, rows, turn_rows, uuid_bytes

SESSION = (
    "INSERT INTO zep_sessions (session_id, id, uuid, created_at, updated_at, last_active_at, active_hour, last_seq, "
    "revision) VALUES (?, (SELECT coalesce(max(id), 0) + 1 FROM zep_sessions), ?, ?, ?, ?, 0, 0, 0)"
)
TAKE = "UPDATE zep_sessions SET last_seq = last_seq + ?, updated_at = ? WHERE session_id = ? RETURNING last_seq"
INSERT = f"INSERT INTO zep_messages ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
NEWEST = (
    "SELECT role_type, content, uuid FROM zep_messages WHERE session_id = ? AND deleted_at IS NULL "
    "ORDER BY seq DESC LIMIT ?"
)


def connect(place: Place) -> sqlite3.Connection:
    """Connect as our own connections are configured."""
    connection = sqlite3.connect(place.path, isolation_level=None, check_same_thread=False)
    for pragma in (*place.pragmas, "PRAGMA foreign_keys=ON", "PRAGMA secure_delete=ON"):
        connection.execute(pragma)
    return connection


class BareSqlite:
    """One connection, in the caller's thread."""

    name = "bare sqlite3"
    kind = "limit"
    awaits = False
    keeps_order = True

    def __init__(self, place: Place) -> None:
        create_tables(place)
        self._connection = connect(place)
        self._known: set[str] = set()

    def fill(self, session_id: str, count: int) -> None:
        if session_id not in self._known:
            now = microseconds()
            self._connection.execute(SESSION, (session_id, uuid_bytes(), now, now, now))
            self._known.add(session_id)
        for start in range(0, count, CHUNK):
            self._append(session_id, list(conversation(min(CHUNK, count - start))))

    def _append(self, session_id: str, messages: list[tuple[str, str]]) -> None:
        now = microseconds()
        self._connection.execute("BEGIN IMMEDIATE")
        (last_seq,) = self._connection.execute(TAKE, (len(messages), now, session_id)).fetchone()
        new = rows(session_id, last_seq - len(messages), messages, uuid_bytes, now)
        self._connection.executemany(INSERT, new)
        self._connection.execute("COMMIT")

    def append_turn(self, session_id: str) -> None:
        now = microseconds()
        self._connection.execute("BEGIN IMMEDIATE")
        (last_seq,) = self._connection.execute(TAKE, (TURN, now, session_id)).fetchone()
        self._connection.executemany(INSERT, turn_rows(session_id, last_seq, uuid_bytes, now))
        self._connection.execute("COMMIT")

    def read_newest(self, session_id: str) -> object:
        found = self._connection.execute(NEWEST, (session_id, WINDOW))
        return as_messages((role, content, uuid.UUID(bytes=key)) for role, content, key in found)

    def close(self) -> None:
        self._connection.close()


class IndexedSqlite(BareSqlite):
    """The same, with FTS5 beside it, so that what was said can be searched."""

    name = "sqlite3 with FTS5"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        keep_words(place)


class BareSqliteInThread:
    """The same, in one thread that an event loop hands the work to."""

    name = "bare sqlite3 in a thread"
    kind = "limit"
    awaits = True
    keeps_order = True
    blocking: type[BareSqlite] = BareSqlite

    def __init__(self, place: Place) -> None:
        self._blocking = self.blocking(place)
        self._thread = ThreadPoolExecutor(1)

    async def fill(self, session_id: str, count: int) -> None:
        self._blocking.fill(session_id, count)

    async def append_turn(self, session_id: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._blocking.append_turn, session_id)

    async def read_newest(self, session_id: str) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._blocking.read_newest, session_id)

    async def close(self) -> None:
        self._thread.shutdown()
        self._blocking.close()


class IndexedSqliteInThread(BareSqliteInThread):
    """With FTS5, in a thread."""

    name = "sqlite3 with FTS5 in a thread"
    blocking = IndexedSqlite
