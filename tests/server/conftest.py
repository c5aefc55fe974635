"""A server over an empty database, asked without a network in between."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from zep_memory_plugin import SessionManager
from zep_memory_plugin.server import Settings, create_app

OpenServer = Callable[..., TestClient]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager on the database that the server serves."""
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def open_server(manager: SessionManager) -> Iterator[OpenServer]:
    """Return a function that starts a server with the settings it is given."""
    opened: list[TestClient] = []

    def open_server(**settings: Any) -> TestClient:
        app = create_app(Settings(**{"purge_every": None, **settings}), manager)
        client = TestClient(app, base_url="http://127.0.0.1/api/v1", raise_server_exceptions=False)
        opened.append(client.__enter__())
        return opened[-1]

    yield open_server
    for client in opened:
        client.__exit__()


@pytest.fixture
def server(open_server: OpenServer) -> TestClient:
    """Return a client of a server that asks for no token."""
    return open_server()
