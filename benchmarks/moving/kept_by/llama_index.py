"""LlamaIndex's `SQLAlchemyChatStore`, in a file of SQLite."""

import asyncio

from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore

from ..spoken import Said, Talks
from ._llama_index import all_said, message

TABLE = "llama_index_memory"


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""

    async def add(store: SQLAlchemyChatStore) -> None:
        for session, said in talks:
            await store.add_messages(session, [message(each) for each in said])
        await store._async_engine.dispose()

    asyncio.run(add(_store(place)))


def read(place: str) -> Talks:
    """Read each session as an application does."""

    async def get(store: SQLAlchemyChatStore) -> list[tuple[str, list[Said]]]:
        keys = sorted(await store.get_keys())
        got = [(key, all_said(await store.get_messages(key))) for key in keys]
        await store._async_engine.dispose()
        return got

    return iter(asyncio.run(get(_store(place))))


def _store(place: str) -> SQLAlchemyChatStore:
    return SQLAlchemyChatStore(TABLE, f"sqlite+aiosqlite:///{place}")
