"""The limit on Postgres: asyncpg and psycopg, writing the rows that we write.

An append is what one would write by hand: BEGIN, the upsert that takes the places, the insert, COMMIT.
"""

import uuid
from datetime import UTC, datetime

import asyncpg
import psycopg

from zep_memory_plugin.uuids import new_uuid

from ..places import Place
from ..workload import TURN, WINDOW, conversation
from .bare import CHUNK, COLUMNS, as_messages, create_tables, drop_search, keep_words, rows, turn_rows

POOL = 15


def statements(marks: list[str], takes: tuple[str, str, str, str], newest: tuple[str, str]) -> tuple[str, str, str]:
    """Return the upsert, the insert and the read with a driver's own marks for parameters."""
    session, key, now, count = takes
    take = (
        "INSERT INTO zep_sessions "
        "(session_id, uuid, created_at, updated_at, last_active_at, active_hour, revision, last_seq) "
        f"VALUES ({session}, {key}, {now}, {now}, {now}, 0, 0, {count}) ON CONFLICT (session_id) DO UPDATE "
        "SET last_seq = zep_sessions.last_seq + excluded.last_seq, updated_at = excluded.updated_at RETURNING last_seq"
    )
    insert = f"INSERT INTO zep_messages ({', '.join(COLUMNS)}) VALUES ({', '.join(marks)})"
    read = (
        f"SELECT role_type, content, uuid FROM zep_messages WHERE session_id = {newest[0]} AND deleted_at IS NULL "
        f"ORDER BY seq DESC LIMIT {newest[1]}"
    )
    return take, insert, read


def at_once(now: str, session: str, arrays: tuple[str, str, str]) -> str:
    """Return the one statement that appends a turn to a session that is there, with a driver's own marks."""
    uuids, roles, contents = arrays
    return (
        f"WITH taken AS (UPDATE zep_sessions SET last_seq = last_seq + {TURN}, revision = revision + 1, "
        f"updated_at = {now}, last_active_at = {now} WHERE session_id = {session} RETURNING session_id, last_seq) "
        "INSERT INTO zep_messages (session_id, seq, uuid, role, role_type, content, token_count, created_at) "
        f"SELECT session_id, last_seq - {TURN} + n, uuid, role, role, content, 50, {now} FROM taken, "
        f"unnest({uuids}::uuid[], {roles}::text[], {contents}::text[]) WITH ORDINALITY AS said (uuid, role, content, n)"
    )


def _turn() -> tuple[list[uuid.UUID], list[str], list[str]]:
    """Return the uuids, roles and contents of the next turn."""
    said = list(conversation())
    return [new_uuid() for _ in said], [role for role, _ in said], [content for _, content in said]


async def _nothing(_: object) -> None:
    """Leave a connection as it is when it goes back, which asyncpg else spends a round trip on."""


class BareAsyncpg:
    """A pool of asyncpg, as large as SQLAlchemy's."""

    name = "bare asyncpg"
    kind = "limit"
    awaits = True
    keeps_order = True

    def __init__(self, place: Place) -> None:
        self._place = place
        create_tables(place)
        drop_search(place)
        self._pool: asyncpg.Pool | None = None
        self._take, self._insert, self._read = statements(
            [f"${number}" for number in range(1, len(COLUMNS) + 1)], ("$1", "$2", "$3", "$4"), ("$1", "$2")
        )

    async def fill(self, session_id: str, count: int) -> None:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(self._place.url, min_size=POOL, max_size=POOL, reset=_nothing)
        for start in range(0, count, CHUNK):
            chunk = list(conversation(min(CHUNK, count - start)))
            async with self._pool.acquire() as connection, connection.transaction():
                now = datetime.now(UTC)
                last_seq = await connection.fetchval(self._take, session_id, uuid.uuid4(), now, len(chunk))
                new = rows(session_id, last_seq - len(chunk), chunk, new_uuid, now)
                await connection.copy_records_to_table("zep_messages", records=new, columns=COLUMNS)

    async def append_turn(self, session_id: str) -> None:
        assert self._pool is not None
        async with self._pool.acquire() as connection, connection.transaction():
            now = datetime.now(UTC)
            last_seq = await connection.fetchval(self._take, session_id, uuid.uuid4(), now, TURN)
            await connection.executemany(self._insert, turn_rows(session_id, last_seq, new_uuid, now))

    async def read_newest(self, session_id: str) -> object:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            return as_messages(await connection.fetch(self._read, session_id, WINDOW))

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


class IndexedAsyncpg(BareAsyncpg):
    """The same with an index of words, and a turn in one statement."""

    name = "asyncpg, one statement, with GIN"
    _append = at_once("$5", "$1", ("$2", "$3", "$4"))

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        keep_words(place)

    async def append_turn(self, session_id: str) -> None:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            await connection.execute(self._append, session_id, *_turn(), datetime.now(UTC))


class BarePsycopg:
    """One connection of psycopg."""

    name = "bare psycopg"
    kind = "limit"
    awaits = False
    keeps_order = True

    def __init__(self, place: Place) -> None:
        create_tables(place)
        drop_search(place)
        self._connection = psycopg.connect(place.url, autocommit=True)
        self._take, self._insert, self._read = statements(
            ["%s"] * len(COLUMNS), ("%(session)s", "%(uuid)s", "%(now)s", "%(count)s"), ("%s", "%s")
        )

    def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            self._append(session_id, list(conversation(min(CHUNK, count - start))))

    def append_turn(self, session_id: str) -> None:
        self._append(session_id, list(conversation()))

    def _append(self, session_id: str, messages: list[tuple[str, str]]) -> None:
        now = datetime.now(UTC)
        taken = {"session": session_id, "uuid": uuid.uuid4(), "now": now, "count": len(messages)}
        with self._connection.transaction(), self._connection.cursor() as cursor:
            (last_seq,) = cursor.execute(self._take, taken).fetchone()  # type: ignore[misc]
            cursor.executemany(self._insert, rows(session_id, last_seq - len(messages), messages, new_uuid, now))

    def read_newest(self, session_id: str) -> object:
        return as_messages(self._connection.execute(self._read, (session_id, WINDOW)))  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()


class IndexedPsycopg(BarePsycopg):
    """The same with an index of words, and a turn in one statement."""

    name = "psycopg, one statement, with GIN"
    _one = at_once("%(now)s", "%(session)s", ("%(uuids)s", "%(roles)s", "%(contents)s"))

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        keep_words(place)

    def append_turn(self, session_id: str) -> None:
        uuids, roles, contents = _turn()
        values = {"session": session_id, "uuids": uuids, "roles": roles, "contents": contents, "now": datetime.now(UTC)}
        self._connection.execute(self._one, values)  # type: ignore[call-overload]
