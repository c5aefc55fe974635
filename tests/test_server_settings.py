"""Settings of a Postgres server that are not the usual ones change nothing, or are one clear error."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from zep_memory_plugin import DatabaseUnavailable, InvalidInput, Message, SessionManager, ZepMemoryError
from zep_memory_plugin.databases.postgresql.errors import failure

HELLO = "hello \N{THUMBS UP SIGN}"
CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"

DATABASES: dict[str, Callable[[str], str | Engine]] = {
    "psycopg": str,
    "asyncpg": lambda url: url.replace("postgresql:", "postgresql+asyncpg:"),
    "an Engine": lambda url: create_engine(url.replace("postgresql:", "postgresql+psycopg:")),
}


@pytest.fixture(params=DATABASES)
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[str], SessionManager]]:
    """What makes a manager on a URL."""
    made: list[str | Engine] = []

    def open_manager(url: str) -> SessionManager:
        made.append(DATABASES[request.param](url))
        return SessionManager(made[-1])

    yield open_manager
    for database in made:
        if isinstance(database, Engine):
            database.dispose()


def alter(url: str, *settings: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        for setting in settings:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET {setting}")


async def _many(memory: SessionManager) -> None:
    async with memory:
        await memory.aadd_memory("s", [Message(role="user", content=HELLO)])
        appends = (memory.aadd_memory("s", [Message(role="user", content=HELLO)]) for _ in range(60))
        await asyncio.gather(*appends)
        assert [each.seq for each in await memory.alist_messages("s")] == list(range(1, 62))


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_stricter_default_isolation_refuses_no_append(
    postgres_url: str, opened: Callable[[str], SessionManager], level: str
) -> None:
    alter(postgres_url, f"default_transaction_isolation = '{level}'")

    asyncio.run(_many(opened(postgres_url)))


def test_dates_and_time_zones_may_be_written_in_any_way(
    postgres_url: str, opened: Callable[[str], SessionManager]
) -> None:
    usual = SessionManager(postgres_url)
    with usual:
        (stored,) = usual.add_memory("s", [Message(role="user", content=HELLO)])
    alter(postgres_url, "datestyle = 'SQL, DMY'", "timezone = 'Asia/Kolkata'", "intervalstyle = 'sql_standard'")

    with opened(postgres_url) as memory:
        assert memory.list_messages("s") == [stored]
        assert asyncio.run(memory.alist_messages("s")) == [stored]


def test_connections_opened_while_the_server_was_read_only_are_replaced(
    postgres_url: str, opened: Callable[[str], SessionManager]
) -> None:
    with SessionManager(postgres_url) as usual:
        usual.add_memory("s", [Message(role="user", content="before")])
    alter(postgres_url, "default_transaction_read_only = on")
    with opened(postgres_url) as memory:
        memory.list_sessions()
        asyncio.run(memory.alist_sessions())
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            memory.add_memory("s", [Message(role="user", content="refused")])
        memory.list_sessions()
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER DATABASE {admin.info.dbname} RESET default_transaction_read_only")

        memory.add_memory("s", [Message(role="user", content="after")])

        assert [each.content for each in memory.list_messages("s")] == ["before", "after"]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_another_encoding_stores_a_text_or_refuses_it_without_its_words(
    postgres_url: str, encoding: str, driver: str
) -> None:
    name = f"{postgres_url.rpartition('/')[2]}_{encoding.lower()}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    url = f"{postgres_url.rpartition('/')[0]}/{name}".replace("postgresql:", f"postgresql+{driver}:")

    async def main() -> None:
        async with SessionManager(url) as memory:
            await memory.aadd_memory("s", [Message(role="user", content=CAFE)])
            refused = await asyncio.gather(
                memory.aadd_memory("s", [Message(role="user", content=HELLO)]), return_exceptions=True
            )
            if encoding == "LATIN1":
                assert isinstance(refused[0], ZepMemoryError)
                assert "encoding" in str(refused[0])
            assert (await memory.alist_messages("s"))[0].content == CAFE

    asyncio.run(main())
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


class OfADriver(Exception):
    """An error with a state, as drivers have it."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


AGAIN = {"40001": True, "40003": True, "57P05": True, "57014": False, "53100": False, "25006": True, "XX000": False}


@pytest.mark.parametrize(("state", "again"), AGAIN.items())
def test_the_class_of_a_state_decides_what_becomes_of_the_call(state: str, again: bool) -> None:
    meant = failure(OfADriver(state))

    assert isinstance(meant.error, DatabaseUnavailable)
    assert meant.error.code == state
    assert meant.retryable is again


def test_a_connection_whose_driver_has_lost_the_thread_is_lost() -> None:
    """As asyncpg's, where a server that stops answers amid something else."""
    dialect: Any = create_async_engine("postgresql+asyncpg://").dialect
    said = dialect.loaded_dbapi.InternalClientError("got result for unknown protocol state 3")

    meant = failure(DBAPIError.instance("SELECT 1", {}, said, Exception))

    assert isinstance(meant.error, DatabaseUnavailable)
    assert meant.retryable
    assert meant.away


def test_a_path_is_a_database(tmp_path: Path) -> None:
    with SessionManager(tmp_path / "with a space.db") as memory:
        memory.add_memory("s", [Message(role="user", content=HELLO)])

    assert (tmp_path / "with a space.db").exists()


def test_options_of_a_driver_come_with_their_type_from_the_url(postgres_url: str) -> None:
    with SessionManager(f"{postgres_url}?prepare_threshold=None") as memory:
        assert memory.list_sessions() == []
    with SessionManager(f"{postgres_url}?prepare_threshold=often") as memory, pytest.raises(InvalidInput):
        memory.list_sessions()
