"""An engine of the application is used as it is and given back as it was."""

import asyncio
import inspect
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from tests.support import at_once
from tests.support.messages import said, texts
from tests.support.postgres import PATIENCE
from zep_memory_plugin import DatabaseUnavailable, InvalidInput, Message, Session, SessionManager

SESSION = "session"
BLOCKING = ["sqlite+pysqlite", "postgresql+psycopg"]
ASYNC = ["sqlite+aiosqlite", "postgresql+psycopg_async", "postgresql+asyncpg"]

Given = Engine | AsyncEngine
T = TypeVar("T")


@pytest.fixture(params=[*BLOCKING, *ASYNC])
def url(request: pytest.FixtureRequest) -> str:
    """A database, through each driver that an engine of the application may have."""
    fixture = "sqlite_url" if request.param.startswith("sqlite") else "shared_postgres_url"
    _, _, path = str(request.getfixturevalue(fixture)).partition(":")
    return f"{request.param}:{path}"


def make(url: str, **options: Any) -> Given:
    return create_engine(url, **options) if url.partition(":")[0] in BLOCKING else create_async_engine(url, **options)


async def on(engine: Given, work: Callable[[Connection], T]) -> T:
    """Run *work* on a connection of *engine*."""
    if isinstance(engine, AsyncEngine):
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    with engine.connect() as connection:
        return work(connection)


async def dispose(engine: Given) -> None:
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        engine.dispose()


def checked_out(engine: Given) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def message(content: str) -> list[Message]:
    return [Message(role="user", content=content)]


def settings(connection: Connection) -> dict[str, object]:
    """Return how transactions begin on *connection*."""
    driver: Any = connection.connection.dbapi_connection
    names = ["autocommit", "isolation_level"] if connection.dialect.name == "sqlite" else ["autocommit"]
    return {"SQLAlchemy": connection.get_isolation_level()} | {name: getattr(driver, name, None) for name in names}


def begin_by_event(url: str, **options: Any) -> Given:
    """Make an engine that begins transactions by an event, as SQLAlchemy's documentation advises for SQLite."""
    engine = make(url, **options)
    blocking = engine.sync_engine if isinstance(engine, AsyncEngine) else engine

    def leave_transactions_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(blocking, "connect", leave_transactions_to_us)
    event.listen(blocking, "begin", begin)
    return engine


def always_in_transaction(url: str, **options: Any) -> Given:
    """Make an engine whose driver begins transactions, as the documentation advises from Python 3.12 on."""
    return make(url, connect_args={"autocommit": False}, **options)


RECIPES = [
    begin_by_event,
    pytest.param(
        always_in_transaction,
        marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has no autocommit before Python 3.12"),
    ),
]


def test_the_engine_goes_on_after_the_manager_is_closed(url: str) -> None:
    async def main() -> None:
        engine = make(url)
        pool = engine.pool
        async with SessionManager(engine) as manager:
            await manager.aadd_memory(SESSION, message("hello"))

        assert engine.pool is pool
        assert checked_out(engine) == 0
        assert (
            await on(engine, lambda connection: connection.scalar(text("SELECT content FROM zep_messages"))) == "hello"
        )
        await dispose(engine)

    asyncio.run(main())


def test_connections_are_given_back_as_they_were(url: str) -> None:
    """The one connection of the pool still begins and rolls back transactions of the application."""

    def roll_back(connection: Connection) -> None:
        connection.execute(text("DELETE FROM zep_messages"))
        connection.rollback()

    async def main() -> None:
        engine = make(url, pool_size=1, max_overflow=0)
        before = await on(engine, settings)
        async with SessionManager(engine) as manager:
            stored = await manager.aadd_memory(SESSION, message("hello"))
            await manager.aupdate_session(Session(session_id=SESSION, metadata={"a": 1}))

            assert await on(engine, settings) == before
            await on(engine, roll_back)
            assert await manager.alist_messages(SESSION) == stored
        await dispose(engine)

    asyncio.run(main())


@pytest.mark.parametrize("driver", ["sqlite+pysqlite", "sqlite+aiosqlite"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_an_engine_may_control_transactions_in_its_own_way(
    sqlite_url: str, driver: str, recipe: Callable[..., Given]
) -> None:
    """Every kind of write and read goes through, and the engine is given back as it was."""

    async def main() -> None:
        engine = recipe(sqlite_url.replace("sqlite:", f"{driver}:"), pool_size=1, max_overflow=0)
        before = await on(engine, settings)
        async with SessionManager(engine) as manager:
            await asyncio.gather(*(manager.aadd_memory(SESSION, message(str(number))) for number in range(8)))
            stored = await manager.alist_messages(SESSION)
            await manager.adelete_session(SESSION)
            await manager.arestore_session(SESSION)
            assert await manager.alist_messages(SESSION) == stored
            await manager.adelete_messages(SESSION, [kept.uuid for kept in stored[1:] if kept.uuid])

            assert (await manager.apurge()).messages == 7
            assert await manager.alist_messages(SESSION) == stored[:1]
            assert await on(engine, settings) == before
        await dispose(engine)

    asyncio.run(main())


@pytest.mark.parametrize("recipe", RECIPES)
def test_threads_share_an_engine_that_controls_transactions_in_its_own_way(
    sqlite_url: str, recipe: Callable[..., Engine]
) -> None:
    engine = recipe(sqlite_url.replace("sqlite:", "sqlite+pysqlite:"))

    with SessionManager(engine) as manager:
        appends = [(SESSION, message(str(number))) for number in range(8)]
        with at_once.threads(manager.add_memory, appends) as calls:
            at_once.results(calls)

        assert sorted(stored.content for stored in manager.list_messages(SESSION)) == [str(n) for n in range(8)]
    engine.dispose()


@pytest.mark.parametrize("option", [{"stream_results": True}, {"yield_per": 10}], ids=["stream_results", "yield_per"])
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_an_engine_that_reads_in_portions_is_no_hindrance(
    shared_postgres_url: str, driver: str, option: dict[str, Any]
) -> None:
    """Cursors on the server, which need a transaction."""
    engine = make(shared_postgres_url.replace("postgresql", driver, 1), execution_options=option)

    async def run() -> list[str]:
        async with SessionManager(engine) as manager:
            await manager.aadd_memory(SESSION, message("one"), user_id="alice")
            await manager.asearch_memory("one", session_id=SESSION)
            await manager.alist_sessions()
            stored = texts(await manager.alist_messages(SESSION))
        await dispose(engine)
        return stored

    assert asyncio.run(run()) == ["one"]


def test_cancelled_callers_leave_nothing_checked_out(url: str) -> None:
    async def main() -> None:
        engine = make(url)
        chance = random.Random(3)
        async with SessionManager(engine) as manager:
            await manager.aadd_memory(SESSION, message("first"))
            limits = [chance.uniform(0, 0.02) if number % 2 else None for number in range(60)]
            appends = (asyncio.wait_for(manager.aadd_memory(SESSION, message("more")), limit) for limit in limits)
            outcomes = await asyncio.gather(*appends, return_exceptions=True)

            assert checked_out(engine) == 0
            assert [type(outcome) for outcome in outcomes[::2]] == [list] * 30
            assert TimeoutError in {type(outcome) for outcome in outcomes}
        await dispose(engine)

    asyncio.run(main())


@pytest.mark.parametrize("pool", [{}, {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}])
def test_an_engine_in_memory_is_one_database_for_all_callers(pool: dict[str, Any]) -> None:
    """Whether its pool has a connection for each thread or only one."""
    engine = create_engine("sqlite://", **pool)

    async def append(manager: SessionManager) -> None:
        await asyncio.gather(*(manager.aadd_memory(SESSION, message("awaited")) for _ in range(4)))

    with SessionManager(engine) as manager:
        manager.add_memory(SESSION, message("blocking"))
        asyncio.run(append(manager))

        contents = [stored.content for stored in manager.list_messages(SESSION)]

    assert contents == ["blocking", *["awaited"] * 4]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM zep_messages")) == 5
    engine.dispose()


def test_an_engine_with_a_driver_that_is_not_supported_is_refused() -> None:
    """It would write parameters into the statement, without their types."""
    driver = SimpleNamespace(paramstyle="format", __version__="1.31.0")
    engine = create_engine("postgresql+pg8000://localhost/app", module=driver)

    with pytest.raises(InvalidInput, match="'pg8000'; use psycopg or asyncpg"):
        SessionManager(engine)


@pytest.mark.parametrize(
    ("driver", "connect_args"),
    [
        ("postgresql+asyncpg", {"server_settings": {"search_path": "app"}, "command_timeout": 30}),
        ("postgresql+psycopg_async", {"options": "-c search_path=app"}),
    ],
)
def test_blocking_calls_of_an_async_engine_reach_what_awaited_ones_do(
    postgres_url: str, driver: str, connect_args: dict[str, Any]
) -> None:
    """Also where arguments beside the URL say which schema it is, and another has such tables."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA app")
    with SessionManager(postgres_url) as other:
        other.add_memory("of another", message("in public"))

    async def main() -> None:
        engine = create_async_engine(postgres_url.replace("postgresql", driver, 1), connect_args=connect_args)
        async with SessionManager(engine) as manager:
            stored = await manager.aadd_memory(SESSION, message("awaited"))
            assert await asyncio.to_thread(manager.list_messages, SESSION) == stored
            assert [each.session_id for each in await asyncio.to_thread(manager.list_sessions)] == [SESSION]
        await engine.dispose()

    asyncio.run(main())


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+asyncpg"])
def test_blocking_calls_of_an_async_engine_are_heard_by_who_listens_to_it(
    driver: str, request: pytest.FixtureRequest
) -> None:
    """One who sets up each connection, and one who watches, or changes, what is sent."""
    url = request.getfixturevalue("sqlite_url" if driver.startswith("sqlite") else "postgres_url")
    engine = create_async_engine(f"{driver}:{url.partition(':')[2]}")
    heard: list[str] = []

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        heard.append("connect")

    @event.listens_for(engine.sync_engine, "before_cursor_execute", retval=True)
    def marked(connection: object, cursor: object, statement: str, parameters: object, *others: object) -> Any:
        heard.append(statement)
        return f"{statement} -- of the application", parameters

    with SessionManager(engine) as manager:
        manager.add_memory("s", said("one"))
        assert texts(manager.list_messages("s")) == ["one"]

    assert heard[0] == "connect"
    assert [statement for statement in heard if "INSERT INTO zep_messages" in statement]


def test_a_listener_that_wants_the_async_driver_leaves_no_blocking_calls(postgres_url: str) -> None:
    """As one that registers a type with asyncpg's own connection."""
    engine = create_async_engine(postgres_url.replace("postgresql:", "postgresql+asyncpg:"))

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.run_async(lambda driver: driver.reset_type_codec("text", schema="pg_catalog"))

    async def main() -> None:
        manager = SessionManager(engine)
        await manager.aadd_memory("s", said("one"))
        with pytest.raises(InvalidInput, match="a listener for new connections fails"):
            await asyncio.to_thread(manager.list_messages, "s")
        await manager.aclose()
        await engine.dispose()

    asyncio.run(main())


def test_an_async_engine_with_a_creator_has_no_blocking_calls() -> None:
    async def connect() -> object:
        raise OSError

    manager = SessionManager(create_async_engine("postgresql+asyncpg://localhost/app", async_creator=connect))

    with pytest.raises(InvalidInput, match="async_creator"):
        manager.list_sessions()


def test_blocking_calls_keep_no_connection_where_the_async_engine_keeps_none(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql:", "postgresql+asyncpg:"), poolclass=NullPool)
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    with SessionManager(engine) as manager, psycopg.connect(postgres_url, autocommit=True) as beside:
        manager.add_memory("s", said("one"))
        end = time.monotonic() + PATIENCE
        while beside.execute(others).fetchone() != (0,):  # the server takes a moment to see that one is closed
            assert time.monotonic() < end

        assert texts(manager.list_messages("s")) == ["one"]


@pytest.mark.parametrize("given", ["sqlite+pysqlite", "sqlite+aiosqlite"])
def test_a_caller_that_holds_the_lock_itself_is_told_so(sqlite_url: str, given: str) -> None:
    """Rather than after 15 seconds that another process had it; and what it was amid of can still be committed."""

    async def main() -> None:
        engine = make(given + sqlite_url.removeprefix("sqlite"))
        async with SessionManager(engine) as manager:
            await manager.aadd_memory(SESSION, message("first"))
            calls = [lambda: manager.aadd_memory(SESSION, message("refused")), lambda: manager.alist_messages(SESSION)]
            if isinstance(engine, Engine):
                with engine.connect() as connection:
                    await refused_amid(connection, *calls)
                    connection.commit()
            else:
                async with engine.connect() as connection:
                    await refused_amid(connection, *calls)
                    await connection.commit()
            await manager.aadd_memory(SESSION, message("second"))
            assert texts(await manager.alist_messages(SESSION)) == ["first", "second"]
        assert await on(engine, lambda connection: connection.exec_driver_sql("SELECT a FROM note").all()) == [(1,)]
        await dispose(engine)

    asyncio.run(main())


async def refused_amid(
    connection: Connection | AsyncConnection, write: Callable[[], Any], read: Callable[[], Any]
) -> None:
    """Write something of the application's, and see that a write of the manager's is refused then, and no read is."""
    for statement in ("CREATE TABLE note (a)", "INSERT INTO note VALUES (1)"):
        sent = connection.exec_driver_sql(statement)
        await sent if inspect.isawaitable(sent) else None
    with pytest.raises(DatabaseUnavailable, match="its caller has open on the same engine; commit it before"):
        await write()
    assert len(await read()) == 1


def test_a_thread_that_holds_the_lock_itself_is_told_so(sqlite_url: str) -> None:
    """Of two managers on the engine as well, and not when another thread has it."""
    engine = create_engine(sqlite_url)
    with SessionManager(engine) as manager, SessionManager(engine) as other:
        manager.add_memory(SESSION, message("first"))
        with OrmSession(engine) as session:
            session.execute(text("CREATE TABLE note (a)"))
            session.execute(text("INSERT INTO note VALUES (1)"))
            for one in (manager, other):
                with pytest.raises(DatabaseUnavailable, match=r"manager\.using"):
                    one.add_memory(SESSION, message("refused"))
            with manager.using(session):
                manager.add_memory(SESSION, message("second"))
            with ThreadPoolExecutor(1) as thread:
                waiting = thread.submit(manager.add_memory, SESSION, message("third"))
                session.commit()
                waiting.result(PATIENCE)
        assert texts(manager.list_messages(SESSION)) == ["first", "second", "third"]
    engine.dispose()


def test_a_thread_that_keeps_a_connection_from_the_pool_for_good_goes_on(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with SessionManager(engine) as manager, engine.connect() as connection:
        connection.detach()

        manager.add_memory("a", said("hello"))

        assert texts(manager.list_messages("a")) == ["hello"]
    engine.dispose()
