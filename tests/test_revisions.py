"""Revisions: a session tells how often it was written, and a write may insist on what its caller has seen."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.colours import Caller
from tests.support.messages import FIXED, said, texts
from zep_memory_plugin import Message, Session, SessionChanged, SessionNotFound, Summary

WRITES: dict[str, Callable[[Caller], Any]] = {
    "append": lambda memory: memory.add_memory("a", said("more")),
    "append with metadata": lambda memory: memory.add_memory("a", said("more"), metadata={"x": 1}),
    "append by the owner": lambda memory: memory.add_memory("a", said("more"), user_id="alice"),
    "metadata alone": lambda memory: memory.add_memory("a", [], metadata={"x": 1}),
    "known uuid": lambda memory: memory.add_memory("a", [Message(role="user", content="new", uuid=FIXED)]),
    "known uuid with metadata": lambda memory: memory.add_memory(
        "a", [Message(role="user", content="new", uuid=FIXED, metadata={"x": 1})]
    ),
    "replace": lambda memory: memory.replace_memory("a", said("other")),
    "replace by nothing": lambda memory: memory.replace_memory("a", []),
    "update": lambda memory: memory.update_session(Session(session_id="a", title="renamed")),
    "move": lambda memory: memory.move_session("a", "bob"),
    "add again": lambda memory: memory.add_session(Session(session_id="a"), exist_ok=True),
    "change a message": lambda memory: memory.update_message("a", FIXED, content="changed"),
    "delete a message": lambda memory: memory.delete_messages("a", [FIXED]),
    "delete a slice": lambda memory: memory.delete_slice("a", 0, 1),
    "archive": lambda memory: memory.archive_messages("a", 1),
    "rewind": lambda memory: memory.rewind_session("a", FIXED),
    "switch the branch": lambda memory: memory.switch_branch("a", FIXED),
    "clear": lambda memory: memory.clear_memory("a"),
}

GUARDED: dict[str, Callable[..., Any]] = {
    "append": lambda memory, **options: memory.add_memory("a", said("more"), **options),
    "append with metadata": lambda memory, **options: memory.add_memory(
        "a", said("more"), metadata={"x": 1}, **options
    ),
    "append by the owner": lambda memory, **options: memory.add_memory("a", said("more"), user_id="alice", **options),
    "append many": lambda memory, **options: memory.add_memory("a", said(*["more"] * 1_001), **options),
    "append what is known": lambda memory, **options: memory.add_memory(
        "a", [Message(role="user", content="new", uuid=FIXED)], **options
    ),
    "replace": lambda memory, **options: memory.replace_memory("a", said("other"), **options),
    "replace by nothing": lambda memory, **options: memory.replace_memory("a", [], **options),
    "update": lambda memory, **options: memory.update_session(Session(session_id="a", title="t"), **options),
    "delete": lambda memory, **options: memory.delete_session("a", **options),
}


def _fill(memory: Caller) -> Session:
    memory.add_memory("a", [Message(role="user", content="first", uuid=FIXED), *said("second")], user_id="alice")
    return memory.get_session("a")


def test_a_new_session_is_at_its_first_revision(memory: Caller) -> None:
    memory.add_session(Session(session_id="added"))
    memory.add_memory("begun", said("first"))
    memory.fork_session("begun", "forked")

    assert {session.session_id: session.revision for session in memory.list_sessions()} == {
        "added": 1,
        "begun": 1,
        "forked": 1,
    }


@pytest.mark.parametrize("write", WRITES)
def test_each_write_moves_the_revision_on_by_one(memory: Caller, write: str) -> None:
    before = _fill(memory)

    WRITES[write](memory)

    assert memory.get_session("a").revision == before.revision + 1


def test_deleting_and_restoring_are_a_write_each(memory: Caller) -> None:
    before = _fill(memory)

    memory.delete_session("a")

    assert memory.list_sessions(deleted=True)[0].revision == before.revision + 1
    assert memory.restore_session("a").revision == before.revision + 2


def test_renaming_is_a_write(memory: Caller) -> None:
    before = _fill(memory)

    assert memory.rename_session("a", "b").revision == before.revision + 1


def test_a_summary_is_no_write_of_what_was_said(memory: Caller) -> None:
    """It comes when it comes, and must not make a conflict of the next turn."""
    before = _fill(memory)

    memory.add_summary("a", Summary(content="short"))

    assert memory.get_session("a").revision == before.revision


@pytest.mark.parametrize("write", GUARDED)
def test_a_write_that_expects_another_revision_changes_nothing(memory: Caller, write: str) -> None:
    revision = _fill(memory).revision
    before = memory.tables.snapshot()

    for wrong in (revision - 1, revision + 1, 0):
        with pytest.raises(SessionChanged, match="read it again") as caught:
            GUARDED[write](memory, expected_revision=wrong)
        assert (caught.value.session_id, caught.value.expected, caught.value.revision) == ("a", wrong, revision)

    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("write", GUARDED)
def test_a_write_that_expects_the_revision_there_is_is_done(memory: Caller, write: str) -> None:
    revision = _fill(memory).revision

    GUARDED[write](memory, expected_revision=revision)

    (row,) = memory.tables.rows("sessions")
    assert row["revision"] == revision + 1


def test_a_session_that_is_not_there_has_the_revision_zero(memory: Caller) -> None:
    with pytest.raises(SessionChanged):
        memory.add_memory("new", said("x"), expected_revision=1)
    with pytest.raises(SessionChanged):
        memory.replace_memory("new", [], expected_revision=1)
    with pytest.raises(SessionNotFound):
        memory.update_session(Session(session_id="new"), expected_revision=0)
    assert memory.tables.rows("sessions") == []

    memory.add_memory("new", said("x"), expected_revision=0)

    assert memory.get_session("new").revision == 1


def test_of_writers_who_expect_one_revision_one_succeeds(memory: Caller) -> None:
    revision = _fill(memory).revision
    calls = [
        {"session_id": "a", "messages": said(f"by {number}"), "expected_revision": revision} for number in range(8)
    ]

    outcomes = memory.together("add_memory", calls, SessionChanged)

    stored = [outcome for outcome in outcomes if not isinstance(outcome, SessionChanged)]
    assert len(stored) == 1
    assert texts(memory.list_messages("a")) == ["first", "second", *texts(stored[0])]


def test_an_append_merges_metadata_into_its_session(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"state": {"x": 1, "y": 2}, "gone": 1}))

    memory.add_memory("a", said("one"), metadata={"state": {"x": 3}, "gone": None})
    memory.add_memory("new", said("one"), metadata={"b": 2})
    memory.add_memory("alone", [], metadata={"c": 3})

    assert {session.session_id: session.metadata for session in memory.list_sessions()} == {
        "a": {"state": {"x": 3, "y": 2}},
        "new": {"b": 2},
        "alone": {"c": 3},
    }
    assert texts(memory.list_messages("a")) == ["one"]


def test_metadata_of_appends_at_once_is_all_kept(memory: Caller) -> None:
    calls = [
        {"session_id": "a", "messages": said(f"by {number}"), "metadata": {f"k{number}": number}} for number in range(8)
    ]

    memory.together("add_memory", calls)

    assert memory.get_session("a").metadata == {f"k{number}": number for number in range(8)}
    assert memory.get_session("a").revision == 8
