"""LangChain's `PostgresChatMessageHistory`. It reads the whole session; a window is what is cut off afterwards.

It is given a connection; here they come from a pool as large as SQLAlchemy's, and go back after each call.
"""

import psycopg
from langchain_postgres import PostgresChatMessageHistory
from psycopg_pool import AsyncConnectionPool

from ..places import Place
from ..workload import TURN, WINDOW
from .langchain_community import CHUNK, messages

TABLE = "message_store"
POOL = 15


class PostgresHistory:
    """The blocking calls, on one connection."""

    name = "LangChain PostgresChatMessageHistory"
    kind = "peer"
    awaits = False
    keeps_order = False

    def __init__(self, place: Place) -> None:
        self._connection = psycopg.connect(place.url)
        PostgresChatMessageHistory.create_tables(self._connection, TABLE)

    def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            self._history(session_id).add_messages(messages(min(CHUNK, count - start)))

    def append_turn(self, session_id: str) -> None:
        self._history(session_id).add_messages(messages(TURN))

    def read_newest(self, session_id: str) -> object:
        found = self._history(session_id).get_messages()[-WINDOW:]
        self._connection.rollback()
        return found

    def close(self) -> None:
        self._connection.close()

    def _history(self, session_id: str) -> PostgresChatMessageHistory:
        return PostgresChatMessageHistory(TABLE, session_id, sync_connection=self._connection)


class AsyncPostgresHistory:
    """The async calls."""

    name = "LangChain PostgresChatMessageHistory"
    kind = "peer"
    awaits = True
    keeps_order = False

    def __init__(self, place: Place) -> None:
        with psycopg.connect(place.url) as connection:
            PostgresChatMessageHistory.create_tables(connection, TABLE)
        self._pool = AsyncConnectionPool(place.url, min_size=POOL, max_size=POOL, open=False)

    async def fill(self, session_id: str, count: int) -> None:
        await self._pool.open(wait=True)
        for start in range(0, count, CHUNK):
            await self._append(session_id, min(CHUNK, count - start))

    async def append_turn(self, session_id: str) -> None:
        await self._append(session_id, TURN)

    async def _append(self, session_id: str, count: int) -> None:
        async with self._pool.connection() as connection:
            history = PostgresChatMessageHistory(TABLE, session_id, async_connection=connection)
            await history.aadd_messages(messages(count))

    async def read_newest(self, session_id: str) -> object:
        async with self._pool.connection() as connection:
            history = PostgresChatMessageHistory(TABLE, session_id, async_connection=connection)
            return (await history.aget_messages())[-WINDOW:]

    async def close(self) -> None:
        await self._pool.close()
