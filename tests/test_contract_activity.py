"""What was written when, and another id for a session."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.colours import Caller
from tests.support.messages import said, texts
from zep_memory_plugin import InvalidInput, Message, Session, SessionExists, SessionNotFound, Summary

NOW = datetime.now(UTC)


def ids(sessions: list[Session]) -> list[str]:
    return [session.session_id for session in sessions]


def test_sessions_are_listed_by_when_they_were_active(memory: Caller) -> None:
    """In either order; both moments belong to what is between them."""
    for name in ("a", "b", "c", "d"):
        memory.add_memory(name, said(name))
    at = {session.session_id: session.last_active_at for session in memory.list_sessions()}

    assert ids(memory.list_sessions(start_date=at["b"], end_date=at["c"])) == ["b", "c"]
    assert ids(memory.list_sessions(start_date=at["b"], end_date=at["c"], order="active")) == ["c", "b"]
    assert ids(memory.list_sessions(start_date=at["d"])) == ["d"]
    assert memory.list_sessions(end_date=NOW - timedelta(days=1)) == []


def test_activity_counts_the_live_messages_of_each_day(memory: Caller) -> None:
    at = {days: NOW - timedelta(days=days) for days in (0, 1, 6, 7)}
    memory.add_memory("a", [Message(role="user", content="x", created_at=at[days]) for days in (7, 6, 1)])
    memory.add_memory("b", [Message(role="user", content="x", created_at=at[0])] * 2, user_id="bob")
    memory.add_memory("gone", [Message(role="user", content="x", created_at=at[0])])
    memory.delete_session("gone")

    counts = memory.activity(7)

    assert list(counts) == [(NOW - timedelta(days=days)).date() for days in range(6, -1, -1)]
    assert list(counts.values()) == [1, 0, 0, 0, 0, 1, 2]
    assert sum(memory.activity(user_id="bob").values()) == 2


def test_a_renamed_session_keeps_all_but_its_id(memory: Caller) -> None:
    """Its messages, deleted ones too, its summaries, its position in listings, and what finds it."""
    stored = memory.add_memory("a", said("the zebra", "two", "three"), user_id="alice")
    memory.add_memory("b", said("other"))
    memory.add_summary("a", Summary(content="short"), until_uuid=stored[1].uuid)
    memory.delete_messages("a", [stored[1].uuid])
    before = memory.get_session("a")

    renamed = memory.rename_session("a", "new")

    moved = {"session_id": "new", "updated_at": renamed.updated_at, "revision": renamed.revision}
    assert renamed == before.model_copy(update=moved)
    assert ids(memory.list_sessions()) == ["new", "b"]
    assert texts(memory.list_messages("new")) == ["the zebra", "three"]
    assert [summary.content for summary in memory.list_summaries("new")] == ["short"]
    assert [result.session_id for result in memory.search_memory("zebra", limit=1)] == ["new"]
    assert memory.add_memory("new", said("four"))[0].seq == 4
    with pytest.raises(SessionNotFound):
        memory.get_session("a")


def test_a_deletion_before_a_renaming_can_be_undone_after_it(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.rename_session("a", "new")
    memory.delete_session("new")

    memory.restore_session("new")

    assert texts(memory.list_messages("new")) == ["one"]


def test_an_id_that_is_taken_is_refused(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.add_memory("b", said("two"))
    memory.add_memory("gone", said("three"))
    memory.delete_session("gone")

    for taken, deleted in (("b", False), ("gone", True)):
        with pytest.raises(SessionExists) as caught:
            memory.rename_session("a", taken)
        assert caught.value.deleted is deleted
    with pytest.raises(InvalidInput):
        memory.rename_session("a", "a")
    memory.purge()
    assert memory.rename_session("a", "gone").session_id == "gone"
