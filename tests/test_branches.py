"""Branches: a conversation that is rewound goes on another way, and nothing of the first one is lost."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.colours import Caller
from tests.support.messages import FIXED, said, texts
from zep_memory_plugin import Branch, MessageNotFound, SessionNotFound, SessionOwnedByAnotherUser, Summary


def ends(memory: Caller, session_id: str = "a") -> dict[str, bool]:
    """Return the texts that branches end with, and whether a branch is the one that is shown."""
    return {branch.preview: branch.is_active for branch in memory.list_branches(session_id)}


def uuid_of(memory: Caller, text: str) -> UUID:
    (uuid,) = [UUID(str(message.uuid)) for message in memory.list_messages("a") if message.content == text]
    return uuid


def regenerated(memory: Caller) -> list[Any]:
    """Store a question and two answers to it, the second instead of the first, and return all three."""
    stored = memory.add_memory("a", said("question", "first"))
    memory.rewind_session("a", stored[0].uuid)
    return [*stored, *memory.add_memory("a", said("second"))]


def test_a_session_that_was_never_rewound_is_one_branch(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two" * 200))

    (branch,) = memory.list_branches("a")

    newest = {"uuid": stored[1].uuid, "seq": 2, "created_at": stored[1].created_at}
    assert branch == Branch(**newest, is_active=True, preview=("two" * 200)[:200])
    assert "two" not in repr(branch)


def test_a_session_without_messages_has_no_branch(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.clear_memory("a")

    assert memory.list_branches("a") == []


def test_both_answers_are_kept_and_one_is_shown(memory: Caller) -> None:
    """Neither a window nor a search shows the other one."""
    regenerated(memory)

    assert texts(memory.list_messages("a")) == ["question", "second"]
    assert texts(memory.last_messages("a", 5)) == ["question", "second"]
    assert ends(memory) == {"first": False, "second": True}
    assert [result.message.content for result in memory.search_memory("first") if result.message] == []


def test_one_can_go_back_to_the_first_answer_and_forth(memory: Caller) -> None:
    _, first, second = regenerated(memory)

    memory.switch_branch("a", first.uuid)
    back, found = texts(memory.list_messages("a")), memory.search_memory("first")
    memory.add_memory("a", said("and so on"))
    memory.switch_branch("a", str(second.uuid))

    assert back == ["question", "first"]
    assert [result.message.content for result in found if result.message][:1] == ["first"]
    assert texts(memory.list_messages("a")) == ["question", "second"]
    assert ends(memory) == {"and so on": False, "second": True}


def test_a_rewind_is_undone(memory: Caller) -> None:
    """Also where nothing was said since; and what is said then follows the last message."""
    stored = memory.add_memory("a", said("one", "two", "three"))
    memory.add_summary("a", Summary(content="all"), until_uuid=stored[2].uuid)
    memory.rewind_session("a", stored[0].uuid)
    rewound = ends(memory)

    memory.switch_branch("a", stored[2].uuid)
    memory.add_memory("a", said("four"))

    assert rewound == {"one": True, "three": False}
    assert texts(memory.list_messages("a")) == ["one", "two", "three", "four"]
    assert [summary.content for summary in memory.list_summaries("a")] == ["all"]
    assert ends(memory) == {"four": True}


def test_switching_is_a_write_and_no_activity(memory: Caller) -> None:
    _, first, _ = regenerated(memory)
    before = memory.get_session("a")

    memory.switch_branch("a", first.uuid)

    after = memory.get_session("a")
    assert (after.revision, after.last_active_at) == (before.revision + 1, before.last_active_at)


def test_a_purge_leaves_other_branches_until_their_session_goes(memory: Caller) -> None:
    _, first, _ = regenerated(memory)

    kept = memory.purge(timedelta(0))
    memory.switch_branch("a", first.uuid)
    memory.delete_session("a")
    gone = memory.purge(timedelta(0))

    assert (kept.messages, gone.messages, gone.sessions) == (0, 3, 1)
    snapshot = memory.tables.snapshot()
    assert (snapshot["zep_messages"], snapshot["zep_branches"]) == ([], [])


@pytest.mark.parametrize("way", ["clear", "replace"])
def test_other_branches_go_with_what_is_cleared_or_replaced(memory: Caller, way: str) -> None:
    """Nothing of them is left after a purge."""
    _, first, _ = regenerated(memory)

    if way == "clear":
        memory.clear_memory("a")
    else:
        memory.replace_memory("a", said("new"))

    with pytest.raises(MessageNotFound):
        memory.switch_branch("a", first.uuid)
    assert memory.purge(timedelta(0)).messages == 3


def test_a_deleted_session_comes_back_with_its_branches(memory: Caller) -> None:
    regenerated(memory)

    memory.delete_session("a")
    memory.restore_session("a")
    memory.rename_session("a", "b")

    assert ends(memory, "b") == {"first": False, "second": True}


def test_a_deleted_message_ends_no_branch_and_stays_deleted(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two", "three"))
    memory.delete_messages("a", [stored[2].uuid])
    memory.rewind_session("a", stored[0].uuid)
    rewound = ends(memory)

    memory.switch_branch("a", stored[1].uuid)

    assert rewound == {"one": True, "two": False}
    assert texts(memory.list_messages("a")) == ["one", "two"]
    with pytest.raises(MessageNotFound):
        memory.switch_branch("a", stored[2].uuid)


def test_what_is_not_there_or_another_users_is_refused(memory: Caller) -> None:
    memory.add_memory("a", said("one"), user_id="alice")
    before = memory.tables.snapshot()

    for call in (memory.list_branches, lambda *name, **user: memory.switch_branch(*name, FIXED, **user)):
        with pytest.raises(SessionNotFound):
            call("none")
        with pytest.raises(SessionOwnedByAnotherUser):
            call("a", user_id="bob")
    with pytest.raises(MessageNotFound):
        memory.switch_branch("a", FIXED)
    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("seed", range(3))
def test_any_way_through_a_tree_is_shown_as_it_was_said(memory: Caller, seed: int) -> None:
    """Whatever is appended, rewound to, switched to and purged: reads show the way to where the session is."""
    chance = random.Random(seed)
    parents: dict[str, str] = {}
    uuids: dict[str, Any] = {}
    head = ""
    for step in range(30):
        way = ways(parents, head)
        action = chance.choice(["append", "append", "rewind", "switch", "purge"])
        if action == "append" or not way:
            text = f"said {step}"
            (message,) = memory.add_memory("a", said(text))
            parents[text], uuids[text], head = head, message.uuid, text
        elif action == "rewind":
            head = chance.choice(way)
            memory.rewind_session("a", uuids[head])
        elif action == "switch":
            head = chance.choice(list(parents))
            memory.switch_branch("a", uuids[head])
        else:
            memory.purge(timedelta(0))

        assert texts(memory.list_messages("a")) == ways(parents, head)
        leaves = parents.keys() - parents.values()
        assert ends(memory) == {text: text == head for text in leaves | {head}}


def ways(parents: dict[str, str], head: str) -> list[str]:
    """Return the texts from the first one to *head*."""
    way = []
    while head:
        way.append(head)
        head = parents[head]
    return way[::-1]


def test_messages_follow_any_message_of_any_branch(memory: Caller) -> None:
    """In one write, which is refused as a whole where that message is not there."""
    question, first, second = regenerated(memory)
    gone = memory.add_memory("a", said("gone"))[0]
    memory.delete_messages("a", [gone.uuid])

    memory.add_memory("a", said("thanks"), after=first.uuid, metadata={"tone": "kind"})
    thanked = texts(memory.list_messages("a"))
    memory.add_memory("a", said("third"), after=str(question.uuid))
    for missing in (gone.uuid, FIXED):
        with pytest.raises(MessageNotFound):
            memory.add_memory("a", said("never"), after=missing, metadata={"tone": "rude"})
    with pytest.raises(MessageNotFound):
        memory.add_memory("new", said("never"), after=second.uuid)

    assert thanked == ["question", "first", "thanks"]
    assert texts(memory.list_messages("a")) == ["question", "third"]
    assert ends(memory) == {"second": False, "thanks": False, "third": True}
    assert memory.get_session("a").metadata == {"tone": "kind"}
    assert [session.session_id for session in memory.list_sessions()] == ["a"]


def test_messages_that_follow_the_last_one_make_no_branch(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two"))

    memory.add_memory("a", said("three"), after=stored[1].uuid)

    assert ends(memory) == {"three": True}
    assert memory.tables.snapshot()["zep_branches"] == []


def test_a_session_begins_anew_beside_what_was_said(memory: Caller) -> None:
    """As when the first question is asked in other words."""
    _, first, _ = regenerated(memory)

    memory.add_memory("a", said("other question"), after=UUID(int=0))
    anew = texts(memory.list_messages("a"))
    memory.add_memory("a", [], after=first.uuid, state="1")

    assert anew == ["other question"]
    assert texts(memory.list_messages("a")) == ["question", "first"]
    assert ends(memory) == {"first": True, "second": False, "other question": False}
    assert memory.get_state("a").content == "1"


def test_a_branch_is_read_without_switching_to_it(memory: Caller) -> None:
    _, first, second = regenerated(memory)

    assert texts(memory.branch_messages("a", first.uuid)) == ["question", "first"]
    assert texts(memory.branch_messages("a", str(first.uuid), 1)) == ["first"]
    assert memory.branch_messages("a", first.uuid, 0) == []
    assert texts(memory.branch_messages("a", second.uuid, 9)) == ["question", "second"]
    assert ends(memory) == {"first": False, "second": True}


def test_a_branch_of_another_user_or_of_what_is_deleted_is_not_read(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one"), user_id="alice")

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.branch_messages("a", stored[0].uuid, user_id="bob")
    with pytest.raises(SessionOwnedByAnotherUser):
        memory.branch_messages("a", FIXED, user_id="bob")
    memory.delete_session("a")
    with pytest.raises(MessageNotFound):
        memory.branch_messages("a", stored[0].uuid)


def test_a_message_tells_its_session(memory: Caller) -> None:
    """Also from a branch that was left; of copies it is that of the original."""
    _, first, second = regenerated(memory)
    memory.fork_session("a", "b")
    memory.add_memory("c", said("of Bob"), user_id="bob")

    assert memory.find_session(first.uuid).session_id == "a"
    assert memory.find_session(str(second.uuid)).session_id == "a"
    memory.delete_session("a")
    assert memory.find_session(second.uuid).session_id == "b"
    for user_id in (None, "bob"):
        with pytest.raises(MessageNotFound, match="any session"):
            memory.find_session(first.uuid, user_id=user_id)
