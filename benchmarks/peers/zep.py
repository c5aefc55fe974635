"""This package, through its manager."""

from zep_memory_plugin import Message, SessionManager

from ..places import Place
from ..workload import WINDOW, conversation

CHUNK = 5_000


def messages(count: int) -> list[Message]:
    """Return *count* messages of a conversation."""
    return [Message(role=role, content=content) for role, content in conversation(count)]


def turn() -> list[Message]:
    """Return the two messages of a turn."""
    return [Message(role=role, content=content) for role, content in conversation()]


class ZepBlocking:
    """The manager's blocking calls."""

    name = "zep_memory_plugin"
    kind = "ours"
    awaits = False
    keeps_order = True

    def __init__(self, place: Place) -> None:
        self.manager = SessionManager(place.url, durability=place.durability)

    def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            self.manager.add_memory(session_id, messages(min(CHUNK, count - start)))

    def append_turn(self, session_id: str) -> object:
        return self.manager.add_memory(session_id, turn())

    def read_newest(self, session_id: str) -> object:
        return self.manager.last_messages(session_id, WINDOW)

    def close(self) -> None:
        self.manager.close()


class Zep:
    """The manager's async calls: a thread hop on SQLite, asyncpg on Postgres."""

    name = "zep_memory_plugin"
    kind = "ours"
    awaits = True
    keeps_order = True

    def __init__(self, place: Place) -> None:
        url = place.url if place.kind == "sqlite" else place.asyncpg_url
        self.manager = SessionManager(url, durability=place.durability)

    async def fill(self, session_id: str, count: int) -> None:
        for start in range(0, count, CHUNK):
            await self.manager.aadd_memory(session_id, messages(min(CHUNK, count - start)))

    async def append_turn(self, session_id: str) -> object:
        return await self.manager.aadd_memory(session_id, turn())

    async def read_newest(self, session_id: str) -> object:
        return await self.manager.alast_messages(session_id, WINDOW)

    async def close(self) -> None:
        await self.manager.aclose()
