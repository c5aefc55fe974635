"""A model with room for so many tokens is shown whole turns: the newest, and the system message at the head."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from zep_memory_plugin import InvalidInput, Message, SessionManager, ToolCall
from zep_memory_plugin.core import windows


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url, token_counter=len) as manager:
        yield manager


def conversation(shape: str) -> list[Message]:
    """Return one message of one token per letter: system, user, assistant, a tool call and its answer."""
    roles = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
    calls = [ToolCall(id="1", name="look")]
    return [
        Message(role=roles[letter], content=letter, tool_calls=calls if letter == "c" else None, token_count=1)
        for letter in shape
    ]


def shown(manager: SessionManager, session_id: str, max_tokens: int) -> str:
    return "".join(message.content for message in manager.prompt_memory(session_id, max_tokens).messages)


CASES = [
    ("uaua", 4, "uaua"),
    ("uaua", 3, "ua"),
    ("uaua", 1, "ua"),
    ("auaua", 5, "auaua"),
    ("auaua", 4, "uaua"),
    ("auaua", 3, "ua"),
    ("suaua", 5, "suaua"),
    ("suaua", 4, "sua"),
    ("suaua", 3, "sua"),
    ("suaua", 1, "sua"),
    ("uctctaua", 7, "ua"),
    ("uauctcta", 6, "uctcta"),
    ("uauctcta", 3, "uctcta"),
    ("suauctcta", 2, "suctcta"),
    ("uuu", 2, "uu"),
    ("uau", 2, "u"),
    ("scta", 3, "sa"),
    ("ctcta", 3, "cta"),
    ("ctcta", 2, "a"),
    ("usua", 3, "ua"),
    ("", 5, ""),
]


@pytest.mark.parametrize(("shape", "max_tokens", "expected"), CASES)
def test_the_newest_whole_turns_and_the_head_are_shown(
    manager: SessionManager, shape: str, max_tokens: int, expected: str
) -> None:
    manager.add_memory("s", conversation(shape))

    assert shown(manager, "s", max_tokens) == expected


def test_the_head_is_the_live_message_that_is_first(manager: SessionManager) -> None:
    stored = manager.add_memory("s", conversation("usuaua"))
    manager.delete_messages("s", [stored[0].uuid])

    assert shown(manager, "s", 3) == "sua"


def test_a_message_too_long_by_itself_is_shown(manager: SessionManager) -> None:
    manager.add_memory("s", [Message(role="assistant", content="long", token_count=100)])

    assert shown(manager, "s", 10) == "long"


def test_a_model_has_room_for_at_least_one_token(manager: SessionManager) -> None:
    with pytest.raises(InvalidInput, match="max_tokens"):
        manager.prompt_memory("s", 0)


def test_the_async_twin_shows_the_same(manager: SessionManager) -> None:
    manager.add_memory("s", conversation("suaua"))

    assert asyncio.run(manager.aprompt_memory("s", 3)) == manager.prompt_memory("s", 3)
    assert asyncio.run(manager.aprompt_messages("s", 3, turns=1)) == manager.prompt_memory("s", 3, turns=1).messages
    assert manager.prompt_messages("s", limit=2) == manager.prompt_memory("s", limit=2).messages


def test_a_read_looks_at_its_own_session_alone(manager: SessionManager, database_url: str) -> None:
    """It finds its rows by their key, however many sessions there are."""
    for number in range(100):
        manager.add_memory(f"session-{number}", conversation("ua" * 50))
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    window = windows.Window(by_count=False, by_tokens=True, whole_turns=True, with_head=True)
    query = windows.statement(window).statement.params(session="session-1", tokens=1000, count=1000)

    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        statement = query.compile(engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}"))
    engine.dispose()

    assert "SCAN zep_messages" not in plan
    assert "Seq Scan on zep_messages" not in plan
    assert "session_id" in plan
