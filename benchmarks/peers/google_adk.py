"""Google ADK's `DatabaseSessionService`. It appends one event at a time."""

from google.adk.events import Event
from google.adk.sessions import DatabaseSessionService, Session
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.schemas.v1 import StorageEvent
from google.genai.types import Content, Part
from sqlalchemy.ext.asyncio import AsyncSession

from ..places import Place
from ..workload import TURN, WINDOW, conversation

APP, USER = "benchmark", "user"
CHUNK = 2_000


def events(count: int) -> list[Event]:
    """Return *count* messages of a conversation."""
    return [
        Event(author=role, invocation_id="turn", content=Content(role=role, parts=[Part(text=content)]))
        for role, content in conversation(count)
    ]


class SessionService:
    """The service, which is async only."""

    name = "Google ADK DatabaseSessionService"
    kind = "peer"
    awaits = True
    keeps_order = True

    def __init__(self, place: Place) -> None:
        self._engine = place.async_engine()
        self._service = DatabaseSessionService(db_engine=self._engine)
        self._sessions: dict[str, Session] = {}

    async def fill(self, session_id: str, count: int) -> None:
        """Store events past the service, which takes milliseconds for each."""
        session = await self._session(session_id)
        for start in range(0, count, CHUNK):
            async with AsyncSession(self._engine) as storage:
                storage.add_all(
                    [StorageEvent.from_event(session, event) for event in events(min(CHUNK, count - start))]
                )
                await storage.commit()

    async def append_turn(self, session_id: str) -> None:
        session = await self._session(session_id)
        for event in events(TURN):
            await self._service.append_event(session, event)

    async def read_newest(self, session_id: str) -> object:
        return await self._service.get_session(
            app_name=APP, user_id=USER, session_id=session_id, config=GetSessionConfig(num_recent_events=WINDOW)
        )

    async def close(self) -> None:
        await self._engine.dispose()

    async def _session(self, session_id: str) -> Session:
        if session_id not in self._sessions:
            self._sessions[session_id] = await self._service.create_session(
                app_name=APP, user_id=USER, session_id=session_id
            )
        return self._sessions[session_id]
