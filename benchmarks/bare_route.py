"""The least that a server can be: a route for each of two calls of a manager, for `benchmarks.over_http`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

from zep_memory_plugin import Message, SessionManager


class Said(BaseModel):
    """A message."""

    role: str
    content: str


class Turn(BaseModel):
    """Messages."""

    messages: list[Said]


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    async with SessionManager(os.environ["BARE_DATABASE"]) as app.state.manager:
        yield


app = FastAPI(lifespan=_life)


@app.post("/api/v1/sessions/{session_id}/memory")
async def append(session_id: str, turn: Turn) -> str:
    """Append."""
    messages = [Message(role=said.role, content=said.content) for said in turn.messages]
    await app.state.manager.aadd_memory(session_id, messages)
    return "OK"


@app.get("/api/v1/sessions/{session_id}/memory")
async def read(session_id: str) -> Turn:
    """Read."""
    memory = await app.state.manager.aget_memory(session_id)
    return Turn(messages=[Said(role=message.role, content=message.content) for message in memory.messages])


@app.get("/healthz")
async def health() -> str:
    """Say that it listens."""
    return "."
