"""This package, through its LangChain history."""

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from zep_memory_plugin import langchain as adapters

from ..places import Place
from ..workload import WINDOW, conversation
from .zep import Zep, ZepBlocking


def turn() -> list[BaseMessage]:
    """Return the two messages of a turn."""
    (_, question), (_, answer) = conversation()
    return [HumanMessage(question), AIMessage(answer)]


class ZepHistoryBlocking(ZepBlocking):
    """The history's blocking calls."""

    name = "zep_memory_plugin, LangChain"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._histories: dict[str, adapters.ZepChatMessageHistory] = {}

    def append_turn(self, session_id: str) -> object:
        return self._history(session_id).add_messages(turn())

    def read_newest(self, session_id: str) -> object:
        return self._history(session_id).messages

    def _history(self, session_id: str) -> adapters.ZepChatMessageHistory:
        if session_id not in self._histories:
            self._histories[session_id] = adapters.ZepChatMessageHistory(
                session_id, self.manager, window={"limit": WINDOW}
            )
        return self._histories[session_id]


class ZepHistory(Zep):
    """The history's async calls."""

    name = "zep_memory_plugin, LangChain"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._histories: dict[str, adapters.ZepChatMessageHistory] = {}

    async def append_turn(self, session_id: str) -> object:
        return await self._history(session_id).aadd_messages(turn())

    async def read_newest(self, session_id: str) -> object:
        return await self._history(session_id).aget_messages()

    def _history(self, session_id: str) -> adapters.ZepChatMessageHistory:
        if session_id not in self._histories:
            self._histories[session_id] = adapters.ZepChatMessageHistory(
                session_id, self.manager, window={"limit": WINDOW}
            )
        return self._histories[session_id]
