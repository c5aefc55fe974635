"""The contract of single messages: reading, updating, deleting, and moving between sessions."""

from uuid import uuid4

import pytest

from tests.support.colours import Caller, on_every_backend
from tests.support.messages import FIXED, numbered, said, texts
from zep_memory_plugin import (
    InvalidInput,
    Memory,
    Message,
    MessageNotFound,
    Session,
    SessionExists,
    SessionNotFound,
    Summary,
    User,
)

pytestmark = on_every_backend


def test_an_update_of_a_message_merges_metadata_and_leaves_everything_else(memory: Caller) -> None:
    (before,) = memory.add_memory(
        "a", [Message(role="user", content="one", token_count=42, metadata={"a": 1, "deep": {"b": 2}})]
    )

    after = memory.update_message("a", before.uuid, metadata={"deep": {"c": 3}, "system": 1})

    assert after.metadata == {"a": 1, "deep": {"b": 2, "c": 3}, "system": 1}
    assert after.updated_at > before.created_at
    assert after.model_copy(update={"metadata": before.metadata, "updated_at": None}) == before
    assert memory.get_message("a", str(before.uuid)) == after
    assert memory.get_session("a").updated_at == after.updated_at


@pytest.mark.parametrize("metadata", [{}, None])
def test_an_update_of_a_message_without_metadata_only_touches(memory: Caller, metadata: dict | None) -> None:
    one, two = memory.add_memory("a", [Message(role="user", content="one", metadata={"a": 1}), *said("two")])

    touched = [memory.update_message("a", message.uuid, metadata=metadata) for message in (one, two)]

    assert all(message.updated_at > one.created_at for message in touched)
    assert [message.model_copy(update={"updated_at": None}) for message in touched] == [one, two]


def test_new_content_is_counted_anew_and_keeps_its_seq(memory: Caller) -> None:
    one, two = memory.add_memory("a", [Message(role="user", content="one", token_count=42), *said("two")])

    changed = memory.update_message("a", one.uuid, content="eight letters")

    assert memory.list_messages("a") == [changed, two]
    assert (changed.content, changed.token_count, changed.seq) == ("eight letters", 3, 1)


def test_new_content_takes_the_native_form_of_the_old_along(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", [Message(role="user", content="one", native_format="other", native='"one"')])

    changed = memory.update_message("a", stored.uuid, content="eins")

    assert (changed.content, changed.native_format, changed.native) == ("eins", None, None)


@pytest.mark.parametrize("method", ["update_message", "add_memory"])
def test_concurrent_updates_of_a_message_keep_every_key(memory: Caller, method: str) -> None:
    memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED)])
    merges = [{f"key {number}": number} for number in range(20)]

    if method == "update_message":
        memory.together(method, [{"session_id": "a", "uuid": FIXED, "metadata": merge} for merge in merges])
    else:
        again = [[Message(role="user", content="one", uuid=FIXED, metadata=merge)] for merge in merges]
        memory.together(method, [{"session_id": "a", "messages": messages} for messages in again])

    assert memory.get_message("a", FIXED).metadata == {f"key {number}": number for number in range(20)}


def test_an_unknown_message_is_not_found(memory: Caller) -> None:
    (here,) = memory.add_memory("a", said("one"))
    memory.add_memory("b", said("one"))
    memory.delete_messages("a", [here.uuid])

    for session_id, uuid in (("a", uuid4()), ("a", here.uuid), ("b", here.uuid)):
        with pytest.raises(MessageNotFound, match=str(uuid)) as caught:
            memory.get_message(session_id, uuid)
        assert (caught.value.session_id, caught.value.uuid) == (session_id, uuid)
        with pytest.raises(MessageNotFound, match=str(uuid)):
            memory.update_message(session_id, uuid, metadata={"a": 1})


def test_a_message_of_an_unknown_session_is_not_found(memory: Caller) -> None:
    memory.add_memory("deleted", [Message(role="user", content="one", uuid=FIXED)])
    memory.delete_session("deleted")

    for session_id in ("unknown", "deleted"):
        with pytest.raises(MessageNotFound):
            memory.get_message(session_id, FIXED)
        with pytest.raises(SessionNotFound):
            memory.update_message(session_id, FIXED, content="two")


def test_a_listing_of_messages_goes_on_after_its_cursor(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(5))

    assert memory.list_messages("a", 2) == stored[:2]
    assert memory.list_messages("a", 2, stored[1].seq) == stored[2:4]
    assert memory.list_messages("a", cursor=stored[3].seq) == stored[4:]
    assert memory.list_messages("a", cursor=stored[4].seq) == []
    assert memory.list_messages("unknown") == []


def test_the_messages_of_several_sessions_are_counted_at_once(memory: Caller) -> None:
    memory.add_memory("two", said("one", "two"))
    memory.add_memory("one", [Message(role="user", content="one", uuid=FIXED), *said("two")])
    memory.delete_messages("one", [FIXED])
    memory.add_memory("deleted", said("one"))
    memory.delete_session("deleted")

    assert memory.count_messages(["two", "one", "deleted", "unknown"]) == {
        "two": 2,
        "one": 1,
        "deleted": 0,
        "unknown": 0,
    }
    assert memory.count_messages([]) == {}
    assert memory.count_messages(session_id for session_id in ("two", "two")) == {"two": 2}


def test_deleted_messages_leave_a_gap_that_is_never_filled(memory: Caller) -> None:
    one, two, three = memory.add_memory("a", numbered(3))
    before = memory.get_session("a")

    memory.delete_messages("a", [one.uuid, str(three.uuid), one.uuid])

    assert memory.list_messages("a") == [two]
    assert memory.get_session("a").updated_at > before.updated_at
    assert [message.seq for message in memory.add_memory("a", said("4"))] == [4]


def test_messages_are_deleted_together_or_not_at_all(memory: Caller) -> None:
    one, two = memory.add_memory("a", numbered(2))
    memory.add_memory("b", [Message(role="user", content="elsewhere", uuid=FIXED)])
    memory.delete_messages("a", [two.uuid])
    before = memory.tables.snapshot()

    for missing in (uuid4(), FIXED, two.uuid):
        with pytest.raises(MessageNotFound) as caught:
            memory.delete_messages("a", [one.uuid, missing])
        assert caught.value.uuid == missing

    assert memory.tables.snapshot() == before


def test_deleting_no_messages_changes_nothing(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    before = memory.tables.snapshot()

    memory.delete_messages("a", [])

    assert memory.tables.snapshot() == before
    with pytest.raises(SessionNotFound):
        memory.delete_messages("unknown", [])


def test_clearing_takes_messages_and_summaries_and_keeps_the_session(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"topic": "tea"}))
    memory.add_memory("a", said("one", "two"))
    memory.add_summary("a", Summary(content="counted"))
    before = memory.get_session("a")

    memory.clear_memory("a")

    assert memory.get_memory("a") == Memory()
    assert memory.list_summaries("a") == []
    after = memory.get_session("a")
    assert after.updated_at > before.updated_at
    assert after.model_copy(update={"updated_at": before.updated_at, "revision": before.revision}) == before
    assert [message.seq for message in memory.add_memory("a", said("three"))] == [3]
    assert len(memory.tables.rows("messages")) == 3


def test_a_session_that_is_not_there_cannot_be_cleared_or_rewound(memory: Caller) -> None:
    memory.add_memory("deleted", [Message(role="user", content="one", uuid=FIXED)])
    memory.delete_session("deleted")

    for session_id in ("unknown", "deleted"):
        with pytest.raises(SessionNotFound):
            memory.clear_memory(session_id)
        with pytest.raises(SessionNotFound):
            memory.rewind_session(session_id, FIXED)


def test_rewinding_takes_everything_after_a_message(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(5))
    kept = memory.add_summary("a", Summary(content="1 and 2"), until_uuid=stored[1].uuid)
    memory.add_summary("a", Summary(content="1 to 4"), until_uuid=stored[3].uuid)
    before = memory.get_session("a")

    memory.rewind_session("a", stored[2].uuid)

    assert memory.list_messages("a") == stored[:3]
    assert memory.list_summaries("a") == [kept]
    assert memory.get_memory("a") == Memory(messages=stored[2:3], summary=kept)
    assert memory.get_session("a").updated_at > before.updated_at
    assert [message.seq for message in memory.add_memory("a", said("6"))] == [6]


def test_rewinding_to_the_newest_message_takes_nothing(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(2))

    memory.rewind_session("a", str(stored[1].uuid))

    assert memory.list_messages("a") == stored


def test_rewinding_to_a_message_that_is_not_there_takes_nothing(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(2))
    memory.add_memory("b", [Message(role="user", content="elsewhere", uuid=FIXED)])
    memory.delete_messages("a", [stored[0].uuid])
    before = memory.tables.snapshot()

    for missing in (FIXED, stored[0].uuid):
        with pytest.raises(MessageNotFound):
            memory.rewind_session("a", missing)

    assert memory.tables.snapshot() == before


def test_a_fork_is_a_copy_that_goes_its_own_way(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))
    origin = memory.add_session(Session(session_id="a", user_id="alice", metadata={"topic": "tea"}))
    stored = memory.add_memory("a", numbered(4))
    memory.delete_messages("a", [stored[1].uuid])
    summary = memory.add_summary("a", Summary(content="1 to 3"), until_uuid=stored[2].uuid)

    fork = memory.fork_session("a", "b")

    assert fork == memory.get_session("b")
    assert (fork.user_id, fork.metadata, fork.deleted_at) == ("alice", {"topic": "tea"}, None)
    assert fork.uuid != origin.uuid
    assert fork.id > origin.id
    assert memory.list_messages("b") == memory.list_messages("a") == [stored[0], *stored[2:]]
    assert memory.list_summaries("b") == [summary]
    memory.update_message("b", stored[0].uuid, content="changed")
    assert [message.seq for message in memory.add_memory("b", said("5"))] == [5]
    assert texts(memory.list_messages("a")) == ["1", "3", "4"]
    assert texts(memory.list_messages("b")) == ["changed", "3", "4", "5"]


def test_a_fork_up_to_a_message_leaves_what_comes_after(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(4))
    summary = memory.add_summary("a", Summary(content="1"), until_uuid=stored[0].uuid)
    memory.add_summary("a", Summary(content="1 to 3"), until_uuid=stored[2].uuid)

    memory.fork_session("a", "b", until_uuid=stored[1].uuid)

    assert memory.list_messages("b") == stored[:2]
    assert memory.list_summaries("b") == [summary]
    assert memory.list_messages("a") == stored
    assert [message.seq for message in memory.add_memory("b", said("other"))] == [3]


def test_a_fork_leaves_deleted_messages_behind_for_good(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(2))
    memory.delete_messages("a", [stored[0].uuid])

    memory.fork_session("a", "b")
    memory.delete_session("b")
    memory.restore_session("b")

    assert memory.list_messages("b") == stored[1:]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_fork_does_not_overwrite_a_session(memory: Caller, deleted: bool) -> None:
    memory.add_memory("a", said("one"))
    memory.add_memory("b", said("kept"))
    if deleted:
        memory.delete_session("b")
    before = memory.tables.snapshot()

    with pytest.raises(SessionExists) as caught:
        memory.fork_session("a", "b")
    with pytest.raises(InvalidInput, match="new_session_id"):
        memory.fork_session("a", "a")

    assert (caught.value.session_id, caught.value.deleted) == ("b", deleted)
    assert memory.tables.snapshot() == before


def test_a_fork_of_what_is_not_there_makes_no_session(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.add_memory("deleted", said("one"))
    memory.delete_session("deleted")
    before = memory.tables.snapshot()

    with pytest.raises(MessageNotFound):
        memory.fork_session("a", "b", until_uuid=FIXED)
    for session_id in ("deleted", "unknown"):
        with pytest.raises(SessionNotFound):
            memory.fork_session(session_id, "b")

    assert memory.tables.snapshot() == before
