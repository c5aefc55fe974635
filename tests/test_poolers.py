"""Behind a pooler that gives each transaction another server, PgBouncer, every call is right."""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.messages import said
from tests.support.pgbouncer import PgBouncer
from tests.support.proxy import Proxy
from zep_memory_plugin import InvalidInput, Message, SessionManager

pytestmark = pytest.mark.skipif("ZEP_TEST_NO_PGBOUNCER" in os.environ, reason="ZEP_TEST_NO_PGBOUNCER is set")

CALLERS = 8
TURNS = 20
WARM = 8
"""Calls after which nothing is done for the first time any more."""


def of_driver(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:")


URLS: dict[str, Callable[[str], str | Engine | AsyncEngine]] = {
    "psycopg": lambda url: of_driver(url, "psycopg"),
    "asyncpg": lambda url: of_driver(url, "asyncpg"),
    "asyncpg without SQLAlchemy's cache": lambda url: f"{of_driver(url, 'asyncpg')}?prepared_statement_cache_size=0",
    "told by the URL": lambda url: f"{of_driver(url, 'asyncpg')}?pooler=transaction",
    "an Engine": lambda url: create_engine(of_driver(url, "psycopg")),
    "an AsyncEngine of psycopg": lambda url: create_async_engine(of_driver(url, "psycopg_async")),
    "an AsyncEngine of asyncpg": lambda url: create_async_engine(
        of_driver(url, "asyncpg"), connect_args={"prepared_statement_name_func": lambda: ""}
    ),
}


async def dispose(database: str | Engine | AsyncEngine) -> None:
    if isinstance(database, AsyncEngine):
        await database.dispose()
    elif isinstance(database, Engine):
        database.dispose()


@pytest.fixture
def pgbouncer(postgres_url: str) -> Iterator[PgBouncer]:
    """A pooler before an empty database that only this test has."""
    with SessionManager(postgres_url) as memory:
        memory.list_sessions()
    with PgBouncer(postgres_url) as pooler:
        yield pooler


def talk(memory: SessionManager, number: int) -> None:
    """Take turns whose every answer is checked."""
    for turn in range(1, TURNS + 1):
        memory.add_memory(f"s{number}", [Message(role="user", content=f"{number}.{turn}")])
        newest = memory.last_messages(f"s{number}", 3)
        assert [each.content for each in newest] == [f"{number}.{n}" for n in range(max(1, turn - 2), turn + 1)]
        assert memory.count_messages([f"s{number}"]) == {f"s{number}": turn}


async def atalk(memory: SessionManager, number: int) -> None:
    """Take turns whose every answer is checked. See `talk`."""
    for turn in range(1, TURNS + 1):
        await memory.aadd_memory(f"s{number}", [Message(role="user", content=f"{number}.{turn}")])
        newest = await memory.alast_messages(f"s{number}", 3)
        assert [each.content for each in newest] == [f"{number}.{n}" for n in range(max(1, turn - 2), turn + 1)]
        assert await memory.acount_messages([f"s{number}"]) == {f"s{number}": turn}


@pytest.mark.parametrize("opened", URLS)
def test_every_awaited_call_is_right(pgbouncer: PgBouncer, opened: str) -> None:
    async def main() -> None:
        database = URLS[opened](pgbouncer.url)
        async with SessionManager(database) as memory:
            await asyncio.gather(*(atalk(memory, number) for number in range(CALLERS)))
        await dispose(database)

    asyncio.run(main())


@pytest.mark.parametrize("opened", ["psycopg", "asyncpg", "an Engine"])
def test_every_blocking_call_is_right(pgbouncer: PgBouncer, opened: str) -> None:
    database = URLS[opened](pgbouncer.url)
    with SessionManager(database) as memory, ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(lambda number: talk(memory, number), range(CALLERS)))
    asyncio.run(dispose(database))


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_warm_call_is_one_round_trip_to_the_pooler(pgbouncer: PgBouncer, driver: str) -> None:
    """Blocking and awaited, though no statement has a name."""
    taken: list[int] = []

    async def awaited(url: str) -> None:
        async with SessionManager(url) as memory:
            for _ in range(WARM):
                await memory.aadd_memory("s", said("one"))
                await memory.alast_messages("s", 3)
            proxy.reset()
            await memory.aadd_memory("s", said("two"))
            await memory.alast_messages("s", 3)
            taken.append(proxy.round_trips)

    with Proxy.to(pgbouncer.url) as proxy:
        with SessionManager(of_driver(proxy.url_for(pgbouncer.url), driver)) as memory:
            for _ in range(WARM):
                memory.add_memory("s", said("one"))
                memory.last_messages("s", 3)
            proxy.reset()
            memory.add_memory("s", said("two"))
            memory.last_messages("s", 3)
            taken.append(proxy.round_trips)
        asyncio.run(awaited(of_driver(proxy.url_for(pgbouncer.url), driver)))

    assert taken == [2, 2]


def test_startup_parameters_that_the_pooler_refuses_are_refused_with_words(pgbouncer: PgBouncer) -> None:
    memory = SessionManager(f"{pgbouncer.url}?options=-csearch_path%3Dapp")

    with memory, pytest.raises(InvalidInput, match="the pooler before the server refuses"):
        memory.list_sessions()


def test_an_unknown_pooler_is_refused(sqlite_url: str) -> None:
    with pytest.raises(InvalidInput, match="allowed are auto, transaction, none"):
        SessionManager(f"{sqlite_url}?pooler=session")
