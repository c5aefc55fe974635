"""Fixtures of the tests of what broke under attack: a database that other managers and programs can open, too."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.colours import BACKENDS, Backend, Caller

ON_DISK = [backend for backend in BACKENDS if backend.url_fixture]

Open = Callable[..., Caller]


@pytest.fixture(params=ON_DISK, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return every driver and colour of a database that others can open."""
    return request.param


@pytest.fixture
def url(backend: Backend, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of *backend* without rows."""
    return backend.url(request.getfixturevalue(backend.url_fixture) if backend.url_fixture else "")


@pytest.fixture
def open_caller(backend: Backend, url: str) -> Iterator[Open]:
    """Return a function that opens another manager on the database, with the options it is given."""
    opened: list[Caller] = []

    def open_caller(**options: object) -> Caller:
        opened.append(backend.open(url, **options))
        return opened[-1]

    yield open_caller
    for caller in opened:
        caller.close()


@pytest.fixture
def caller(open_caller: Open) -> Caller:
    """Return a manager on the database."""
    return open_caller()
