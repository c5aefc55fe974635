"""One set of tests for both colours: façades of a manager on which every call blocks, whichever twin it runs.

`SyncCaller` calls `manager.add_session`, `AsyncCaller` runs `manager.aadd_session` on an event loop of its own.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import uuid4

import pytest

from tests.support.tables import Tables
from zep_memory_plugin import SessionManager

Arguments = dict[str, Any]
Allowed = tuple[type[Exception], ...]


class Caller(Protocol):
    """A manager as a test calls it: `caller.add_session(session)` blocks and returns in every colour."""

    manager: SessionManager
    tables: Tables

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return the twin of *method* that this colour calls."""
        ...

    def of(self, view: Callable[[SessionManager], SessionManager]) -> Self:
        """Return a caller of a *view* of the manager, which this caller closes."""
        ...

    def together(self, method: str, arguments: Iterable[Arguments], allowed: Allowed = ()) -> list[Any]:
        """Call *method* once with each of *arguments*, all at the same time, and return the results in order.

        An error of a kind that is *allowed* is a result as well.
        """
        ...

    def close(self) -> None:
        """Close the manager and the tables, and the event loop if there is one."""
        ...


class SyncCaller:
    """Calls the blocking methods, and several at once in threads."""

    def __init__(self, manager: SessionManager, tables: Tables) -> None:
        self.manager = manager
        self.tables = tables

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return getattr(self.manager, method)

    def together(self, method: str, arguments: Iterable[Arguments], allowed: Allowed = ()) -> list[Any]:
        calls = list(arguments)
        ready = threading.Barrier(len(calls))

        def call(given: Arguments) -> Any:
            ready.wait()
            try:
                return getattr(self.manager, method)(**given)
            except allowed as error:
                return error

        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(call, calls))

    def of(self, view: Callable[[SessionManager], SessionManager]) -> Self:
        return type(self)(view(self.manager), self.tables)

    def close(self) -> None:
        self.tables.close()
        self.manager.close()


class AsyncCaller:
    """Runs the async methods on one event loop, and several at once as tasks."""

    def __init__(self, manager: SessionManager, tables: Tables, runner: asyncio.Runner | None = None) -> None:
        self.manager = manager
        self.tables = tables
        self._runner = asyncio.Runner() if runner is None else runner

    def __getattr__(self, method: str) -> Callable[..., Any]:
        twin = getattr(self.manager, f"a{method}")

        def call(*arguments: Any, **options: Any) -> Any:
            started = twin(*arguments, **options)
            return self._each(started) if isinstance(started, AsyncIterator) else self._runner.run(started)

        return call

    def together(self, method: str, arguments: Iterable[Arguments], allowed: Allowed = ()) -> list[Any]:
        twin = getattr(self.manager, f"a{method}")

        async def call(given: Arguments) -> Any:
            try:
                return await twin(**given)
            except allowed as error:
                return error

        async def gather() -> list[Any]:
            return await asyncio.gather(*(call(given) for given in arguments))

        return self._runner.run(gather())

    def of(self, view: Callable[[SessionManager], SessionManager]) -> Self:
        return type(self)(view(self.manager), self.tables, self._runner)

    def close(self) -> None:
        self.tables.close()
        self._runner.run(self.manager.aclose())
        self._runner.close()

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        """Take one item at a time, so that a test can do something between two."""
        nothing = object()
        while (item := self._runner.run(_awaited(anext(items, nothing)))) is not nothing:
            yield item


async def _awaited(value: Awaitable[Any]) -> Any:
    """Turn an awaitable into the coroutine that a runner wants."""
    return await value


@dataclass(frozen=True, slots=True)
class Backend:
    """A database, the driver to it and the colour of the calls."""

    name: str
    url_fixture: str | None
    scheme: str
    colour: Callable[[SessionManager, Tables], Caller]

    def url(self, database: str) -> str:
        """Return the URL that leads to *database*, another URL of it, with this driver; a new one where it is memory.

        A database in memory has a name, so that it can be looked at from outside of its manager.
        """
        if self.url_fixture is None:
            return f"{self.scheme}:///file:{uuid4()}?mode=memory&cache=shared&uri=true"
        return f"{self.scheme}:{database.partition(':')[2]}"

    def open(self, url: str, **options: Any) -> Caller:
        """Open a manager on *url* with *options*, whose functions are called before a write returns."""
        return self.colour(SessionManager(url, **{"background": False, **options}), Tables(url))


BACKENDS = [
    Backend("sqlite-sync", "sqlite_url", "sqlite", SyncCaller),
    Backend("sqlite-async", "sqlite_url", "sqlite", AsyncCaller),
    Backend("memory-sync", None, "sqlite", SyncCaller),
    Backend("memory-async", None, "sqlite", AsyncCaller),
    Backend("aiosqlite", "sqlite_url", "sqlite+aiosqlite", AsyncCaller),
    Backend("postgres-sync", "shared_postgres_url", "postgresql", SyncCaller),
    Backend("postgres-async", "shared_postgres_url", "postgresql", AsyncCaller),
    Backend("asyncpg", "shared_postgres_url", "postgresql+asyncpg", AsyncCaller),
]

DRIVERS = [backend for backend in BACKENDS if backend.name in ("sqlite-sync", "aiosqlite", "postgres-sync", "asyncpg")]
"""One backend for each driver, for what both colours of it share."""

ONE_EACH = [backend for backend in DRIVERS if backend.name in ("sqlite-sync", "asyncpg")]
"""One backend for each database and each colour, for what takes long and is decided before a driver is asked."""

on_every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
"""For the contract that all others build on: each colour of each driver, in memory too."""
