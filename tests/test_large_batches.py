"""Batches of more messages than an append sends in one statement: imports."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support.statements import statements
from tests.support.tables import Tables
from zep_memory_plugin import Message, SessionManager, SessionOwnedByAnotherUser, ToolCall
from zep_memory_plugin.core.appending import AT_ONCE

MANY = AT_ONCE + 200
START = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def odd(number: int) -> Message:
    """Return a message with something in every field, and what JSON and text columns are picky about."""
    return Message(
        role="tool" if number % 2 else "human",
        name=f'"name" {number}',
        content=f"number{number} \\ \t \n \x01 '\" é 文 😀",
        tool_calls=[ToolCall(id="1", name="look", args={"at": [1.5, None, "\0"]})],
        tool_call_id="call\\1",
        token_count=number,
        metadata={"b": -0.0, "a": {"deep": ["\0", "\ud83d"]}},
        created_at=START + timedelta(microseconds=number),
        native_format="other",
        native='{"a": "\\u0000"}',
    )


def test_every_field_comes_back_from_a_large_batch(manager: SessionManager) -> None:
    new = [odd(number) for number in range(MANY)]

    stored = manager.add_memory("a", new, user_id="ann")

    assert manager.list_messages("a") == stored
    assert [message.seq for message in stored] == list(range(1, MANY + 1))
    given = {"content", "name", "tool_calls", "tool_call_id", "token_count", "metadata", "created_at", "native"}
    assert [message.model_dump(include=given) for message in stored] == [
        message.model_dump(include=given) for message in new
    ]
    assert manager.get_session("a").user_id == "ann"
    (found, *_) = manager.search_memory(f"number{MANY - 1}")
    assert found.message == stored[-1]


def test_a_large_batch_goes_behind_what_is_there(manager: SessionManager) -> None:
    manager.add_memory("a", [Message(role="user", content="first")])
    manager.delete_session("a")

    stored = manager.add_memory("a", [Message(role="user", content=str(number)) for number in range(MANY)])

    assert [message.seq for message in stored] == list(range(2, MANY + 2))
    assert manager.last_messages("a", 1) == stored[-1:]


def test_a_large_batch_writes_over_the_messages_that_it_names(manager: SessionManager) -> None:
    before = manager.add_memory("a", [Message(role="user", content="old", metadata={"a": 1}) for _ in range(3)])
    again = [Message(role="user", content="new", uuid=message.uuid, metadata={"b": 2}) for message in before]
    fresh = [Message(role="user", content=str(number), uuid=uuid4()) for number in range(MANY)]

    stored = manager.add_memory("a", [again[2], *fresh, again[0]])

    assert [message.seq for message in (stored[0], stored[-1])] == [3, 1]
    assert [message.content for message in manager.list_messages("a", 4)] == ["new", "old", "new", "0"]
    assert manager.list_messages("a", 1)[0].metadata == {"a": 1, "b": 2}
    assert manager.count_messages(["a"]) == {"a": MANY + 3}


def test_a_large_batch_can_be_stored_as_archived(manager: SessionManager) -> None:
    manager.add_memory("a", [Message(role="user")] * MANY, status="archived")

    assert len(manager.slice_messages("a", 0, None, status="archived")) == MANY
    assert manager.slice_messages("a", 0, None, status="active") == []


def test_a_large_batch_for_the_session_of_another_user_stores_nothing(
    manager: SessionManager, database_url: str
) -> None:
    manager.add_memory("a", [Message(role="user")], user_id="ann")
    with Tables(database_url) as tables:
        before = tables.snapshot()

        with pytest.raises(SessionOwnedByAnotherUser):
            manager.add_memory("a", [Message(role="user")] * MANY, user_id="bob")

        assert tables.snapshot() == before


@pytest.mark.parametrize("known", [True, False])
def test_the_messages_of_a_large_batch_are_sent_once(manager: SessionManager, known: bool) -> None:
    """In one statement, or one that is run for each: also where the session has to be created."""
    manager.add_memory("a" if known else "b", [Message(role="user")])

    with statements() as sent:
        manager.add_memory("a", [Message(role="user", content="word")] * MANY)

    assert len([statement for statement in sent if statement.startswith("INSERT INTO zep_messages ")]) == 1
    assert [statement for statement in sent if "zep_messages" in statement and "SELECT" in statement[:6]] == []
