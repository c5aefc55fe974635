"""Policies of Postgres hold a tenant to what is theirs, whatever the library asks for, and cost no round trip."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.colours import BACKENDS, Backend, Caller
from tests.support.guarded import Guarded, guarded
from tests.support.messages import said
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy
from tests.support.signatures import METHODS, call, fill
from tests.support.tables import Tables
from tests.test_tenants import NAMING, OF_ALL_USERS, STORING
from zep_memory_plugin import Message, Session, SessionExists, SessionManager, SessionNotFound, Summary, ZepMemoryError
from zep_memory_plugin.databases.postgresql.guarding import SETTING
from zep_memory_plugin.running.creating import statements

ON_POSTGRES = [backend for backend in BACKENDS if backend.name in ("postgres-sync", "asyncpg")]
WARM = 8
"""Calls after which each driver has prepared the statements that it is going to prepare."""

TABLES = [
    "session_holds",
    "user_holds",
    "users",
    "sessions",
    "messages",
    "summaries",
    "message_embeddings",
    "session_states",
    "user_states",
    "branches",
]


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Guarded]:
    """A database with policies that the tests of this file share."""
    url = postgres_server.create_database()
    with guarded(url) as database:
        yield database
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def callers(database: Guarded) -> Iterator[dict[str, Caller]]:
    """The application's managers, by backend."""
    opened = {backend.name: backend.open(backend.url(database.url)) for backend in ON_POSTGRES}
    yield opened
    for caller in opened.values():
        caller.close()


@pytest.fixture(scope="module")
def of_owner(database: Guarded) -> Iterator[tuple[SessionManager, Tables]]:
    with SessionManager(database.owner_url) as manager, Tables(database.owner_url) as tables:
        yield manager, tables


@pytest.fixture
def owner(of_owner: tuple[SessionManager, Tables]) -> Iterator[SessionManager]:
    """The manager of the owner of the tables, whom no policy concerns; in the end nothing is left."""
    manager, tables = of_owner
    yield manager
    tables.empty()


@pytest.fixture(params=ON_POSTGRES, ids=lambda backend: backend.name)
def alice(request: pytest.FixtureRequest, callers: dict[str, Caller], owner: SessionManager) -> Caller:
    """The manager of Alice, who has the session "a"; Bob has "bobs"."""
    backend: Backend = request.param
    fill(owner)
    owner.add_memory("bobs", said("secret"), user_id="bob")
    return callers[backend.name].of(lambda manager: manager.as_user("alice"))


@pytest.fixture
def tables(of_owner: tuple[SessionManager, Tables]) -> Tables:
    return of_owner[1]


@pytest.fixture
def everything(owner: SessionManager) -> None:
    """Rows in every table of Alice's, and of Bob's."""
    for user in ("alice", "bob"):
        stored = owner.add_memory(user, [*said("one"), *said("two")], user_id=user)
        owner.set_state(user, "{}")
        owner.set_user_state(user, "{}")
        owner.add_summary(user, Summary(content="in short", seq=1))
        owner.rewind_session(user, stored[0].uuid or "")
        owner.add_memory(user, said("three"))
        owner.hold_session(user)
        owner.hold_user(user)


def outcome(memory: Caller, method: str, session_id: str) -> str:
    """Return what a call comes to, without the session's name."""
    try:
        came = repr(call(memory, method, session_id=session_id))
    except ZepMemoryError as error:
        came = f"{type(error).__name__}: {error}"
    return came.replace(session_id, "SESSION")


@pytest.mark.parametrize("method", [m for m in METHODS if m not in OF_ALL_USERS | {"add_user", "close"}])
def test_under_policies_the_user_can_do_all_with_what_is_theirs(alice: Caller, tables: Tables, method: str) -> None:
    others = [row for row in tables.rows("messages") if row["session_id"] == "bobs"]

    returned = call(alice, method)

    assert "secret" not in repr(returned)
    assert [row for row in tables.rows("messages") if row["session_id"] == "bobs"] == others


@pytest.mark.parametrize("method", NAMING)
def test_under_policies_a_session_that_is_not_theirs_is_as_if_it_were_not_there(
    alice: Caller, tables: Tables, method: str
) -> None:
    before = tables.snapshot()

    assert outcome(alice, method, "bobs") == outcome(alice, method, "none")
    assert tables.snapshot() == before


@pytest.mark.parametrize("method", sorted(STORING))
def test_under_policies_a_session_that_is_not_theirs_is_not_written_to(
    alice: Caller, tables: Tables, method: str
) -> None:
    before = tables.snapshot()
    named: dict[str, Any] = {"session_id": "bobs"}
    if method == "add_session":
        named = {"session": Session(session_id="bobs", user_id="alice")}

    with pytest.raises((SessionNotFound, SessionExists)):
        call(alice, method, **named)

    assert tables.snapshot() == before


def embed(database: Guarded) -> None:
    """Store what both users' messages mean."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("INSERT INTO zep_message_embeddings SELECT session_id, seq, uuid, '{1}' FROM zep_messages")


def owners(connection: psycopg.Connection) -> dict[str, set[str]]:
    """Return whose rows the role sees in each table."""
    seen = {
        table: connection.execute(f"SELECT to_jsonb(t) FROM zep_{table} AS t".encode()).fetchall() for table in TABLES
    }
    return {table: {row.get("session_id") or row["user_id"] for (row,) in rows} for table, rows in seen.items()}


@pytest.mark.usefixtures("everything")
def test_each_table_shows_the_rows_of_the_user_of_the_transaction_and_else_none(database: Guarded) -> None:
    embed(database)
    with psycopg.connect(database.url, autocommit=True) as connection:
        nobody = owners(connection)
        with connection.transaction():
            connection.execute("SELECT set_config(%s, 'alice', true)", (SETTING,))
            alice = owners(connection)
        afterwards = owners(connection)

    assert nobody == afterwards == {table: set() for table in TABLES}
    assert alice == {table: {"alice"} for table in TABLES}


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO zep_user_states VALUES ('carol', '{}', 1, now())",
        "INSERT INTO zep_session_states VALUES ('bob', '{}', 1, now())",
        "INSERT INTO zep_branches VALUES ('bob', 9, 1)",
        "UPDATE zep_sessions SET user_id = 'bob'",
        "UPDATE zep_messages SET session_id = 'bob', seq = 9",
    ],
)
def test_nothing_can_be_written_for_another_user(database: Guarded, statement: str) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("SELECT set_config(%s, 'alice', true)", (SETTING,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_what_is_done_in_the_background_is_done_as_the_user(database: Guarded) -> None:
    with SessionManager(database.url, message_window=2, summarizer=lambda previous, messages: "short") as manager:
        carol = manager.as_user("carol")
        carol.add_memory("in the background", said("1", "2", "3"))
        carol.flush()

        summary = carol.get_memory("in the background").summary
        assert summary is not None
        assert summary.content == "short"


def test_a_manager_of_nobody_sees_nothing_also_after_one_of_a_user(callers: dict[str, Caller], alice: Caller) -> None:
    assert [session.session_id for session in alice.list_sessions()] == ["a"]

    for caller in callers.values():
        assert caller.list_sessions() == []
        assert caller.list_messages("a") == []
        with pytest.raises(ZepMemoryError):
            caller.add_memory("new", said("nobody's"))


def test_the_user_is_settled_before_a_row_is_looked_at_whatever_the_plan(
    database: Guarded, owner: SessionManager
) -> None:
    plans = ["enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan", "enable_seqscan", "enable_nestloop"]
    for off in ([], plans[:3], plans[3:], plans):
        options = " ".join(f"-c {name}=off" for name in off)
        engine = create_engine(
            database.url.replace("postgresql:", "postgresql+psycopg:"), connect_args={"options": options}
        )
        with SessionManager(engine) as manager:
            alice = manager.as_user("alice")
            for text in ("one", "two"):
                message = Message(role="user", content=text)
                stored = alice.add_memory("a", [message])
                alice.add_memory("a", stored)  # which it has already
                alice.add_memory("a", [message], known="append")
            assert alice.get_memory("a").messages
            assert alice.search_memory("two")
        engine.dispose()


CALLS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "an append": ("add_memory", ("a", said("two"))),
    "the memory": ("get_memory", ("a",)),
    "all messages": ("list_messages", ("a",)),
    "the newest": ("last_messages", ("a", 20)),
    "a session": ("get_session", ("a",)),
    "a page of sessions": ("list_sessions", (20,)),
}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_append_and_each_read_take_one_round_trip(database: Guarded, owner: SessionManager, driver: str) -> None:
    taken: dict[str, int] = {}

    async def main() -> None:
        async with SessionManager(
            proxy.url_for(database.url).replace("postgresql:", f"postgresql+{driver}:")
        ) as manager:
            alice = manager.as_user("alice")
            for call, (method, arguments) in CALLS.items():
                for _ in range(WARM):
                    await getattr(alice, f"a{method}")(*arguments)
                proxy.reset()
                await getattr(alice, f"a{method}")(*arguments)
                taken[call] = proxy.round_trips

    with Proxy.to(database.url) as proxy:
        asyncio.run(main())

    assert taken == dict.fromkeys(CALLS, 1)


def test_a_transaction_of_the_application_has_its_own_user_back(database: Guarded, owner: SessionManager) -> None:
    engine = create_engine(database.url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(engine) as manager, engine.begin() as connection:
        alice = manager.as_user("alice")
        with alice.using(connection):
            alice.add_memory("a", said("hello"))
            assert [message.content for message in alice.list_messages("a")] == ["hello"]
            with pytest.raises(SessionNotFound):
                alice.delete_session("none")
        assert not connection.exec_driver_sql(f"SELECT current_setting('{SETTING}')").scalar()
        assert connection.exec_driver_sql("SELECT count(*) FROM zep_messages").scalar() == 0
    assert [message.content for message in owner.list_messages("a")] == ["hello"]
    engine.dispose()


def talk(manager: SessionManager, number: int) -> None:
    """Take turns for a user of their own, whose every answer is checked."""
    alone = manager.as_user(f"u{number}")
    for turn in range(1, 11):
        alone.add_memory(f"s{number}", [Message(role="user", content=f"{number}.{turn}")])
        newest = alone.last_messages(f"s{number}", 2)
        assert [each.content for each in newest] == [f"{number}.{n}" for n in range(max(1, turn - 1), turn + 1)]
        assert [session.session_id for session in alone.list_sessions()] == [f"s{number}"]
        assert manager.list_sessions() == []


async def atalk(manager: SessionManager, number: int) -> None:
    """Take turns for a user of their own. See `talk`."""
    alone = manager.as_user(f"u{number}")
    for turn in range(1, 11):
        await alone.aadd_memory(f"s{number}", [Message(role="user", content=f"{number}.{turn}")])
        newest = await alone.alast_messages(f"s{number}", 2)
        assert [each.content for each in newest] == [f"{number}.{n}" for n in range(max(1, turn - 1), turn + 1)]
        assert [session.session_id for session in await alone.alist_sessions()] == [f"s{number}"]
        assert await manager.alist_sessions() == []


@pytest.fixture(scope="module")
def pooler(database: Guarded) -> Iterator[PgBouncer]:
    if "ZEP_TEST_NO_PGBOUNCER" in os.environ:
        pytest.skip("ZEP_TEST_NO_PGBOUNCER is set")
    with PgBouncer(database.url) as pooler:
        yield pooler


@pytest.mark.usefixtures("owner")
def test_behind_a_pooler_each_blocking_call_is_of_its_user(pooler: PgBouncer) -> None:
    with SessionManager(pooler.url) as manager, ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: talk(manager, number), range(6)))


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
def test_behind_a_pooler_each_awaited_call_is_of_its_user(pooler: PgBouncer, driver: str) -> None:
    async def main() -> None:
        engine = create_async_engine(pooler.url.replace("postgresql:", f"postgresql+{driver}:"), pool_size=6)
        async with SessionManager(engine) as manager:
            await asyncio.gather(*(atalk(manager, number) for number in range(6)))
        await engine.dispose()

    asyncio.run(main())


def test_the_policies_hold_for_partitioned_tables_too(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in statements("postgresql", 2):
            connection.execute(statement.encode())
    with guarded(postgres_url) as partitioned, SessionManager(partitioned.url) as manager:
        manager.as_user("alice").add_memory("a", said("hello"))
        assert manager.as_user("bob").list_messages("a") == []
        assert len(manager.as_user("alice").search_memory("hello")) == 1
