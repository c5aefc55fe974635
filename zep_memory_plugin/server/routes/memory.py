"""The memory of a session: the newest messages and the latest summary; appending, deleting, searching."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from ...models import Summary
from ..answers import MemoryAnswer, ResultAnswer, in_json, message_answer, ok, result_answer, summary_answer
from ..bodies import MemoryBody, Number, SearchBody, SessionId
from . import manager_of, settings_of

router = APIRouter(tags=["memory"])


@router.get("/sessions/{session_id}/memory", response_model=MemoryAnswer)
async def get_memory(request: Request, session_id: SessionId, lastn: Number = 0) -> Response:
    """Return the newest messages, oldest first, and the latest summary; nothing for an unknown session."""
    memory = await manager_of(request).aget_memory(session_id, lastn, max_tokens=None)
    answer: MemoryAnswer = {"messages": [message_answer(message) for message in memory.messages]}
    if memory.summary:
        answer["summary"] = summary_answer(memory.summary, await _covered(request, session_id, memory.summary))
    return in_json(answer)


async def _covered(request: Request, session_id: str, summary: Summary) -> UUID | None:
    """Return the uuid of the last message that *summary* covers, unless it is deleted."""
    seq = summary.seq or 1
    messages = await manager_of(request).alist_messages(session_id, 1, seq - 1)
    return messages[0].uuid if messages and messages[0].seq == seq else None


@router.post("/sessions/{session_id}/memory", response_class=PlainTextResponse)
async def add_memory(request: Request, session_id: SessionId, body: MemoryBody) -> Response:
    """Append messages, all or none, to a session, which is created or brought back to life when need be."""
    await manager_of(request).aadd_memory(session_id, body.batch())
    return ok()


@router.delete("/sessions/{session_id}/memory", response_class=PlainTextResponse)
async def delete_memory(request: Request, session_id: SessionId) -> Response:
    """Delete a session and all that is in it."""
    await manager_of(request).adelete_session(session_id)
    return ok()


@router.post("/sessions/{session_id}/search", response_model=list[ResultAnswer])
async def search_memory(request: Request, session_id: SessionId, body: SearchBody, limit: Number = 0) -> Response:
    """Return the messages, or summaries, of a session that best answer a text, best first."""
    options = body.options(session_id, limit, settings_of(request).search_mode)
    results = await manager_of(request).asearch_memory(body.text, **options)
    return in_json([result_answer(result) for result in results])
