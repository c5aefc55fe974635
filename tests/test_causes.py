"""Why a database cannot be used: each cause says itself, with every driver."""

import asyncio
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.support.messages import said
from tests.support.postgres import PostgresServer
from zep_memory_plugin import DatabaseUnavailable, InvalidInput, SessionManager, ZepMemoryError

DRIVERS = ["postgresql+psycopg", "postgresql+asyncpg"]
SQLITE_DRIVERS = ["sqlite", "sqlite+aiosqlite"]


def refused(url: URL | str, driver: str) -> ZepMemoryError:
    """Return what a caller gets who writes to the database at *url* with *driver*, awaiting where that awaits."""
    manager = SessionManager(make_url(url).set(drivername=driver))

    async def write() -> None:
        try:
            await manager.aadd_memory("a", said("one"))
        finally:
            await manager.aclose()

    def block() -> None:
        with manager:
            manager.add_memory("a", said("one"))

    awaits = driver in ("postgresql+asyncpg", "sqlite+aiosqlite")
    with pytest.raises(ZepMemoryError) as caught:
        asyncio.run(write()) if awaits else block()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[URL]:
    """A database with roles that may not do much."""
    url = make_url(postgres_server.create_database())
    roles = {
        f"{kind}_{url.database}": options
        for kind, options in {"weak": "LOGIN", "shut_out": "NOLOGIN", "crowded": "LOGIN CONNECTION LIMIT 0"}.items()
    }
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for role, options in roles.items():
            connection.execute(f"CREATE ROLE {role} {options}")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield url
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP ROLE {role}")
    postgres_server.drop_database(url.render_as_string(hide_password=False))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"database": "zep_nowhere"}, DatabaseUnavailable, "there is no such database (sqlstate 3D000)"),
        ({"username": "nobody"}, DatabaseUnavailable, "the database refuses the role or its password"),
        ({"username": "shut_out"}, DatabaseUnavailable, "the database refuses the role or its password"),
        ({"username": "crowded"}, DatabaseUnavailable, "the server has as many connections as it allows"),
        ({"username": "weak"}, ZepMemoryError, "to create them CREATE on the schema, or on"),
        ({"host": "nowhere.invalid"}, DatabaseUnavailable, "there is no such host"),
    ],
    ids=["no such database", "no such role", "refused login", "server busy", "no right to create", "no such host"],
)
def test_postgres_says_why(
    database: URL, driver: str, changed: dict[str, str], kind: type[ZepMemoryError], words: str
) -> None:
    named = {key: f"{value}_{database.database}" if key == "username" else value for key, value in changed.items()}
    error = refused(database.set(**named), driver)  # type: ignore[arg-type]

    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_search_path_without_a_schema_says_so(postgres_url: str, driver: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{make_url(postgres_url).database}" SET search_path = nowhere, elsewhere')

    error = refused(postgres_url, driver)

    assert str(error).startswith("there is no schema for the tables: the search_path names none that exists")
    assert error.code == "3F000"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_schema_that_may_not_be_made_or_used_says_so(database: URL, driver: str) -> None:
    weak = database.set(username=f"weak_{database.database}")
    with psycopg.connect(database.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS shut")

    for schema in ("missing", "shut"):
        error = refused(weak.update_query_dict({"schema": schema}), driver)

        assert "USAGE on the schema" in str(error)
        assert error.code == "42501"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_is_down_is_not_a_host_that_is_unknown(database: URL, driver: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and nobody listens
        error = refused(database.set(host="127.0.0.1", port=nobody.getsockname()[1]), driver)

    assert str(error) == "the database cannot be reached: no server listens at its address"


@pytest.mark.parametrize(
    ("driver", "parameters"),
    [
        ("postgresql+psycopg", {"sslmode": "sometimes"}),
        ("postgresql+psycopg", {"sslmod": "require"}),
        ("postgresql+asyncpg", {"ssl": "sometimes"}),
        ("postgresql+asyncpg", {"sslmod": "require"}),
    ],
    ids=["psycopg value", "psycopg name", "asyncpg value", "asyncpg name"],
)
def test_an_unknown_parameter_of_tls_is_the_callers_mistake(
    database: URL, driver: str, parameters: dict[str, str]
) -> None:
    error = refused(database.update_query_dict(parameters), driver)

    assert isinstance(error, InvalidInput)
    assert "the driver does not" in str(error)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_without_tls_says_so(database: URL, driver: str) -> None:
    asked = {"sslmode": "require"} if driver.endswith("psycopg") else {"ssl": "require"}

    error = refused(database.update_query_dict(asked), driver)

    assert "the server has no TLS" in str(error)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_read_only_database_of_postgres_says_so(postgres_url: str, driver: str) -> None:
    with SessionManager(postgres_url) as manager:
        manager.list_sessions()
    name = make_url(postgres_url).database
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    assert "the database is read-only" in str(refused(postgres_url, driver))


@pytest.mark.parametrize("driver", SQLITE_DRIVERS)
def test_what_is_no_database_file_says_so(tmp_path: Path, driver: str) -> None:
    (tmp_path / "notes.txt").write_text("These are notes, and no database. " * 100)

    assert str(refused(f"sqlite:///{tmp_path / 'notes.txt'}", driver)) == "the file is not an SQLite database"


@pytest.mark.parametrize("driver", SQLITE_DRIVERS)
def test_a_folder_that_is_not_there_says_so(tmp_path: Path, driver: str) -> None:
    error = refused(f"sqlite:///{tmp_path / 'missing' / 'zep.db'}", driver)

    assert "check that its folder exists" in str(error)


@pytest.mark.parametrize("driver", SQLITE_DRIVERS)
def test_a_file_that_another_process_has_locked_says_so(sqlite_url: str, driver: str) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.list_sessions()
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = refused(make_url(sqlite_url).update_query_dict({"timeout": "0.05"}), driver)
    other.close()

    assert "lock" in str(error)


WITHOUT = """
import sys
sys.modules["{missing}"] = None
from zep_memory_plugin import SessionManager, ZepMemoryError
try:
    manager = SessionManager("{url}")
    {call}
except ZepMemoryError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("missing", "url", "call"),
    [
        ("psycopg", "postgresql://localhost/zep", ""),
        ("asyncpg", "postgresql+asyncpg://localhost/zep", ""),
        ("aiosqlite", "sqlite+aiosqlite:///zep.db", ""),
        ("psycopg", "postgresql+asyncpg://localhost/zep", "manager.list_sessions()"),
    ],
    ids=["psycopg", "asyncpg", "aiosqlite", "blocking twin"],
)
def test_a_driver_that_is_missing_says_what_installs_it(missing: str, url: str, call: str) -> None:
    program = WITHOUT.format(missing=missing, url=url, call=call)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    command = 'pip install "psycopg[binary]"' if missing == "psycopg" else f"pip install {missing}"
    assert said == f"database needs {missing}; `{command}` gets it\n"
