"""The process that listens: one, or several that share a port."""

import logging
import sys
from functools import partial

import uvicorn
from uvicorn.supervisors import Multiprocess

from ..errors import InvalidInput
from .app import create_app
from .logs import LOGGING
from .settings import Settings
from .tokens import SHORTEST_SECRET

GRACE = 30
"""Seconds that requests under way get to come to their end, once the server is told to."""

KEPT = 75
"""Seconds that a connection stays open without requests; clients walk through listings on one."""

STARTING = 120
"""Seconds that a worker may be busy with starting, on a machine that is busy, too, before another takes its place."""

logger = logging.getLogger(__name__)


def serve(settings: Settings | None = None) -> None:
    """Listen as *settings* say until SIGTERM or SIGINT, and then let requests under way come to their end.

    Raises:
        InvalidInput: anybody on the network could come in unasked, or workers cannot share the database.
    """
    chosen = settings or Settings()
    chosen.check()
    if chosen.workers > 1 and is_in_memory(chosen):
        raise InvalidInput("workers", "cannot share a database in memory; give a file, or Postgres")
    _open_many()
    config = _config(chosen)
    if chosen.secret and len(chosen.secret.encode()) < SHORTEST_SECRET:
        logger.warning("the secret has fewer than %d bytes and can be guessed", SHORTEST_SECRET)
    if chosen.workers > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        uvicorn.Server(config).run()


def is_in_memory(settings: Settings) -> bool:
    """Tell whether each process would see a database of its own."""
    return str(settings.database) in ("sqlite://", "sqlite:///:memory:", "sqlite+aiosqlite://")


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        partial(create_app, settings),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http="httptools",
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=STARTING,
    )


def _open_many() -> None:
    """Let this process have as many connections as the system allows it, rather than about a thousand."""
    if sys.platform == "win32":  # knows no such limit
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
