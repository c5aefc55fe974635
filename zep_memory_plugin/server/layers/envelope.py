"""The outermost layer: every answer says which server it is from, and leaves a line in the access log."""

import logging
import time
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import __version__

VERSION = f"0.27.2-zep-memory-plugin-{__version__}"
"""The version of Zep's own server whose clients are served, as these check it, and ours behind the hyphen."""

VERSION_HEADER = (b"x-zep-version", VERSION.encode())

logger = logging.getLogger("zep_memory_plugin.server.access")


@dataclass(slots=True)
class _Line:
    """What the access log says of one request: nothing of what was sent or answered, nor of the query."""

    method: str
    path: str
    client: str
    status: int = 500
    bytes: int = 0
    started: float = field(default_factory=time.perf_counter)

    def write(self) -> None:
        """Log the line."""
        fields = {name: getattr(self, name) for name in ("method", "path", "client", "status", "bytes")}
        fields["ms"] = round((time.perf_counter() - self.started) * 1000, 2)
        logger.info("%s %s %s", self.method, self.path, self.status, extra={"request": fields})


class Envelope:
    """Adds the version to every answer, and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        line = _Line(scope["method"], written_path(scope), client_of(scope))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                line.status = message["status"]
                message["headers"] = [*message.get("headers", ()), VERSION_HEADER]
            line.bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            line.write()


def written_path(scope: Scope) -> str:
    """Return the path as the client wrote it, percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.split(b"?", 1)[0].decode("latin-1")


def client_of(scope: Scope) -> str:
    """Return the address from which a request comes."""
    client = scope.get("client")
    return client[0] if client else ""
