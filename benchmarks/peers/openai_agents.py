"""OpenAI Agents' `SQLAlchemySession`. Its messages are dictionaries."""

from agents.extensions.memory import SQLAlchemySession
from agents.items import TResponseInputItem

from ..places import Place
from ..workload import TURN, WINDOW, conversation

CHUNK = 5_000


def messages(count: int) -> list[TResponseInputItem]:
    """Return *count* messages of a conversation."""
    return [{"role": role, "content": content} for role, content in conversation(count)]  # type: ignore[misc]


class SqlSession:
    """The session, which is async only."""

    name = "OpenAI Agents SQLAlchemySession"
    kind = "peer"
    awaits = True
    keeps_order = True

    def __init__(self, place: Place) -> None:
        self._engine = place.async_engine()
        self._made: dict[str, SQLAlchemySession] = {}

    async def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            await self._session(session_id).add_items(messages(min(CHUNK, count - start)))

    async def append_turn(self, session_id: str) -> None:
        await self._session(session_id).add_items(messages(TURN))

    async def read_newest(self, session_id: str) -> object:
        return await self._session(session_id).get_items(limit=WINDOW)

    async def close(self) -> None:
        await self._engine.dispose()

    def _session(self, session_id: str) -> SQLAlchemySession:
        if session_id not in self._made:
            self._made[session_id] = SQLAlchemySession(session_id, engine=self._engine, create_tables=True)
        return self._made[session_id]
