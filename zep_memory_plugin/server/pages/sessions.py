"""Sessions by their activity, what there is in numbers, and transcripts."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ... import SessionManager
from ...errors import InvalidInput
from ...filters import metadata_of, moment
from ...models import Message
from .answering import manager_of, page
from .contents import contents_of
from .plots import plotted

PAGE = 50
"""Sessions of a page."""

MESSAGES = 100
"""Messages that a transcript shows at once."""

BEFORE = 5
"""Messages that are shown before the one that a link leads to."""

_DAY = timedelta(days=1) - timedelta(microseconds=1)


async def index(request: Request) -> Response:
    """List sessions, those that were active last first, as far as they meet what is filtered by."""
    return page(request, "sessions.html", **await listed(request, request.query_params))


async def listed(request: Request, query: QueryParams, **wanted: Any) -> dict[str, Any]:
    """Return what a list of sessions shows: a page of them, and where the next one begins."""
    filters = {**_filters(query), **wanted}
    after = query.get("after") or None
    sessions = await manager_of(request).alist_sessions(PAGE + 1, after, order="active", with_preview=True, **filters)
    more = sessions[PAGE - 1].activity_cursor if len(sessions) > PAGE else None
    return {"sessions": sessions[:PAGE], "more": more, "deleted": filters["deleted"]}


def _filters(query: QueryParams) -> dict[str, Any]:
    entries = query.get("metadata", "").split()
    return {
        "user_id": query.get("user") or None,
        "metadata": metadata_of("metadata", entries),
        "deleted": bool(query.get("deleted")),
        "start_date": moment("from", query.get("from") or None),
        "end_date": _end(query.get("until") or None),
    }


def _end(day: str | None) -> datetime | None:
    """Return the moment until which something is wanted: of a day, its end."""
    end = moment("until", day)
    return end + _DAY if end and day and "T" not in day else end


def number(query: Mapping[str, str], name: str) -> int:
    """Return a whole number of a query.

    Raises:
        InvalidInput: it is none.
    """
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(name, "is no whole number")
    return int(text)


async def figures(request: Request) -> Response:
    """Show what there is in numbers, and how many messages each day had."""
    manager = manager_of(request)
    stats, counts = await asyncio.gather(manager.astats(), manager.aactivity(30))
    return page(request, "figures.html", stats=stats, plot=plotted(counts))


async def show(request: Request) -> Response:
    """Show a session: what is known of it, and its transcript up to now or around one message."""
    manager, query = manager_of(request), request.query_params
    session = await manager.aget_session(query.get("id", ""))
    messages = await _window(manager, session.session_id, query)
    memory = await manager.aget_memory(session.session_id, 1)
    counts = await manager.acount_messages([session.session_id])
    return page(
        request,
        "session.html",
        session=session,
        summary=memory.summary,
        count=counts[session.session_id],
        **_transcript(session.session_id, messages, query.get("at", "")),
    )


async def _window(manager: SessionManager, session_id: str, query: QueryParams) -> list[Message]:
    if query.get("at"):
        return await manager.alist_messages(session_id, MESSAGES, max(0, number(query, "at") - 1 - BEFORE))
    until = number(query, "before") - 1 if query.get("before") else None
    return await manager.alast_messages(session_id, MESSAGES, until_seq=until)


def _transcript(session_id: str, messages: list[Message], at: str = "") -> dict[str, Any]:
    """Return what the messages of a transcript are shown with: where it goes on, upwards and downwards."""
    return {
        "session_id": session_id,
        "contents": list(map(contents_of, messages)),
        "first": messages[0].seq if messages else 0,
        "last": messages[-1].seq if messages else 0,
        "at": at,
    }


async def earlier(request: Request) -> Response:
    """Show the messages before one."""
    query = request.query_params
    session_id = query.get("id", "")
    messages = await _window(manager_of(request), session_id, query)
    return page(request, "earlier.html", **_transcript(session_id, messages))


async def later(request: Request) -> Response:
    """Show the messages after one, as a transcript grows; nothing where there are none yet."""
    query = request.query_params
    session_id, after = query.get("id", ""), number(query, "after")
    messages = await manager_of(request).alist_messages(session_id, MESSAGES, after)
    if not messages:
        return Response(status_code=204)
    more = len(messages) == MESSAGES
    return page(request, "later.html", more=more, **_transcript(session_id, messages))


routes = [
    Route("/", index),
    Route("/figures", figures),
    Route("/session", show),
    Route("/session/earlier", earlier),
    Route("/session/later", later),
]
