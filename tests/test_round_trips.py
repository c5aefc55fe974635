"""What the hot paths cost: one round trip on Postgres, and no statement too many on SQLite."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.support.proxy import Proxy
from zep_memory_plugin import Message, SessionManager, Summary, User

SESSION = "session"
OWNER = "owner"
WARM = 8
"""Calls after which each driver has prepared the statements that it is going to prepare."""

TWO_MESSAGES = [Message(role="user", content="a question"), Message(role="assistant", content="an answer")]

READS: Mapping[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "a session": ("get_session", (SESSION,), {}),
    "a user": ("get_user", (OWNER,), {}),
    "the memory": ("get_memory", (SESSION,), {}),
    "the memory of the newest 20": ("get_memory", (SESSION, 20), {}),
    "all messages": ("list_messages", (SESSION,), {}),
    "a page of messages": ("list_messages", (SESSION, 10, 10), {}),
    "the newest 20": ("last_messages", (SESSION, 20), {}),
    "the newest 20 in whole turns": ("last_messages", (SESSION, 20), {"whole_turns": True}),
    "the newest of 100 tokens": ("last_messages", (SESSION,), {"max_tokens": 100}),
    "a page of sessions": ("list_sessions", (20,), {}),
    "a page of a user's sessions": ("get_user_sessions", (OWNER, 20), {}),
}

APPENDS: Mapping[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "an append": ("add_memory", (SESSION, TWO_MESSAGES), {}),
    "an append by the owner": ("add_memory", (SESSION, TWO_MESSAGES), {"user_id": OWNER}),
}


def fill(url: str) -> None:
    """Store a session of 30 messages that has an owner and a summary."""
    with SessionManager(url) as manager:
        manager.add_user(User(user_id=OWNER))
        manager.add_memory(SESSION, TWO_MESSAGES * 15, user_id=OWNER)
        manager.add_summary(SESSION, Summary(content="what was said", seq=5))


@pytest.fixture
def proxy(shared_postgres_url: str) -> Iterator[Proxy]:
    fill(shared_postgres_url)
    with Proxy.to(shared_postgres_url) as proxy:
        yield proxy


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    fill(sqlite_url)
    engine = create_engine(sqlite_url)
    yield engine
    engine.dispose()


def round_trips(manager: SessionManager, proxy: Proxy) -> dict[str, int]:
    """Return how many round trips each call takes when it is warm."""
    taken: dict[str, int] = {}
    for call, (method, arguments, options) in (READS | APPENDS).items():
        for _ in range(WARM):
            getattr(manager, method)(*arguments, **options)
        proxy.reset()
        getattr(manager, method)(*arguments, **options)
        taken[call] = proxy.round_trips
    return taken


def test_blocking_calls_take_one_round_trip(proxy: Proxy, shared_postgres_url: str) -> None:
    with SessionManager(proxy.url_for(shared_postgres_url)) as manager:
        assert round_trips(manager, proxy) == dict.fromkeys(READS | APPENDS, 1)


def test_calls_on_an_engine_of_the_application_take_one_round_trip(proxy: Proxy, shared_postgres_url: str) -> None:
    engine = create_engine(proxy.url_for(shared_postgres_url).replace("postgresql:", "postgresql+psycopg:"))

    with SessionManager(engine) as manager:
        assert round_trips(manager, proxy) == dict.fromkeys(READS | APPENDS, 1)

    engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_async_calls_take_one_round_trip(proxy: Proxy, shared_postgres_url: str, driver: str) -> None:
    url = proxy.url_for(shared_postgres_url).replace("postgresql:", f"postgresql+{driver}:")
    taken: dict[str, int] = {}

    async def main() -> None:
        async with SessionManager(url) as manager:
            for call, (method, arguments, options) in (READS | APPENDS).items():
                for _ in range(WARM):
                    await getattr(manager, f"a{method}")(*arguments, **options)
                proxy.reset()
                await getattr(manager, f"a{method}")(*arguments, **options)
                taken[call] = proxy.round_trips

    asyncio.run(main())

    assert taken == dict.fromkeys(READS | APPENDS, 1)


def statements_of(engine: Engine, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> list[str]:
    """Return the first words of the statements that a warm call sends."""
    sent: list[str] = []
    with SessionManager(engine) as manager:
        getattr(manager, method)(*arguments, **options)
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
        getattr(manager, method)(*arguments, **options)
    return [" ".join(statement.split()[:2]) for statement in sent]


@pytest.mark.parametrize("append", APPENDS)
def test_an_append_on_sqlite_takes_five_statements(engine: Engine, append: str) -> None:
    assert statements_of(engine, *APPENDS[append]) == [
        "BEGIN IMMEDIATE",
        "UPDATE zep_sessions",
        "INSERT INTO",
        "INSERT INTO",
        "COMMIT",
    ]


@pytest.mark.parametrize("read", READS)
def test_a_read_on_sqlite_takes_one_statement(engine: Engine, read: str) -> None:
    (statement,) = statements_of(engine, *READS[read])

    assert statement.startswith("SELECT ")
