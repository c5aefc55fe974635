"""A manager beside fixtures that empty every table, and beside what drops some or all of them."""

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from tests.conftest import OpenMemory
from tests.support.colours import Caller
from zep_memory_plugin import Message, SchemaIncomplete, SchemaOutdated, SessionManager
from zep_memory_plugin.tables import MESSAGE_INDEX

HELLO = [Message(role="user", content="hello")]


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database that only this test has."""
    return str(request.getfixturevalue(request.param))


def names(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def change(url: str, statements: Callable[[Connection], list[str]]) -> None:
    """Run on a connection of the application's what *statements* makes for it."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in statements(connection):
            connection.execute(text(statement))
    engine.dispose()


def emptying(connection: Connection) -> list[str]:
    """Return what empties every table, as fixtures do; on SQLite also those in which FTS5 keeps its index."""
    if connection.dialect.name == "postgresql":
        return [f"TRUNCATE {', '.join(names(connection))}"]
    return [f"DELETE FROM {name}" for name in names(connection) if name != MESSAGE_INDEX]


def dropping_all(connection: Connection) -> list[str]:
    cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
    return [f"DROP TABLE IF EXISTS {name}{cascade}" for name in sorted(names(connection))]


def dropping(*dropped: str) -> Callable[[Connection], list[str]]:
    def statements(connection: Connection) -> list[str]:
        cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
        return [f"DROP TABLE zep_{name}{cascade}" for name in dropped]

    return statements


def finds_its_messages(memory: Caller | SessionManager) -> None:
    """See that messages are stored, listed and found."""
    before = memory.count_messages(["s"])["s"]
    for _ in range(3):
        memory.add_memory("s", HELLO)

    assert [session.session_id for session in memory.list_sessions()] == ["s"]
    assert memory.count_messages(["s"])["s"] == before + 3
    assert len(memory.search_memory("hello", limit=50)) == before + 3


@pytest.mark.parametrize("new", [False, True], ids=["running", "new"])
def test_a_manager_goes_on_after_all_tables_were_emptied(url: str, new: bool) -> None:
    with SessionManager(url) as memory:
        memory.add_memory("old", HELLO)
        memory.rebuild_search()
        change(url, emptying)
        if not new:
            finds_its_messages(memory)
    if new:
        with SessionManager(url) as another:
            finds_its_messages(another)


def test_the_advised_command_works_after_all_tables_were_emptied(url: str) -> None:
    with SessionManager(url) as memory:
        memory.add_memory("old", HELLO)
    change(url, emptying)

    done = subprocess.run([sys.executable, "-m", "zep_memory_plugin.migrations", url], capture_output=True, check=True)

    assert b"'0001'" in done.stdout
    with SessionManager(url) as memory:
        finds_its_messages(memory)


def test_only_a_lost_revision_is_noted_again(url: str) -> None:
    """Nothing else is touched, and listing ids go on."""
    with SessionManager(url) as memory:
        finds_its_messages(memory)
        before = memory.list_sessions()
    change(url, lambda _: ["DELETE FROM zep_schema_version"])

    with SessionManager(url) as memory:
        assert memory.list_sessions() == before
        memory.add_memory("t", HELLO)
        assert [session.session_id for session in memory.list_sessions(cursor=before[0].id or 0)] == ["t"]


def test_tables_dropped_beneath_a_manager_are_made_again_and_said_to_be(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionManager(url) as memory:
        memory.add_memory("old", HELLO)
        change(url, dropping_all)
        assert caplog.text == ""

        finds_its_messages(memory)

    assert "all tables were dropped" in caplog.text


@pytest.mark.parametrize("dropped", ["messages", "summaries", "users", "message_embeddings", "schema_version"])
def test_a_table_dropped_beneath_a_manager_is_made_again_and_said_to_be(
    url: str, dropped: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionManager(url) as memory, caplog.at_level(logging.WARNING, "zep_memory_plugin"):
        memory.add_memory("s", HELLO)
        change(url, dropping(dropped))
        with SessionManager(url) as another:
            another.delete_session("s")
            another.restore_session("s")
        finds_its_messages(memory)

    assert f"zep_{dropped}" in caplog.text


def test_sessions_dropped_without_their_messages_are_an_error(url: str) -> None:
    """Nobody knows any more whose the messages are, so no session of nobody is made of them."""
    with SessionManager(url) as memory:
        memory.add_memory("s", HELLO, user_id="alice")
        change(url, dropping("sessions"))

        with pytest.raises(SchemaIncomplete, match="zep_sessions was dropped while zep_messages has rows"):
            memory.list_sessions()


def test_tables_of_no_revision_that_are_others_are_refused(url: str) -> None:
    with SessionManager(url) as memory:
        memory.list_sessions()
    change(url, lambda _: ["DELETE FROM zep_schema_version", "ALTER TABLE zep_summaries ADD COLUMN later INTEGER"])

    with SessionManager(url) as memory, pytest.raises(SchemaOutdated, match="no schema revision"):
        memory.list_sessions()


def test_whoever_calls_gets_mended_tables(open_memory: OpenMemory) -> None:
    """On every driver and in both colours; that of the connection that finds them so is the one that mends."""
    memory = open_memory()
    memory.add_memory("s", HELLO)
    memory.tables.run("DROP TABLE zep_summaries")

    assert memory.get_memory("s").summary is None
    memory.add_memory("s", HELLO)
    assert memory.count_messages(["s"]) == {"s": 2}
