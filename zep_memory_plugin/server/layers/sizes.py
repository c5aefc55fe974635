"""How much a client may send, and how long it may take."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..answers import refusal

PATIENCE = 60.0
"""Seconds in which the body of a request has to be there."""

JSON = (b"content-type", b"application/json")


class Sizes:
    """Refuses bodies that are too large, with 413, or too slow, with 408."""

    def __init__(self, app: ASGIApp, largest: int, patience: float = PATIENCE) -> None:
        self._app, self._largest, self._patience = app, largest, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PATCH", "PUT"):
            await self._app(scope, receive, send)
        elif (announced := _announced(scope)) > self._largest:
            await refusal(413, f"request body too large: {announced} of {self._largest} bytes")(scope, receive, send)
        else:
            await self._app(_read_as_json(scope), self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        """Return a `receive` that raises what becomes 413 or 408."""
        arrived, deadline = 0, asyncio.get_running_loop().time() + self._patience

        async def bounded() -> Message:
            nonlocal arrived
            message = await _before(deadline, receive)
            arrived += len(message.get("body", b""))
            if arrived > self._largest:
                raise HTTPException(413, f"request body too large: more than {self._largest} bytes")
            return message

        return bounded


async def _before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError:
        raise HTTPException(408, "request body too slow") from None


def _announced(scope: Scope) -> int:
    """Return how many bytes a client says it sends; one that says nothing readable is counted."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return int(lengths[0]) if lengths else 0


def _read_as_json(scope: Scope) -> Scope:
    """Let a PATCH be read as JSON whatever it says it is: Zep's client for TypeScript calls it text.

    A POST has to say that it is JSON. That keeps out the forms of strange pages, which a browser sends unasked.
    """
    if scope["method"] != "PATCH":
        return scope
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"content-type"] + [JSON]}
