"""The tools of the tests do what the tests believe they do."""

import asyncio
import time
from collections.abc import Callable, Iterator

import asyncpg
import psycopg
import pytest

from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy
from tests.support.shared_database import SharedDatabase

Insert = Callable[[str], None]
CONNECTION_LOST = (psycopg.OperationalError, asyncpg.PostgresConnectionError)


@pytest.fixture
def notes_url(postgres_url: str) -> str:
    """Return the URL of a database with an empty table named note."""
    _run(postgres_url, "CREATE TABLE note (text text)")
    return postgres_url


@pytest.fixture
def proxy(notes_url: str) -> Iterator[Proxy]:
    with Proxy.to(notes_url) as proxy:
        yield proxy


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _rows(url: str, table: str = "note") -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def _insert_with_psycopg(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO note VALUES (%s)", ["kept"])


def _insert_with_asyncpg(url: str) -> None:
    async def insert() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("INSERT INTO note VALUES ($1)", "kept")
        finally:
            connection.terminate()

    asyncio.run(insert())


def _succeeds(insert: Insert, url: str) -> bool:
    try:
        insert(url)
    except CONNECTION_LOST:
        return False
    return True


@pytest.fixture(params=[_insert_with_psycopg, _insert_with_asyncpg], ids=["psycopg", "asyncpg"])
def insert(request: pytest.FixtureRequest) -> Insert:
    """Return a function that inserts the note "kept" through a connection of its own."""
    return request.param


def test_psycopg_reaches_the_server(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_asyncpg_reaches_the_server(postgres_url: str) -> None:
    async def select() -> int:
        connection = await asyncpg.connect(postgres_url)
        try:
            return await connection.fetchval("SELECT 1")
        finally:
            await connection.close()

    assert asyncio.run(select()) == 1


def test_databases_are_independent(postgres_server: PostgresServer, notes_url: str) -> None:
    other = postgres_server.create_database()

    try:
        with pytest.raises(psycopg.errors.UndefinedTable):
            _rows(other)
    finally:
        postgres_server.drop_database(other)


def test_a_database_copies_its_template(postgres_server: PostgresServer, notes_url: str) -> None:
    _run(notes_url, "INSERT INTO note VALUES ('kept')")

    copy = postgres_server.create_database(template=notes_url)

    try:
        assert _rows(copy) == [("kept",)]
    finally:
        postgres_server.drop_database(copy)


def test_database_url_is_empty_on_either_database(database_url: str) -> None:
    assert database_url.startswith(("sqlite:///", "postgresql://"))


def test_a_shared_database_loses_its_rows_but_not_the_schema_version(postgres_url: str) -> None:
    """Foreign keys that tie two tables in a circle are no obstacle."""
    _run(
        postgres_url,
        "CREATE TABLE zep_schema_version (version int)",
        "CREATE TABLE zep_a (id int PRIMARY KEY, b int)",
        "CREATE TABLE zep_b (id int PRIMARY KEY, a int REFERENCES zep_a)",
        "ALTER TABLE zep_a ADD FOREIGN KEY (b) REFERENCES zep_b",
        "INSERT INTO zep_schema_version VALUES (1)",
        "INSERT INTO zep_a VALUES (1, NULL)",
        "INSERT INTO zep_b VALUES (1, 1)",
        "UPDATE zep_a SET b = 1",
    )
    database = SharedDatabase(postgres_url)

    database.empty()

    database.close()
    assert _rows(postgres_url, "zep_a") == _rows(postgres_url, "zep_b") == []
    assert _rows(postgres_url, "zep_schema_version") == [(1,)]


def test_a_shared_database_survives_the_end_of_its_connection(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    database = SharedDatabase(postgres_url)
    _run(
        postgres_url,
        "CREATE TABLE zep_a AS SELECT 1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    database.empty()

    database.close()
    assert _rows(postgres_url, "zep_a") == []


def test_a_warm_autocommit_select_is_one_round_trip(proxy: Proxy, notes_url: str) -> None:
    with psycopg.connect(proxy.url_for(notes_url), autocommit=True) as connection:
        connection.execute("SELECT 1")
        proxy.reset()

        connection.execute("SELECT * FROM note WHERE text = %s", ["x"])

        assert proxy.round_trips == 1


def test_saying_goodbye_is_no_round_trip(proxy: Proxy, notes_url: str) -> None:
    connection = psycopg.connect(proxy.url_for(notes_url))
    proxy.reset()

    connection.close()
    proxy.close()

    assert proxy.round_trips == 0


def test_delay_is_paid_on_every_round_trip(proxy: Proxy, notes_url: str) -> None:
    with psycopg.connect(proxy.url_for(notes_url), autocommit=True) as connection:
        proxy.delay = 0.05
        start = time.perf_counter()

        connection.execute("SELECT 1")
        connection.execute("SELECT 1")

        assert time.perf_counter() - start >= 0.1


def test_a_cut_before_the_insert_leaves_no_row(proxy: Proxy, notes_url: str, insert: Insert) -> None:
    proxy.cut("before", b"INSERT")

    with pytest.raises(CONNECTION_LOST):
        insert(proxy.url_for(notes_url))

    assert (_rows(notes_url), proxy.cuts) == ([], 1)


def test_a_cut_after_the_insert_leaves_the_row(proxy: Proxy, notes_url: str, insert: Insert) -> None:
    proxy.cut("after", b"INSERT")

    with pytest.raises(CONNECTION_LOST):
        insert(proxy.url_for(notes_url))

    assert (_rows(notes_url), proxy.cuts) == ([("kept",)], 1)


def test_a_cut_finds_statements_that_were_prepared_earlier(proxy: Proxy, notes_url: str) -> None:
    with psycopg.connect(proxy.url_for(notes_url), autocommit=True) as connection:
        connection.execute("INSERT INTO note VALUES (%s)", ["first"], prepare=True)
        proxy.cut("before", b"INSERT")

        with pytest.raises(psycopg.OperationalError):
            connection.execute("INSERT INTO note VALUES (%s)", ["second"], prepare=True)

    assert _rows(notes_url) == [("first",)]


def test_only_the_next_cuts_are_made(proxy: Proxy, notes_url: str) -> None:
    proxy.cut("before", b"INSERT", times=2)

    outcomes = [_succeeds(_insert_with_psycopg, proxy.url_for(notes_url)) for _ in range(4)]

    assert outcomes == [False, False, True, True]


def test_cuts_by_probability_hit_some_and_spare_some(proxy: Proxy, notes_url: str) -> None:
    proxy.cut("before", b"INSERT", times=None, probability=0.5)

    outcomes = [_succeeds(_insert_with_psycopg, proxy.url_for(notes_url)) for _ in range(20)]

    assert 0 < proxy.cuts == outcomes.count(False) < 20
