"""States: what an application keeps of a session or a user beside the messages."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.colours import Caller
from tests.support.messages import said, texts
from tests.support.statements import statements
from zep_memory_plugin import (
    InvalidInput,
    Session,
    SessionChanged,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    State,
    StateChanged,
    User,
    UserNotFound,
)

ODD = json.dumps({"nul": "\0", "half": "\ud83d", "wide": "\u00fc", "large": 2**70})
"""What JSON can say and a database's own type for it cannot."""


def test_a_state_is_kept_as_it_was_written(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))

    written = memory.set_state("a", ODD)

    assert (written.content, written.revision) == (ODD, 1)
    assert memory.get_state("a") == written
    assert ODD not in repr(written)


def test_a_session_or_user_without_a_state_has_none(memory: Caller) -> None:
    memory.add_memory("a", said("x"), user_id="alice")

    assert memory.get_state("a") is None
    assert memory.get_user_state("alice") is None


def test_a_state_is_written_with_the_messages(memory: Caller) -> None:
    memory.add_memory("a", said("one"), state="[1]")
    memory.add_memory("a", said("two"), state="[2]", metadata={"x": 1}, user_id="alice")
    memory.add_memory("a", said("three"))

    session, state = memory.get_session("a"), memory.get_state("a", user_id="alice")
    assert texts(memory.list_messages("a")) == ["one", "two", "three"]
    assert (session.metadata, session.revision) == ({"x": 1}, 3)
    assert state is not None
    assert (state.content, state.revision) == ("[2]", 2)


def test_a_state_alone_is_a_write_of_its_session_and_no_activity(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    before = memory.get_session("a")

    memory.set_state("a", "{}")
    memory.add_memory("a", [], state="[]")

    after = memory.get_session("a")
    assert after.revision == before.revision + 2
    assert after.last_active_at == before.last_active_at
    assert memory.get_state("a").content == "[]"


def test_a_state_is_set_only_while_it_is_of_the_expected_revision(memory: Caller) -> None:
    """0 is that of a state that is not there."""
    memory.add_session(Session(session_id="a"))
    memory.set_state("a", "1", expected_revision=0)
    memory.set_state("a", "2", expected_revision=1)

    for stale in (0, 1, 3):
        with pytest.raises(StateChanged) as raised:
            memory.set_state("a", "3", expected_revision=stale)

    assert (raised.value.key, raised.value.expected, raised.value.revision) == ("a", 3, 2)
    assert memory.get_state("a").content == "2"
    assert memory.get_session("a").revision == 3


def test_of_two_who_read_one_session_the_second_stores_neither_messages_nor_state(memory: Caller) -> None:
    memory.add_memory("a", said("one"), state="1")
    read = memory.get_session("a").revision
    memory.add_memory("a", said("two"), state="2", expected_revision=read)

    with pytest.raises(SessionChanged):
        memory.add_memory("a", said("three"), state="3", expected_revision=read)

    assert texts(memory.list_messages("a")) == ["one", "two"]
    assert memory.get_state("a").content == "2"


def test_the_state_of_a_user_has_a_revision_of_its_own(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))

    assert memory.set_user_state("alice", "1", expected_revision=0).revision == 1
    assert memory.set_user_state("alice", "2").revision == 2
    with pytest.raises(StateChanged):
        memory.set_user_state("alice", "3", expected_revision=1)
    assert memory.get_user_state("alice").content == "2"


@pytest.mark.parametrize("whose", ["session", "user"])
def test_a_change_is_made_again_where_somebody_else_wrote_meanwhile(whose: str, memory: Caller) -> None:
    """Each change is made of what the one before it came to."""
    of_session = whose == "session"
    memory.add_memory("a", said("one"), user_id="a")
    others = ["2", "1"]
    seen: list[str | None] = []

    def write(text: str) -> None:
        (memory.manager.set_state if of_session else memory.manager.set_user_state)("a", text)

    def add_three(state: State | None) -> str:
        seen.append(state and state.content)
        if others:
            write(others.pop())
        return f"[{seen[-1] or 0}, 3]"

    changed = (memory.change_state if of_session else memory.change_user_state)("a", add_three)

    assert seen == [None, "1", "2"]
    assert (changed.content, changed.revision) == ("[2, 3]", 3)


@pytest.mark.parametrize("wrong", ["{", None, 1, "\ud800"], ids=["no JSON", "None", "a number", "a surrogate"])
def test_a_change_into_what_is_no_json_changes_nothing(wrong: Any, memory: Caller) -> None:
    memory.add_memory("a", said("one"), state="1")

    with pytest.raises(InvalidInput):
        memory.change_state("a", lambda state: wrong)

    assert memory.get_state("a").content == "1"


def test_who_is_not_there_has_no_state(memory: Caller) -> None:
    memory.add_memory("a", said("x"), state="1")
    memory.delete_session("a")

    for session_id in ("a", "none"):
        with pytest.raises(SessionNotFound):
            memory.get_state(session_id)
        with pytest.raises(SessionNotFound):
            memory.set_state(session_id, "1")
        with pytest.raises(SessionNotFound):
            memory.change_state(session_id, lambda state: "1")
    with pytest.raises(UserNotFound):
        memory.get_user_state("nobody")
    with pytest.raises(UserNotFound):
        memory.set_user_state("nobody", "1")


def test_a_state_of_another_users_session_is_out_of_reach(memory: Caller) -> None:
    memory.add_memory("a", said("x"), user_id="alice", state="1")

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.get_state("a", user_id="bob")
    with pytest.raises(SessionOwnedByAnotherUser):
        memory.set_state("a", "2", user_id="bob")
    assert memory.get_state("a").content == "1"


def test_a_state_goes_and_comes_with_its_session(memory: Caller) -> None:
    memory.add_memory("a", said("x"), state="1")
    memory.delete_session("a")
    memory.restore_session("a")
    memory.clear_memory("a")
    memory.fork_session("a", "b")
    memory.set_state("b", "2")
    memory.rename_session("a", "c")

    assert (memory.get_state("b").content, memory.get_state("c").content) == ("2", "1")


@pytest.mark.parametrize("way", ["purge", "purge and begin anew", "erase"])
def test_what_is_gone_leaves_no_state_behind(memory: Caller, way: str) -> None:
    memory.add_memory("a", said("x"), state="1", user_id="alice")
    memory.set_user_state("alice", "1")
    memory.add_memory("kept", said("x"), state="2", user_id="bob")

    if way == "erase":
        memory.delete_user("alice")
    else:
        memory.delete_session("a")
        memory.purge(timedelta(0))
    if way == "purge and begin anew":
        memory.add_memory("a", said("new"))
        assert memory.get_state("a") is None

    kept = [row["session_id"] for row in memory.tables.snapshot()["zep_session_states"]]
    users = [row["user_id"] for row in memory.tables.snapshot()["zep_user_states"]]
    assert (kept, users) == (["kept"], [] if way == "erase" else ["alice"])


def test_sessions_are_read_with_their_states_in_one_statement(memory: Caller) -> None:
    """And with their last messages; nothing of both comes where nobody asked."""
    last = memory.add_memory("a", said("x", "y"), state="1")[-1]
    memory.set_state("a", "2")
    memory.add_memory("b", [], metadata={})

    with statements() as sent:
        listed = {each.session_id: each for each in memory.list_sessions(order="active", with_state=True)}
    assert len(sent) == 1
    assert listed == {each.session_id: each for each in memory.list_sessions(with_state=True)}
    assert listed["a"] == memory.get_session("a", with_state=True)
    assert (listed["a"].state, listed["a"].last_uuid) == (memory.get_state("a"), last.uuid)
    assert (listed["b"].state, listed["b"].last_uuid) == (None, None)
    plain = memory.get_session("a")
    assert (plain.state, plain.last_uuid) == (None, None)
    assert Session(**listed["a"].to_dict()) == listed["a"]


def test_a_state_and_metadata_come_with_what_replaces_a_session(memory: Caller) -> None:
    """Also with nothing: then the session is empty, and what it was before is gone, other branches too."""
    stored = memory.add_memory("a", said("x", "y"), state="1", metadata={"kept": 1})
    memory.rewind_session("a", stored[0].uuid)

    memory.replace_memory("a", said("z"), state="2", metadata={"new": 1})
    replaced = memory.get_session("a", with_state=True)
    memory.replace_memory("a", [], state="3")
    memory.replace_memory("new", [], state="4")

    assert (replaced.state.content, replaced.metadata) == ("2", {"kept": 1, "new": 1})
    assert [memory.get_state(each).content for each in ("a", "new")] == ["3", "4"]
    assert (memory.list_messages("a"), memory.list_branches("a")) == ([], [])


BAD: list[Any] = [5, b"{}", "", "{", "nul", '"\ud83d"', "9" * (2**20 + 1), "[" * 100_000]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:20])
def test_what_is_no_json_text_of_a_mebibyte_is_refused(memory: Caller, bad: Any) -> None:
    with pytest.raises(InvalidInput, match="state"):
        memory.add_memory("a", said("x"), state=bad)

    assert memory.list_sessions() == []


def test_a_state_may_be_a_mebibyte(memory: Caller) -> None:
    largest = json.dumps("x" * (2**20 - 2))

    memory.add_memory("a", said("x"), state=largest)

    assert memory.get_state("a").content == largest
