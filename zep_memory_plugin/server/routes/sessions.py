"""Sessions: adding, reading, changing, listing."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ...core.sessions import merge_as_zep
from ...errors import UserNotFound
from .. import failures
from ..answers import SessionAnswer, in_json, session_answer
from ..bodies import MetadataBody, Number, SessionBody, SessionId
from . import manager_of
from .listing import page

router = APIRouter(tags=["sessions"])


@router.post("/sessions", status_code=201, response_model=SessionAnswer)
async def add_session(request: Request, body: SessionBody) -> Response:
    """Add a session."""
    try:
        added = await manager_of(request).aadd_session(body.session())
    except UserNotFound as error:
        return failures.unknown_user(error)
    return in_json(session_answer(added), 201)


@router.get("/sessions", response_model=list[SessionAnswer])
async def list_sessions(request: Request, limit: Number = 0, cursor: Number = 0) -> Response:
    """Return sessions in the order in which they were added, at most *limit*, those after the id *cursor*."""
    listed = await page(request, "sessions", manager_of(request).alist_sessions, limit, cursor)
    return in_json([session_answer(session) for session in listed])


@router.get("/sessions/{session_id}", response_model=SessionAnswer)
async def get_session(request: Request, session_id: SessionId) -> Response:
    """Return a session."""
    return in_json(session_answer(await manager_of(request).aget_session(session_id)))


@router.patch("/sessions/{session_id}", response_model=SessionAnswer)
async def update_session(request: Request, session_id: SessionId, body: MetadataBody) -> Response:
    """Merge metadata into a session, and bring it back to life where it is deleted."""
    merged = await manager_of(request)._runner.awrite(merge_as_zep, session_id, body.without_system())
    return in_json(session_answer(merged))
