"""Fixtures that give every test its own database, on SQLite and on a real Postgres."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.messages import FIXED
from tests.support.postgres import PostgresServer, start_server
from tests.support.shared_database import SharedDatabase
from zep_memory_plugin import InvalidInput, Message

OpenMemory = Callable[..., Caller]
Refuses = Callable[[str, Callable[[], object]], InvalidInput]

SERVER = pytest.StashKey[PostgresServer]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell an xdist worker where the one server of this run is."""
    node.workerinput["postgres"] = _server(node.config).address()


def _server(config: pytest.Config) -> PostgresServer:
    """Return the server of this run, started when first asked for."""
    if SERVER not in config.stash:
        config.stash[SERVER] = start_server()
        config.add_cleanup(config.stash[SERVER].stop)
    return config.stash[SERVER]


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """Return the Postgres server that the whole run shares."""
    workerinput = getattr(request.config, "workerinput", None)
    return PostgresServer.at_address(workerinput["postgres"]) if workerinput else _server(request.config)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the URL of an empty database that only this test has."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def shared_database(postgres_server: PostgresServer) -> Iterator[SharedDatabase]:
    """Return the database that the tests of this worker take turns on."""
    database = SharedDatabase(postgres_server.create_database())
    yield database
    database.close()
    postgres_server.drop_database(database.url)


@pytest.fixture
def shared_postgres_url(shared_database: SharedDatabase) -> Iterator[str]:
    """Return the URL of a database whose ``zep_`` tables may exist already but have no rows."""
    yield shared_database.url
    shared_database.empty()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'zep.db'}"


@pytest.fixture(params=["sqlite_url", "shared_postgres_url"], ids=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without rows, once on SQLite and once on Postgres."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend of every driver, which is each colour on each database."""
    return request.param


@pytest.fixture
def open_memory(backend: Backend, request: pytest.FixtureRequest) -> Iterator[OpenMemory]:
    """Return a function that opens a manager, with the options it is given, on a database without rows."""
    url = backend.url(request.getfixturevalue(backend.url_fixture) if backend.url_fixture else "")
    opened: list[Caller] = []

    def open_memory(**options: Any) -> Caller:
        opened.append(backend.open(url, **options))
        return opened[-1]

    yield open_memory
    for caller in opened:
        caller.close()


@pytest.fixture(scope="session")
def shared_callers() -> Iterator[dict[Backend, Caller]]:
    """Return the managers that the tests of this worker take turns on, as far as they were asked for."""
    callers: dict[Backend, Caller] = {}
    yield callers
    for caller in callers.values():
        caller.close()


@pytest.fixture
def memory(backend: Backend, shared_callers: dict[Backend, Caller], request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Return a manager on a database without rows, once for every database, driver and colour.

    It has served other tests before: one that is new, such as `open_memory` makes, compiles every statement anew.
    """
    if backend not in shared_callers:
        shared_callers[backend] = backend.open(_shared_url(backend, request))
    yield shared_callers[backend]
    shared_callers[backend].tables.empty()


def _shared_url(backend: Backend, request: pytest.FixtureRequest) -> str:
    if backend.url_fixture == "shared_postgres_url":
        return backend.url(request.getfixturevalue("shared_database").url)
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp(backend.name)
    return backend.url(f"sqlite:///{folder / 'zep.db'}")


@pytest.fixture
def refuses(memory: Caller) -> Refuses:
    """Return a function that sees a call being refused for a field, and nothing being stored.

    There is a session "a" of the user "alice" with one message, whose uuid is `FIXED`.
    """
    memory.add_memory("a", [Message(role="user", content="kept", uuid=FIXED, metadata={"kept": 1})], user_id="alice")
    before = memory.tables.snapshot()

    def refuses(field: str, call: Callable[[], object]) -> InvalidInput:
        with pytest.raises(InvalidInput, match=field) as caught:
            call()
        assert len(str(caught.value)) < 300
        assert memory.tables.snapshot() == before
        return caught.value

    return refuses
