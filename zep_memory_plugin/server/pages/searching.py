"""Search: messages by their words, the words marked."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answering import manager_of, page, settings_of
from .marks import excerpt

RESULTS = 30
"""Results that are shown."""


async def search(request: Request) -> Response:
    """Show the messages that answer what is looked for, best first."""
    query = request.query_params
    text, session_id, user_id = (query.get(name, "").strip() for name in ("q", "session", "user"))
    results = []
    if text:
        results = await manager_of(request).asearch_memory(
            text,
            session_id=session_id or None,
            user_id=user_id or None,
            mode=settings_of(request).search_mode,
            limit=RESULTS,
        )
    shown = [(result, excerpt(result.message.content, result.highlights)) for result in results if result.message]
    return page(request, "search.html", text=text, session_id=session_id, user_id=user_id, results=shown)


routes = [Route("/search", search)]
