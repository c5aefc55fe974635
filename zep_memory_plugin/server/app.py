"""The application: layers around routes, and what runs as long as it does."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from .. import SessionManager, ZepMemoryError, __version__
from ..manager import manager_of
from . import failures
from .layers.access import Access
from .layers.envelope import Envelope
from .layers.names import HEALTH, OwnNames
from .layers.paths import API, WrittenPaths
from .layers.sizes import Sizes
from .pages import create_pages
from .routes import memory, messages, sessions, users
from .settings import Settings
from .walks import Walks

logger = logging.getLogger(__name__)

PAGES = "/admin"
"""What the paths of the pages for a browser begin with."""

DESCRIPTION = "The REST API of Zep's open-source server, over zep_memory_plugin."


def create_app(settings: Settings | None = None, manager: SessionManager | None = None) -> FastAPI:
    """Return the server as an ASGI application.

    It serves *manager*, which stays open, or else opens and closes its own as *settings* say.

    Raises:
        InvalidInput: anybody on the network could come in unasked.
    """
    chosen = settings or Settings()
    chosen.check()
    served = _opened(chosen) if manager is None else manager_of(manager)
    app = FastAPI(
        title="zep_memory_plugin",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lambda app: _life(served, chosen, owned=manager is None),
        docs_url=None,  # their pages run scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.manager, app.state.settings, app.state.walks = served, chosen, Walks()
    for routes in (sessions, memory, messages, users):
        app.include_router(routes.router, prefix=API, responses=failures.DESCRIBED)
    app.mount(PAGES, create_pages(served, chosen, app.openapi))
    app.get(PAGES, include_in_schema=False)(_to_pages)
    app.get("/docs", include_in_schema=False)(_to_description)
    app.api_route(HEALTH, methods=["GET", "HEAD"], include_in_schema=False)(_health)
    failures.register(app)
    _surround(app, chosen)
    return app


def _opened(settings: Settings) -> SessionManager:
    return SessionManager(settings.database, message_window=settings.message_window)


def _surround(app: FastAPI, settings: Settings) -> None:
    """Put the layers around the routes, the innermost first."""
    app.add_middleware(Sizes, largest=settings.max_request_size)
    if settings.secret is not None:
        app.add_middleware(Access, secret=settings.secret)
    elif not settings.anonymous:
        app.add_middleware(OwnNames)
    app.add_middleware(WrittenPaths)
    app.add_middleware(Envelope)


async def _to_pages(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}{PAGES}/")


async def _to_description(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}{PAGES}/api")


async def _health() -> Response:
    return PlainTextResponse(".")


@asynccontextmanager
async def _life(manager: SessionManager, settings: Settings, *, owned: bool) -> AsyncIterator[None]:
    """Purge from time to time while the application runs, and close afterwards what it opened."""
    purging = asyncio.create_task(_purge(manager, settings.purge_every)) if settings.purge_every else None
    yield
    if purging:
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
    if owned:
        await manager.aclose()


async def _purge(manager: SessionManager, interval: timedelta) -> None:
    """Purge at the start, as Zep's server does, and after that in turn with the servers on other machines."""
    try:
        await manager.apurge()
    except ZepMemoryError as error:
        logger.warning("purge failed, next try in %s: %s", interval, error)
    await manager.apurge_every(interval, timedelta(0))
