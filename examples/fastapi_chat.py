"""A chat service: users, answers that stream, a side bar, search, and a trash that is emptied after 30 days.

    python examples/fastapi_chat.py                          # serves until its input ends, with Ctrl-D
    CHAT_DATABASE=postgresql://localhost/app uvicorn --app-dir examples fastapi_chat:app --workers 2

Then, in another terminal:

    curl -N localhost:8000/sessions/trip/messages -H 'X-User: alice' -H 'Content-Type: application/json' \\
        -d '{"text": "I like Lisbon."}'
    curl localhost:8000/sessions -H 'X-User: alice'

Runs offline: the model follows a script. Put a call of yours in the place of `scripted`, and your login in the place of
the header X-User.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4, uuid5

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from zep_memory_plugin import (
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    Memory,
    Message,
    NotFound,
    SearchResult,
    Session,
    SessionManager,
    ZepMemoryError,
)

Model = Callable[[Memory], AsyncIterator[str]]
"""Answers what it is shown of a session, piece by piece."""

STATUS: dict[type[ZepMemoryError], int] = {NotFound: 404, Conflict: 409, InvalidInput: 422, DatabaseUnavailable: 503}

TRASH = timedelta(days=30)
"""How long what was deleted can be restored."""


async def scripted(memory: Memory) -> AsyncIterator[str]:
    """Stand in for a model: repeat the question, word by word, and count those before it."""
    questions = [message.content for message in memory.messages if message.role_type == "user"]
    for word in f"You said {questions[-1]!r}, after {len(questions) - 1} other question(s).".split(" "):
        await asyncio.sleep(0)
        yield f"{word} "


class Question(BaseModel):
    """What a user asks. Who sends it again after a lost answer gives it the same id, and it is stored once."""

    text: str = Field(min_length=1)
    id: UUID = Field(default_factory=uuid4)


class SideBar(BaseModel):
    """A page of a user's sessions, and the cursor of the next one, if there is one."""

    sessions: list[Session]
    cursor: str | None


@dataclass
class Chat:
    """What all requests to a process share."""

    manager: SessionManager
    model: Model
    storing: set[asyncio.Task[list[Message]]] = field(default_factory=set)
    """Answers on their way to the database, which a browser that goes away does not keep from it."""

    async def store(self, memory: SessionManager, session_id: str, answer: Message) -> None:
        """Store *answer*, also when the request that asked for it is cancelled meanwhile."""
        task = asyncio.create_task(memory.aadd_memory(session_id, [answer]))
        self.storing.add(task)
        task.add_done_callback(self.storing.discard)
        await asyncio.shield(task)


def create_app(database: str, model: Model = scripted) -> FastAPI:
    """Return the service on *database*, whose answers come from *model*."""
    chat = Chat(SessionManager(database), model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        purging = asyncio.create_task(chat.manager.apurge_every(timedelta(hours=1), older_than=TRASH))
        yield
        purging.cancel()
        await asyncio.gather(purging, *chat.storing, return_exceptions=True)
        await chat.manager.aclose()

    app = FastAPI(title="Chat", lifespan=lifespan)
    app.state.chat = chat
    app.include_router(routes)
    app.add_exception_handler(ZepMemoryError, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    return app


def refused(request: Request, error: Exception) -> JSONResponse:
    """Answer with the status that *error* stands for; its words are for people and hold no secret."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"detail": str(error)}, status)


def malformed(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, without its own words: FastAPI repeats them, and not all can be sent."""
    assert isinstance(error, RequestValidationError)
    problems = [{key: problem[key] for key in ("loc", "msg", "type")} for problem in error.errors()]
    return JSONResponse({"detail": problems}, 422)


def chat_of(request: Request) -> Chat:
    """Return what the requests share."""
    chat: Chat = request.app.state.chat
    return chat


def memory_of(chat: Annotated[Chat, Depends(chat_of)], x_user: Annotated[str, Header()]) -> SessionManager:
    """Return the memory of the user who asks: nobody else's sessions are in it."""
    return chat.manager.as_user(x_user)


Memories = Annotated[SessionManager, Depends(memory_of)]
Limit = Annotated[int, Query(ge=1, le=100)]
routes = APIRouter()


@routes.get("/sessions")
async def side_bar(memory: Memories, cursor: str | None = None, limit: Limit = 20, deleted: bool = False) -> SideBar:
    """List the sessions of the user, the one that was active last first; or those in the trash."""
    page = await memory.alist_sessions(limit, cursor, order="active", with_preview=True, deleted=deleted)
    return SideBar(sessions=page, cursor=page[-1].activity_cursor if len(page) == limit else None)


@routes.post("/sessions", status_code=201)
async def add_session(memory: Memories, session: Session) -> Session:
    """Begin a session, perhaps with a title."""
    return await memory.aadd_session(session, create_user=True)


@routes.delete("/sessions/{session_id}", status_code=204)
async def delete_session(memory: Memories, session_id: str) -> None:
    """Put a session into the trash."""
    await memory.adelete_session(session_id)


@routes.post("/sessions/{session_id}/restore")
async def restore_session(memory: Memories, session_id: str) -> Session:
    """Take a session out of the trash."""
    return await memory.arestore_session(session_id)


@routes.get("/sessions/{session_id}/messages")
async def transcript(memory: Memories, session_id: str, cursor: int | None = None, limit: Limit = 100) -> list[Message]:
    """Return what was said in a session, page by page."""
    await memory.aget_session(session_id)
    return await memory.alist_messages(session_id, limit, cursor)


@routes.get("/search")
async def search(memory: Memories, q: str, limit: Limit = 10) -> list[SearchResult]:
    """Find what the user said, or was told, in any session."""
    return await memory.asearch_memory(q, limit=limit)


@routes.post("/sessions/{session_id}/messages")
async def ask(
    chat: Annotated[Chat, Depends(chat_of)], memory: Memories, session_id: str, question: Question
) -> StreamingResponse:
    """Store the question, and stream the answer as server-sent events.

    Everything that can be refused is refused here, before the first byte: whose session it is, a database that is down.
    """
    await memory.aadd_memory(session_id, [Message(role="user", content=question.text, uuid=question.id)])
    shown = await memory.aprompt_memory(session_id)
    events = answer(chat, memory, session_id, question.id, shown)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def answer(
    chat: Chat, memory: SessionManager, session_id: str, question_id: UUID, shown: Memory
) -> AsyncIterator[str]:
    """Yield the answer in events, the last of which says that it is stored; what came of it is stored in any case."""
    pieces: list[str] = []
    interrupted = True
    try:
        async for piece in chat.model(shown):
            pieces.append(piece)
            yield event("piece", text=piece)
        interrupted = False
    finally:
        # The same id, when the same question is asked again: then this answer takes the place of the one before.
        uuid = uuid5(question_id, "answer")
        metadata = {"interrupted": interrupted}
        said = Message(role="assistant", content="".join(pieces), uuid=uuid, metadata=metadata)
        await chat.store(memory, session_id, said)
    yield event("done", id=str(uuid))


def event(name: str, **data: str) -> str:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    parser.add_argument("--port", type=int, default=0, help="by default any that is free")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or f"sqlite:///{Path(folder) / 'chat.db'}"
        serve(uvicorn.Server(uvicorn.Config(create_app(database), port=options.port)))


def serve(server: uvicorn.Server) -> None:
    """Run *server* until what is typed ends."""

    def stop_at_the_end() -> None:
        while sys.stdin.readline():
            pass
        server.should_exit = True

    threading.Thread(target=stop_at_the_end, daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run()


app = create_app(os.environ.get("CHAT_DATABASE", "sqlite:///chat.db"))

if __name__ == "__main__":
    main()
