"""A connection of the application that is lent for a block: its rows and ours are committed together, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import scoped_session, sessionmaker

from tests.support.messages import said, texts
from zep_memory_plugin import (
    InvalidInput,
    Message,
    Session,
    SessionManager,
    ZepMemoryError,
)


class RolledBack(Exception):
    """What the application raises to roll back."""


def driver_of(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://").replace("sqlite://", "sqlite+aiosqlite://")


def blocking_of(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@dataclass
class App:
    """An application with a table of its own."""

    url: str
    manager: SessionManager

    def rows(self) -> list[str]:
        engine = create_engine(blocking_of(self.url))
        with engine.connect() as connection:
            found = list(connection.execute(text("SELECT name FROM app_row ORDER BY name")).scalars())
        engine.dispose()
        return found


INSERT = text("INSERT INTO app_row VALUES (:name)")


@pytest.fixture
def app(request: pytest.FixtureRequest, database_url: str) -> Iterator[App]:
    """Return an application whose manager has used its tables before."""
    engine = create_engine(blocking_of(database_url))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS app_row"))
        connection.execute(text("CREATE TABLE app_row (name TEXT)"))
    with SessionManager(database_url) as manager:
        manager.add_memory("before", said("one"))
        yield App(database_url, manager)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE app_row"))
    engine.dispose()


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    with disposed(create_engine(blocking_of(url))) as engine, engine.begin() as connection:
        yield connection


@contextmanager
def disposed(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def orm_session(url: str) -> Iterator[OrmSession]:
    with disposed(create_engine(blocking_of(url))) as engine, OrmSession(engine) as session, session.begin():
        yield session


@contextmanager
def scoped(url: str) -> Iterator[Any]:
    engine = create_engine(blocking_of(url))
    session = scoped_session(sessionmaker(engine))
    try:
        with session.begin():
            yield session
    finally:
        session.remove()
        engine.dispose()


@contextmanager
def by_recipe(url: str) -> Iterator[Connection]:
    """Return a connection whose application begins transactions itself, as SQLAlchemy advises for SQLite."""
    engine = create_engine(blocking_of(url))
    if url.startswith("sqlite"):
        event.listen(engine, "connect", lambda driver, _: setattr(driver, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with disposed(engine), engine.begin() as connection:
        yield connection


BLOCKING = [connection, orm_session, scoped, by_recipe]


@asynccontextmanager
async def async_connection(url: str) -> AsyncIterator[AsyncConnection]:
    async with adisposed(create_async_engine(url)) as engine, engine.begin() as connection:
        yield connection


@asynccontextmanager
async def adisposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def async_session(url: str) -> AsyncIterator[AsyncSession]:
    async with adisposed(create_async_engine(url)) as engine, AsyncSession(engine) as session, session.begin():
        yield session


@asynccontextmanager
async def async_scoped(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(url)
    session = async_scoped_session(sessionmaker(engine, class_=AsyncSession), scopefunc=asyncio.current_task)  # type: ignore[call-overload]
    try:
        async with session.begin():
            yield session
    finally:
        await session.remove()
        await engine.dispose()


AWAITED = [async_connection, async_session, async_scoped]
DRIVERS = ["psycopg", "asyncpg"]


@pytest.mark.parametrize("lend", BLOCKING, ids=lambda lend: lend.__name__)
def test_what_is_stored_is_committed_with_the_applications_row(app: App, lend: Callable[[str], Any]) -> None:
    with lend(app.url) as own:
        own.execute(INSERT, {"name": "mine"})
        with app.manager.using(own):
            app.manager.add_memory("s", said("one"))
            app.manager.add_memory("s", said("two"), user_id="alice")
            assert texts(app.manager.list_messages("s")) == ["one", "two"]
        if app.url.startswith("postgresql"):
            assert app.manager.list_messages("s") == [], "it is not seen outside"

    assert app.rows() == ["mine"]
    assert texts(app.manager.list_messages("s")) == ["one", "two"]
    assert app.manager.get_session("s").user_id == "alice"


@pytest.mark.parametrize("lend", BLOCKING, ids=lambda lend: lend.__name__)
@pytest.mark.parametrize("first", ["row", "message"])
def test_what_is_stored_is_rolled_back_with_the_applications_row(
    app: App, lend: Callable[[str], Any], first: str
) -> None:
    with suppress(RolledBack), lend(app.url) as own:
        if first == "row":
            own.execute(INSERT, {"name": "mine"})
        with app.manager.using(own):
            app.manager.add_memory("s", said("one"))
            app.manager.delete_session("before")
        own.execute(INSERT, {"name": "mine"})
        raise RolledBack

    assert app.rows() == []
    assert [session.session_id for session in app.manager.list_sessions()] == ["before"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("lend", AWAITED, ids=lambda lend: lend.__name__)
@pytest.mark.parametrize("keeps", [True, False], ids=["commit", "rollback"])
def test_calls_that_are_awaited_are_a_part_of_the_transaction_as_well(
    app: App, lend: Callable[[str], Any], driver: str, keeps: bool
) -> None:
    async def work() -> None:
        async with lend(driver_of(app.url, driver)) as own:
            await own.execute(INSERT, {"name": "mine"})
            with app.manager.using(own):
                await app.manager.aadd_memory("s", said("one"))
                assert texts(await app.manager.alist_messages("s")) == ["one"]
            if not keeps:
                raise RolledBack

    if keeps:
        asyncio.run(work())
    else:
        with pytest.raises(RolledBack):
            asyncio.run(work())

    assert app.rows() == (["mine"] if keeps else [])
    assert texts(app.manager.list_messages("s")) == (["one"] if keeps else [])


@pytest.mark.parametrize("driver", DRIVERS)
def test_blocking_calls_have_what_run_sync_gives(app: App, driver: str) -> None:
    def work(own: Connection) -> None:
        with app.manager.using(own):
            app.manager.add_memory("s", said("one"))

    async def run() -> None:
        async with async_connection(driver_of(app.url, driver)) as own:
            await own.run_sync(work)
            with app.manager.using(own), pytest.raises(InvalidInput, match="await"):
                app.manager.add_memory("s", said("two"))

    asyncio.run(run())

    assert texts(app.manager.list_messages("s")) == ["one"]


def test_awaited_calls_may_have_a_connection_that_blocks(app: App) -> None:
    async def work(own: Connection) -> None:
        with app.manager.using(own):
            await app.manager.aadd_memory("s", said("one"))

    with connection(app.url) as own:
        own.execute(INSERT, {"name": "mine"})
        asyncio.run(work(own))

    assert app.rows() == ["mine"]
    assert texts(app.manager.list_messages("s")) == ["one"]


def refused(manager: SessionManager) -> list[Callable[[], object]]:
    """Return calls that fail, before a statement, by what is stored, and by a row that is there."""
    return [
        lambda: manager.add_memory("s", [Message(role="user", token_count=-1)]),
        lambda: manager.get_session("gone"),
        lambda: manager.add_session(Session(session_id="added")),
        lambda: manager.add_memory("hers", said("mine now"), user_id="bob"),
        lambda: manager.delete_messages("before", ["gone"]),
    ]


def test_a_call_that_fails_leaves_the_transaction_as_it_was(app: App) -> None:
    app.manager.add_memory("hers", said("one"), user_id="alice")
    app.manager.add_session(Session(session_id="added"))
    with connection(app.url) as own:
        own.execute(INSERT, {"name": "mine"})
        with app.manager.using(own):
            app.manager.add_memory("s", said("one"))
            for call in refused(app.manager):
                with pytest.raises(ZepMemoryError):
                    call()
            app.manager.add_memory("s", said("two"))
        own.execute(INSERT, {"name": "mine, too"})

    assert app.rows() == ["mine", "mine, too"]
    assert texts(app.manager.list_messages("s")) == ["one", "two"]
    assert texts(app.manager.list_messages("hers")) == ["one"]


def test_a_statement_that_fails_is_an_error_of_ours_and_sent_once(app: App) -> None:
    sent: list[str] = []
    with connection(app.url) as own:
        own.execute(text("ALTER TABLE zep_sessions RENAME TO zep_hidden"))
        event.listen(own, "before_cursor_execute", lambda c, u, statement, *_: sent.append(statement))
        with app.manager.using(own), pytest.raises(ZepMemoryError) as caught:
            app.manager.add_memory("s", said("a secret"))
        own.execute(text("ALTER TABLE zep_hidden RENAME TO zep_sessions"))

    assert "secret" not in str(caught.value)
    assert sum("INSERT INTO zep_messages" in statement or "last_seq" in statement for statement in sent) <= 2
    assert texts(app.manager.list_messages("before")) == ["one"]


def test_large_batches_and_searches_are_a_part_of_it(app: App) -> None:
    with connection(app.url) as own, app.manager.using(own):
        app.manager.add_memory("s", said(*[f"word{number}" for number in range(2_500)]))
        app.manager.replace_memory("t", said("a whale"))
        found = app.manager.search_memory("whale")
        app.manager.rewind_session("s", app.manager.list_messages("s")[1].uuid or "")
        app.manager.fork_session("s", "fork")

    assert [result.message.content for result in found if result.message] == ["a whale"]
    assert texts(app.manager.list_messages("fork")) == ["word0", "word1"]
    assert app.manager.search_memory("word1")[0].session_id in ("s", "fork")


@pytest.mark.parametrize("fixture", ["sqlite_url", "postgres_url"])
def test_the_first_call_of_all_may_be_in_it(fixture: str, request: pytest.FixtureRequest) -> None:
    """What it creates goes when the application rolls back, and is created again."""
    url = request.getfixturevalue(fixture)
    with SessionManager(url) as manager:
        with suppress(RolledBack), connection(url) as own, manager.using(own):
            manager.add_memory("s", said("one"))
            raise RolledBack
        with connection(url) as own, manager.using(own):
            manager.add_memory("s", said("one"))

        assert texts(manager.list_messages("s")) == ["one"]


def test_a_connection_in_autocommit_commits_each_call(app: App) -> None:
    engine = create_engine(blocking_of(app.url), isolation_level="AUTOCOMMIT")
    with suppress(RolledBack), disposed(engine), engine.connect() as own, app.manager.using(own):
        own.execute(INSERT, {"name": "mine"})
        app.manager.add_memory("s", said("one"))
        raise RolledBack

    assert app.rows() == ["mine"]
    assert texts(app.manager.list_messages("s")) == ["one"]


def test_a_connection_that_was_committed_may_go_on(app: App) -> None:
    with disposed(create_engine(blocking_of(app.url))) as engine, engine.connect() as own, app.manager.using(own):
        app.manager.add_memory("s", said("one"))
        own.commit()
        app.manager.add_memory("s", said("two"))
        own.rollback()
        app.manager.add_memory("s", said("three"))
        own.commit()

    assert texts(app.manager.list_messages("s")) == ["one", "three"]


def test_it_holds_for_one_manager_and_one_block(app: App, tmp_path: Any) -> None:
    with SessionManager(f"sqlite:///{tmp_path / 'other.db'}") as other:
        with suppress(RolledBack), connection(app.url) as own, app.manager.using(own):
            other.add_memory("s", said("kept"))
            app.manager.add_memory("s", said("rolled back"))
            raise RolledBack
        app.manager.add_memory("after", said("kept"))

        assert texts(other.list_messages("s")) == ["kept"]
    assert app.manager.list_messages("s") == []
    assert texts(app.manager.list_messages("after")) == ["kept"]


@pytest.mark.parametrize("given", [None, "sqlite://", 5, object()], ids=["none", "text", "number", "object"])
def test_what_is_no_connection_is_refused(given: Any, sqlite_url: str) -> None:
    with pytest.raises(InvalidInput, match="connection"):
        SessionManager(sqlite_url).using(given)


def test_a_connection_to_another_kind_of_database_is_refused(postgres_url: str, sqlite_url: str) -> None:
    manager = SessionManager(postgres_url)
    with connection(sqlite_url) as own, manager.using(own), pytest.raises(InvalidInput, match="sqlite"):
        manager.add_memory("s", said("one"))
