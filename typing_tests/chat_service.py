"""A chat service that streams, as an application writes it: without a cast. Checked, never run."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from zep_memory_plugin import (
    InvalidInput,
    Memory,
    Message,
    NotFound,
    SearchResult,
    Session,
    SessionManager,
    SessionOwnedByAnotherUser,
)


async def answered(memory: Memory) -> AsyncIterator[str]:
    for message in memory.messages:
        yield f"{message.seq}: {message.content}"


class Service:
    def __init__(self, manager: SessionManager) -> None:
        self.manager = manager

    async def ask(self, user_id: str, session_id: str, question_id: str, text: str) -> AsyncIterator[str]:
        question = Message(uuid=question_id, role="user", content=text)
        await self.manager.aadd_memory(session_id, [question], user_id=user_id)
        pieces: list[str] = []
        async for piece in answered(await self.manager.aprompt_memory(session_id, user_id=user_id)):
            pieces.append(piece)
            yield piece
        await self.manager.aadd_memory(session_id, [Message(role="assistant", content="".join(pieces))])

    async def side_bar(self, user_id: str, cursor: str | None) -> list[dict[str, str]]:
        page = await self.manager.alist_sessions(20, cursor, user_id=user_id, order="active", with_preview=True)
        return [
            {"id": session.session_id, "title": session.title or session.preview or "", "when": when(session)}
            for session in page
        ]

    async def changed_since(self, user_id: str, moment: datetime) -> list[Session]:
        sessions = await self.manager.aget_user_sessions(user_id)
        return [session for session in sessions if session.updated_at > moment]

    async def search(self, user_id: str, text: str) -> list[SearchResult]:
        return await self.manager.asearch_memory(text, user_id=user_id, limit=5)

    async def delete(self, user_id: str, session_id: str) -> int:
        try:
            await self.manager.adelete_session(session_id, user_id=user_id)
        except (NotFound, SessionOwnedByAnotherUser):
            return 404
        except InvalidInput:
            return 422
        return 204

    async def purge(self) -> int:
        return (await self.manager.apurge(timedelta(days=30))).sessions


def when(session: Session) -> str:
    age = session.last_active_at - session.created_at
    return f"{session.last_active_at:%Y-%m-%d}, {age.days} days"


def from_browser(body: str) -> Message:
    return Message.model_validate_json(body)
