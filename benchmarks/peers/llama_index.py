"""LlamaIndex' `SQLAlchemyChatStore`. It reads the oldest first, so the newest are what comes after all but 20."""

from llama_index.core.llms import ChatMessage
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore

from ..places import Place
from ..workload import TURN, WINDOW, conversation

CHUNK = 500


def messages(count: int) -> list[ChatMessage]:
    """Return *count* messages of a conversation."""
    return [ChatMessage(role=role, content=content) for role, content in conversation(count)]


class SqlChatStore:
    """The store, which is async only."""

    name = "LlamaIndex SQLAlchemyChatStore"
    kind = "peer"
    awaits = True
    keeps_order = False

    def __init__(self, place: Place) -> None:
        self._engine = place.async_engine()
        self._store = SQLAlchemyChatStore("chat_messages", async_engine=self._engine)

    async def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            await self._store.add_messages(session_id, messages(min(CHUNK, count - start)))

    async def append_turn(self, session_id: str) -> None:
        await self._store.add_messages(session_id, messages(TURN))

    async def read_newest(self, session_id: str) -> object:
        count = await self._store.count_messages(session_id)
        return await self._store.get_messages(session_id, limit=WINDOW, offset=max(0, count - WINDOW))

    async def close(self) -> None:
        await self._engine.dispose()
