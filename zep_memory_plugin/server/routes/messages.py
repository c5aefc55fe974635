"""The messages of a session, one by one."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..answers import MessageAnswer, MessagesAnswer, in_json, message_answer
from ..bodies import MessageId, MetadataBody, Number, SessionId
from . import manager_of

router = APIRouter(tags=["messages"])


@router.get("/sessions/{session_id}/messages", response_model=MessagesAnswer)
async def list_messages(request: Request, session_id: SessionId, limit: Number = 0, cursor: Number = 0) -> Response:
    """Return the messages of a session in order; *cursor* is the number of a page of *limit* messages, from 1."""
    size, before = limit, max(0, cursor - 1)
    start, stop = (before * size, (before + 1) * size) if size > 0 else (None, None)
    messages = await manager_of(request).aslice_messages(session_id, start, stop)
    counted = await manager_of(request).acount_messages([session_id])
    answered = [message_answer(message) for message in messages]
    return in_json({"messages": answered, "total_count": counted[session_id], "row_count": len(answered)})


@router.get("/sessions/{session_id}/messages/{uuid}", response_model=MessageAnswer)
async def get_message(request: Request, session_id: SessionId, uuid: MessageId) -> Response:
    """Return one message."""
    return in_json(message_answer(await manager_of(request).aget_message(session_id, uuid)))


@router.patch("/sessions/{session_id}/messages/{uuid}", response_model=MessageAnswer)
async def update_message(request: Request, session_id: SessionId, uuid: MessageId, body: MetadataBody) -> Response:
    """Merge metadata into a message; all else stays as it is."""
    updated = await manager_of(request).aupdate_message(session_id, uuid, metadata=body.without_system())
    return in_json(message_answer(updated))
