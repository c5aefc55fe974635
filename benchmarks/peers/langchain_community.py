"""LangChain's `SQLChatMessageHistory`. It reads the whole session; a window is what is cut off afterwards."""

from typing import Any

from langchain_community.chat_message_histories import SQLChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ..places import Place
from ..workload import TURN, WINDOW, conversation

CHUNK = 5_000


def messages(count: int) -> list[BaseMessage]:
    """Return *count* messages of a conversation."""
    return [HumanMessage(text) if role == "user" else AIMessage(text) for role, text in conversation(count)]


class _Histories:
    """One history for each session, on one engine."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._made: dict[str, SQLChatMessageHistory] = {}

    def of(self, session_id: str) -> SQLChatMessageHistory:
        if session_id not in self._made:
            self._made[session_id] = SQLChatMessageHistory(session_id, connection=self.engine)
        return self._made[session_id]


class SqlHistory:
    """The blocking calls."""

    name = "LangChain SQLChatMessageHistory"
    kind = "peer"
    awaits = False
    keeps_order = False

    def __init__(self, place: Place) -> None:
        self._histories = _Histories(place.engine())

    def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            self._histories.of(session_id).add_messages(messages(min(CHUNK, count - start)))

    def append_turn(self, session_id: str) -> None:
        self._histories.of(session_id).add_messages(messages(TURN))

    def read_newest(self, session_id: str) -> object:
        return self._histories.of(session_id).messages[-WINDOW:]

    def close(self) -> None:
        self._histories.engine.dispose()


class AsyncSqlHistory:
    """The async calls."""

    name = "LangChain SQLChatMessageHistory"
    kind = "peer"
    awaits = True
    keeps_order = False

    def __init__(self, place: Place) -> None:
        self._histories = _Histories(place.async_engine())

    async def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            await self._histories.of(session_id).aadd_messages(messages(min(CHUNK, count - start)))

    async def append_turn(self, session_id: str) -> None:
        await self._histories.of(session_id).aadd_messages(messages(TURN))

    async def read_newest(self, session_id: str) -> object:
        return (await self._histories.of(session_id).aget_messages())[-WINDOW:]

    async def close(self) -> None:
        await self._histories.engine.dispose()
