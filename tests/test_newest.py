"""The newest messages of a session, some of which were deleted: a second look finds those further back."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from zep_memory_plugin import Message, SessionManager, Summary


def contents(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager with a session of 1 to 30, without 3, 5, 27 and 29."""
    with SessionManager(database_url) as manager:
        stored = manager.add_memory("s", [Message(role="user", content=str(number)) for number in range(1, 31)])
        manager.delete_messages("s", [stored[number - 1].uuid or "" for number in (3, 5, 27, 29)])
        yield manager


def test_deleted_messages_leave_no_gap_in_the_newest(manager: SessionManager) -> None:
    assert contents(manager.last_messages("s", 5)) == ["24", "25", "26", "28", "30"]
    assert contents(manager.last_messages("s", 5, until_seq=6)) == ["1", "2", "4", "6"]
    assert contents(manager.last_messages("s", 2, until_seq=29)) == ["26", "28"]
    assert contents(manager.last_messages("s", 2, until_seq=10_000)) == ["28", "30"]
    assert len(manager.last_messages("s", 100)) == 26


def test_deleted_messages_leave_no_gap_in_the_memory(manager: SessionManager) -> None:
    assert contents(manager.get_memory("s", 3).messages) == ["26", "28", "30"]
    manager.add_summary("s", Summary(content="so far", seq=24))

    memory = manager.get_memory("s")

    assert contents(memory.messages) == ["25", "26", "28", "30"]
    assert memory.summary
    assert contents(manager.get_memory("s", 3).messages) == ["26", "28", "30"]


def test_a_session_whose_end_is_gone_shows_what_is_left(manager: SessionManager) -> None:
    kept = manager.list_messages("s")[9]
    manager.rewind_session("s", kept.uuid or "")

    assert contents(manager.last_messages("s", 3)) == ["10", "11", "12"]
    assert contents(manager.get_memory("s", 3).messages) == ["10", "11", "12"]


@pytest.mark.parametrize("count", [3, 30, 40])
def test_where_none_was_deleted_one_statement_reads_the_newest(database_url: str, count: int) -> None:
    sent: list[str] = []

    def remember(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    with SessionManager(database_url) as manager:
        manager.add_memory("s", [Message(role="user", content=str(number)) for number in range(30)])
        event.listen(Engine, "before_cursor_execute", remember)
        try:
            manager.last_messages("s", count)
            manager.get_memory("s", count)
        finally:
            event.remove(Engine, "before_cursor_execute", remember)

    assert len(sent) == 2
