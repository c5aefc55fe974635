"""Eight callers that are the first to use a database at the same moment all succeed."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect

from tests.support import at_once
from zep_memory_plugin import Message, SessionManager

CALLERS = 8
WHO = [f"caller-{number}" for number in range(CALLERS)]


def append(manager: SessionManager, who: str) -> None:
    manager.add_memory("session", [Message(role="user", content=who)])


def append_to(url: str, who: str) -> None:
    with SessionManager(url) as manager:
        append(manager, who)


def stored_in(url: str) -> list[str]:
    with SessionManager(url) as manager:
        return sorted(message.content for message in manager.list_messages("session"))


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(params=["sqlite", "sqlite+aiosqlite", "postgresql+psycopg", "postgresql+asyncpg"])
def driver_url(request: pytest.FixtureRequest) -> str:
    """A database without tables, through each driver."""
    fixture = "sqlite_url" if request.param.startswith("sqlite") else "postgres_url"
    _, _, path = str(request.getfixturevalue(fixture)).partition(":")
    return f"{request.param}:{path}"


def test_threads_of_one_manager_are_first_at_once(empty_url: str) -> None:
    with SessionManager(empty_url) as manager, at_once.threads(append, [(manager, who) for who in WHO]) as calls:
        at_once.results(calls)

    assert stored_in(empty_url) == WHO


def test_threads_with_a_manager_each_are_first_at_once(empty_url: str) -> None:
    with at_once.threads(append_to, [(empty_url, who) for who in WHO]) as calls:
        at_once.results(calls)

    assert stored_in(empty_url) == WHO


@pytest.mark.parametrize("trial", range(3))
def test_processes_are_first_at_once(empty_url: str, trial: int) -> None:
    """Several times: what a first use must wait for lasts milliseconds."""
    with at_once.processes(append_to, [(empty_url, who) for who in WHO]) as calls:
        at_once.results(calls)

    assert stored_in(empty_url) == WHO


def test_tasks_of_one_manager_are_first_at_once(driver_url: str) -> None:
    async def main() -> None:
        async with SessionManager(driver_url) as manager:
            appends = (manager.aadd_memory("session", [Message(role="user", content=who)]) for who in WHO)
            await asyncio.gather(*appends)

    asyncio.run(main())

    assert stored_in(driver_url) == WHO


def test_tasks_with_a_manager_each_are_first_at_once(driver_url: str) -> None:
    async def append_with_own_manager(who: str) -> None:
        async with SessionManager(driver_url) as manager:
            await manager.aadd_memory("session", [Message(role="user", content=who)])

    async def main() -> None:
        await asyncio.gather(*(append_with_own_manager(who) for who in WHO))

    asyncio.run(main())

    assert stored_in(driver_url) == WHO


def test_a_read_may_be_first(empty_url: str) -> None:
    """Readers at once find an empty database, whoever creates its tables."""
    with at_once.threads(stored_in, [(empty_url,)] * CALLERS) as calls:
        assert at_once.results(calls) == [[]] * CALLERS


def test_tables_of_the_application_are_created_as_it_describes_them(sqlite_url: str) -> None:
    """A column of ours is for Postgres alone; that changes nothing for whoever shares the process."""
    engine = create_engine(sqlite_url)
    info = {"dialect": "postgresql"}
    columns = (Column("id", Integer), Column("noted", Integer, info=info), Column("xmin", Integer, system=True))
    table = Table("of_the_application", MetaData(), *columns)

    table.create(engine)

    assert [column["name"] for column in inspect(engine).get_columns(table.name)] == ["id", "noted"]
    engine.dispose()


@pytest.mark.parametrize("name", ["file::memory:?uri=true", "file:shared?mode=memory&cache=shared&uri=true"])
def test_a_uri_may_name_a_database_in_memory(name: str) -> None:
    """It is one for all callers, as any in memory."""

    async def acount(manager: SessionManager) -> int:
        await manager.aadd_memory("a", [Message(role="user")])
        return len(await manager.alist_messages("a"))

    with SessionManager(f"sqlite:///{name}") as manager:
        manager.add_memory("a", [Message(role="user")])
        assert asyncio.run(acount(manager)) == 2
