"""What a search reads: never a whole table, however much is stored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.support.postgres import PostgresServer
from zep_memory_plugin import Message, SessionManager

SCOPES: dict[str, dict[str, Any]] = {
    "a session": {"session_id": "session-7"},
    "a long session": {"session_id": "long"},
    "a user": {"user_id": "user-7"},
    "everything": {},
}
WORDS = [f"word{number}" for number in range(400)]


def fill(engine: Engine) -> None:
    """Store 600 sessions of 20 messages, of 60 users, and one of 5,500."""
    with SessionManager(engine) as manager:
        for number in range(600):
            talk = [" ".join(WORDS[number * position * step % 400] for step in (1, 3, 7)) for position in range(20)]
            new = [Message(role="user", content=content) for content in talk]
            manager.add_memory(f"session-{number}", new, user_id=f"user-{number % 60}")
        manager.add_memory("long", [Message(role="user", content=WORDS[n % 400]) for n in range(5_500)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")  # as autovacuum does, and merges what waits for the index of terms
        connection.exec_driver_sql("ANALYZE")


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("search")
    engine = create_engine(f"sqlite:///{folder / 'zep.db'}")
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[Engine]:
    url = postgres_server.create_database()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    fill(engine)
    yield engine
    engine.dispose()
    postgres_server.drop_database(url)


def plans(engine: Engine, scope: dict[str, Any], explain: str) -> list[str]:
    """Return the lines of the plans of the statements that a warm search sends."""
    sent: list[tuple[str, Any]] = []

    def remember(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        sent.append((statement, parameters))

    with SessionManager(engine) as manager:
        manager.search_memory("warm up")
        event.listen(engine, "before_cursor_execute", remember)
        found = manager.search_memory("word17 word119", context=2, **scope)
        event.remove(engine, "before_cursor_execute", remember)
    assert found
    selects = [statement for statement in sent if statement[0].lstrip().startswith("SELECT")]
    with engine.connect() as connection:
        return [
            str(row[-1])
            for statement, parameters in selects
            for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
        ]


@pytest.mark.parametrize("scope", SCOPES)
def test_sqlite_reads_no_table_as_a_whole(sqlite: Engine, scope: str) -> None:
    """A virtual table is always "scanned"; with an M its plan says that MATCH does it."""
    lines = plans(sqlite, SCOPES[scope], "EXPLAIN QUERY PLAN")

    scanned = [line for line in lines if "SCAN zep_" in line and line != "SCAN zep_unindexed"]

    assert [line for line in scanned if ":M" not in line] == []


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "a long session"])
def test_postgres_reads_no_messages_as_a_whole(postgres: Engine, scope: str) -> None:
    """The long session is a third of all there is here, which Postgres rightly reads in one go."""
    lines = plans(postgres, SCOPES[scope], "EXPLAIN")

    assert [line for line in lines if "Seq Scan on zep_message" in line] == []
    if scope in ("a user", "everything"):
        assert any("ix_zep_messages_terms" in line for line in lines)
