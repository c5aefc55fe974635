"""The routes together, behind the gate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ... import SessionManager
from ...errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound, ZepMemoryError
from ..settings import Settings
from . import acting, describing, entering, searching, sessions, users
from .answering import page
from .gate import Gate

FILES = Path(__file__).parent / "files"

_STATUSES = ((NotFound, 404), (Conflict, 409), (InvalidInput, 400), (DatabaseUnavailable, 503))

_TITLES = {403: "Not from here", 404: "Not here", 405: "Not so", 408: "Too slow", 413: "Too large"}


def create_pages(manager: SessionManager, settings: Settings, describe: Callable[[], dict[str, Any]]) -> Starlette:
    """Return the pages over *manager* as an application to mount; with a secret, people log in with a token.

    *describe* returns the OpenAPI description of the API.
    """
    pages = Starlette(
        routes=[
            *sessions.routes,
            *users.routes,
            *searching.routes,
            *acting.routes,
            *entering.routes,
            *describing.routes,
            Mount("/files", StaticFiles(directory=FILES)),
        ],
        middleware=[Middleware(Gate, settings=settings)],
        exception_handlers={ZepMemoryError: _refused, HTTPException: _failed},
    )
    pages.router.redirect_slashes = False
    pages.state.manager, pages.state.settings, pages.state.describe = manager, settings, describe
    return pages


async def _refused(request: Request, error: Exception) -> Response:
    """Say what was wrong; errors hold no text of a conversation."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    return page(request, "failed.html", status, title=_TITLES.get(status, "Not done"), problem=str(error))


async def _failed(request: Request, error: Exception) -> Response:
    status, problem = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return page(request, "failed.html", status, title=_TITLES.get(status, "Not done"), problem=problem)
