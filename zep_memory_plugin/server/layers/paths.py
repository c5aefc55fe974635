"""Paths as clients write them, so that a `%2F` in an id is no slash between two parts of a path.

And within the server, which another program may have mounted below a path of its own.
"""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from .envelope import written_path

API = "/api/v1"
"""What the paths of the API begin with."""


class WrittenPaths:
    """Lets routes see each part of a path still percent-encoded; `decoded` makes an id of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            written = {**scope, "path": written_path(scope).rstrip("/")}
            scope = written if path_within(written).startswith(API) else scope
        await self._app(scope, receive, send)


def path_within(scope: Scope) -> str:
    """Return the path that routes go by: without that of the program in which the server is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if path.startswith(f"{root}/") else path


def decoded(part: str) -> str:
    """Return the id that a part of a path stands for.

    Raises:
        ValueError: it is no UTF-8.
    """
    return unquote(part, errors="strict")
