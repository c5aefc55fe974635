"""By what name the server is asked: where nobody needs a token, by one of its machine alone.

A page of somebody else may give its own name the address of this machine. To a browser the server is then a part of
that page, which may read and write everything here; only the name, which a browser always sends along, tells.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..answers import refusal
from ..settings import is_loopback
from .paths import path_within

HEALTH = "/healthz"
"""Is answered to everybody, as it says nothing."""


class OwnNames:
    """Answers 403 to requests by a name that is not one of this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and path_within(scope) != HEALTH and not _is_ours(Headers(scope=scope)):
            problem = "without tokens, this server answers to the names of its machine alone"
            await refusal(403, problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_ours(headers: Headers) -> bool:
    try:
        name = urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:  # a bracket that is not closed
        return False
    return is_loopback(name or "")
