"""The tables work when each is partitioned by session, as a database on several machines would have it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from zep_memory_plugin import InvalidInput, Message, Session, SessionExists, SessionManager, Summary, User
from zep_memory_plugin.migrations import partition

PARTITIONS = 4
SESSION = "session"


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    """An engine on a database whose every table with sessions in it has four partitions."""
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    partition(engine, PARTITIONS)
    yield engine
    engine.dispose()


def talk(count: int) -> list[Message]:
    return [Message(role=("user", "assistant")[number % 2], content=f"text {number}") for number in range(count)]


def rows(engine: Engine, table: str) -> list[int]:
    """Count the rows of each partition of *table*."""
    with engine.connect() as connection:
        return [connection.scalar(text(f"SELECT count(*) FROM {table}_{part}")) or 0 for part in range(PARTITIONS)]


def test_sessions_are_spread_over_the_partitions(engine: Engine) -> None:
    with SessionManager(engine) as manager:
        for number in range(40):
            manager.add_memory(f"session-{number}", talk(2), user_id="owner")

        assert len(manager.list_sessions()) == len(manager.get_user_sessions("owner")) == 40
        assert len(manager.search_memory("text", limit=10)) == 10
    assert all(rows(engine, "zep_sessions"))
    assert [2 * count for count in rows(engine, "zep_sessions")] == rows(engine, "zep_messages")


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+asyncpg"])
def test_a_url_says_what_the_tables_are_called(postgres_url: str, driver: str) -> None:
    url = f"{driver}:{postgres_url.partition(':')[2]}?schema=chat&table_prefix=c_"

    partition(url, PARTITIONS)

    with SessionManager(url) as manager:
        manager.add_memory(SESSION, talk(2))
        assert len(manager.search_memory("text")) == 2
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    assert sum(rows(engine, "chat.c_messages")) == 2
    engine.dispose()


def test_tables_that_are_there_stay_as_they_are(postgres_url: str) -> None:
    with SessionManager(postgres_url) as manager:
        manager.add_memory(SESSION, talk(2))

        with pytest.raises(InvalidInput, match="has the tables already"):
            partition(postgres_url, PARTITIONS)

        assert len(manager.list_messages(SESSION)) == 2


@pytest.mark.parametrize(
    ("database", "partitions"), [("sqlite://", 4), ("postgresql://h/d", 0), ("postgresql://h/d", True)]
)
def test_what_cannot_be_partitioned_is_refused(database: str, partitions: int) -> None:
    with pytest.raises(InvalidInput):
        partition(database, partitions)


def test_an_append_is_one_statement_there_too(engine: Engine) -> None:
    """It updates a message whose uuid is known, which keeps its seq."""
    sent: list[str] = []
    with SessionManager(engine) as manager:
        first = manager.add_memory(SESSION, talk(3))
        changed = Message(role="user", content="changed", uuid=first[1].uuid)
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))

        again = manager.add_memory(SESSION, [changed])

        assert len(sent) == 1
        assert [message.seq for message in again] == [first[1].seq]
        assert [message.content for message in manager.list_messages(SESSION)] == ["text 0", "changed", "text 2"]


def test_a_session_is_read_from_its_partition_alone(engine: Engine) -> None:
    sent: list[tuple[str, Any]] = []
    with SessionManager(engine) as manager:
        manager.add_memory(SESSION, talk(3))
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
        manager.get_memory(SESSION)

    ((statement, parameters),) = sent
    with engine.connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    scanned = set(re.findall(r" on (zep_\w+)_\d ", plan))
    assert {table: len(set(re.findall(rf" on ({table}_\d) ", plan))) for table in scanned} == {
        "zep_messages": 1,
        "zep_sessions": 1,
        "zep_summaries": 1,
    }


def test_a_session_lives_its_whole_life_in_its_partition(engine: Engine) -> None:
    with SessionManager(engine) as manager:
        manager.add_user(User(user_id="owner"))
        manager.add_session(Session(session_id=SESSION, user_id="owner", metadata={"a": 1}))
        with pytest.raises(SessionExists):
            manager.add_session(Session(session_id=SESSION))
        stored = manager.add_memory(SESSION, talk(6))
        manager.add_summary(SESSION, Summary(content="what was said"), until_uuid=stored[1].uuid)
        manager.update_session(Session(session_id=SESSION, metadata={"b": 2}))
        manager.fork_session(SESSION, "fork", until_uuid=stored[2].uuid)
        manager.replace_memory("fork", stored[:2])
        manager.rename_session("fork", "renamed")
        assert [message.uuid for message in manager.list_messages("renamed")] == [one.uuid for one in stored[:2]]
        manager.delete_messages(SESSION, [stored[5].uuid or ""])
        manager.delete_session(SESSION)
        assert manager.list_messages(SESSION) == []
        assert manager.restore_session(SESSION).metadata == {"a": 1, "b": 2}
        assert manager.list_messages(SESSION) == stored[:5]
        memory = manager.get_memory(SESSION)
        assert memory.messages == stored[2:5]
        assert memory.summary is not None
        manager.delete_session(SESSION)

        report = manager.purge(batch_size=2)

        assert (report.sessions, report.messages, report.summaries) == (1, 7, 2)
        assert [session.session_id for session in manager.list_sessions()] == ["renamed"]
        manager.delete_user("owner")
        assert manager.list_sessions() == []
    tables = ("zep_sessions", "zep_messages", "zep_summaries")
    assert {table: sum(rows(engine, table)) for table in tables} == dict.fromkeys(tables, 0)
