"""The contract of sessions: Zep's conformance table, rows S and D, and what is ours beyond it."""

from datetime import UTC, datetime

import pytest

from tests.support.colours import Caller
from tests.support.messages import said, texts
from tests.support.rows import rows
from zep_memory_plugin import InvalidInput, Memory, Session, SessionExists, SessionNotFound, Summary, User, UserNotFound


@pytest.mark.parametrize("metadata", [{"topic": "tea", "system": {"entities": []}}, {}, None])
def test_s1_a_new_session_is_returned_as_it_is_stored(memory: Caller, metadata: dict | None) -> None:
    before = datetime.now(UTC)

    first = memory.add_session(Session(session_id="a", metadata=metadata))
    second = memory.add_session(Session(session_id="b"))

    assert first == memory.get_session("a")
    assert (first.session_id, first.metadata, first.user_id, first.deleted_at) == ("a", metadata, None, None)
    assert before <= first.created_at == first.updated_at <= datetime.now(UTC)
    assert first.uuid != second.uuid
    assert first.id < second.id


def test_s1_a_session_keeps_the_moment_of_creation_it_is_given(memory: Caller) -> None:
    moment = datetime(2023, 5, 8, 13, 56, 7, 123456, tzinfo=UTC)

    memory.add_session(Session(session_id="a", created_at=moment))

    assert memory.get_session("a").created_at == moment


def test_s2_a_taken_id_is_refused(memory: Caller) -> None:
    stored = memory.add_session(Session(session_id="a", metadata={"kept": True}))

    with pytest.raises(SessionExists, match="'a' already exists") as caught:
        memory.add_session(Session(session_id="a", metadata={"kept": False}))

    assert caught.value.session_id == "a"
    assert not caught.value.deleted
    assert memory.get_session("a") == stored


def test_s3_the_id_of_a_deleted_session_is_refused_with_the_ways_back(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))
    memory.delete_session("a")

    with pytest.raises(SessionExists, match="restore_session or add_memory") as caught:
        memory.add_session(Session(session_id="a"))

    assert caught.value.deleted
    assert memory.list_sessions() == []


def test_s4_a_session_of_an_unknown_user_is_refused(memory: Caller) -> None:
    with pytest.raises(UserNotFound, match="'nobody'; add_user") as caught:
        memory.add_session(Session(session_id="a", user_id="nobody"))

    assert caught.value.user_id == "nobody"
    assert memory.list_sessions() == []


def test_s4_a_session_of_a_known_user_is_theirs(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))

    assert memory.add_session(Session(session_id="a", user_id="alice")).user_id == "alice"


def test_s5_an_empty_id_is_refused(memory: Caller) -> None:
    with pytest.raises(InvalidInput, match="session_id"):
        memory.add_session(Session(session_id=""))


def test_s6_an_unknown_or_deleted_session_is_not_found(memory: Caller) -> None:
    memory.add_session(Session(session_id="deleted"))
    memory.delete_session("deleted")

    for session_id in ("unknown", "deleted"):
        with pytest.raises(SessionNotFound, match=f"'{session_id}'") as caught:
            memory.get_session(session_id)
        assert caught.value.session_id == session_id


def test_s7_metadata_is_merged_at_any_depth(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"one": 1, "deep": {"x": {"y": 1, "z": [1, 2]}, "w": "w"}}))

    memory.update_session(Session(session_id="a", metadata={"two": 2, "deep": {"x": {"z": [3]}}}))

    assert memory.get_session("a").metadata == {"one": 1, "deep": {"x": {"y": 1, "z": [3]}, "w": "w"}, "two": 2}


def test_s7_an_object_replaces_a_plain_value_and_the_other_way_round(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"plain": 1, "object": {"x": 1}, "list": [{"x": 1}]}))

    updated = memory.update_session(
        Session(session_id="a", metadata={"plain": {"x": 1}, "object": 1, "list": {"x": 2}})
    )

    assert updated.metadata == {"plain": {"x": 1}, "object": 1, "list": {"x": 2}}
    assert updated == memory.get_session("a")


def test_s7_no_metadata_becomes_what_comes_in(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))

    assert memory.update_session(Session(session_id="a", metadata={"x": 1})).metadata == {"x": 1}


def test_s8_none_is_stored_and_the_key_stays(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": 1, "b": {"c": 2}}))

    memory.update_session(Session(session_id="a", metadata={"a": None, "b": {"c": None}}))

    assert memory.get_session("a").metadata == {"a": None, "b": {"c": None}}


@pytest.mark.parametrize("value", [0, False, "", []], ids=repr)
def test_s9_empty_values_overwrite(memory: Caller, value: object) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": {"b": 1}, "c": "text"}))

    memory.update_session(Session(session_id="a", metadata={"a": value, "c": value}))

    assert memory.get_session("a").metadata == {"a": value, "c": value}
    assert type(memory.get_session("a").metadata["a"]) is type(value)


def test_s9_an_empty_object_leaves_an_object_as_it_is_and_replaces_anything_else(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": {"b": 1}, "c": "text"}))

    memory.update_session(Session(session_id="a", metadata={"a": {}, "c": {}}))

    assert memory.get_session("a").metadata == {"a": {"b": 1}, "c": {}}


@pytest.mark.parametrize("stored", [{"a": 1}, {}, None], ids=repr)
def test_s10_an_empty_object_at_the_top_only_touches(memory: Caller, stored: dict | None) -> None:
    before = memory.add_session(Session(session_id="a", metadata=stored))

    after = memory.update_session(Session(session_id="a", metadata={}))

    assert after.metadata == stored
    assert after.updated_at > before.updated_at


def test_s11_an_update_without_metadata_only_touches(memory: Caller) -> None:
    before = memory.add_session(Session(session_id="a", metadata={"a": 1}))

    after = memory.update_session(Session(session_id="a"))

    assert after.updated_at > before.updated_at
    assert after.model_copy(update={"updated_at": before.updated_at}) == before
    assert memory.get_session("a").updated_at == after.updated_at


def test_s13_an_update_of_an_unknown_session_creates_nothing(memory: Caller) -> None:
    with pytest.raises(SessionNotFound):
        memory.update_session(Session(session_id="a", metadata={"a": 1}))

    assert rows(memory.manager, "sessions") == []


def test_s14_an_update_leaves_the_user_as_it_is(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))
    memory.add_user(User(user_id="bob"))
    memory.add_session(Session(session_id="a", user_id="alice"))

    assert memory.update_session(Session(session_id="a", user_id="bob")).user_id == "alice"
    assert memory.update_session(Session(session_id="a")).user_id == "alice"


def test_s15_an_update_brings_a_deleted_session_back_and_merges_into_the_old_metadata(memory: Caller) -> None:
    stored = memory.add_session(Session(session_id="a", metadata={"old": 1}))
    memory.add_memory("a", said("old"))
    memory.delete_session("a")

    updated = memory.update_session(Session(session_id="a", metadata={"new": 2}))

    assert (updated.uuid, updated.id, updated.created_at) == (stored.uuid, stored.id, stored.created_at)
    assert (updated.metadata, updated.deleted_at) == ({"old": 1, "new": 2}, None)
    assert memory.list_sessions() == [updated]
    assert memory.list_messages("a") == []


def test_s16_concurrent_updates_keep_every_key(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))
    keys = [f"key {number}" for number in range(20)]

    memory.together("update_session", [{"session": Session(session_id="a", metadata={key: key})} for key in keys])

    assert memory.get_session("a").metadata == {key: key for key in keys}


def _conversation(memory: Caller) -> Session:
    """Store a session of a user, with two messages and a summary, and return it."""
    memory.add_user(User(user_id="alice"))
    memory.add_session(Session(session_id="a", user_id="alice", metadata={"topic": "tea"}))
    memory.add_memory("a", said("one", "two"))
    memory.add_summary("a", Summary(content="counted"))
    return memory.get_session("a")


def test_d1_a_deleted_session_is_hidden_everywhere(memory: Caller) -> None:
    _conversation(memory)

    memory.delete_session("a")

    with pytest.raises(SessionNotFound):
        memory.get_session("a")
    assert memory.get_memory("a") == Memory()
    assert memory.list_messages("a") == []
    assert memory.last_messages("a") == []
    assert memory.list_summaries("a") == []
    assert memory.count_messages(["a"]) == {"a": 0}
    assert memory.list_sessions() == []
    assert memory.get_user_sessions("alice") == []


def test_d1_a_deleted_session_stays_in_the_tables_with_one_moment_of_deletion(memory: Caller) -> None:
    before = _conversation(memory)

    memory.delete_session("a")

    (session,) = rows(memory.manager, "sessions")
    deleted_at = session["deleted_at"]
    assert deleted_at > before.updated_at
    assert session["updated_at"] == before.updated_at
    assert [row["deleted_at"] for row in rows(memory.manager, "messages")] == [deleted_at, deleted_at]
    assert [row["deleted_at"] for row in rows(memory.manager, "summaries")] == [deleted_at]
    assert memory.list_sessions(deleted=True) == [before.model_copy(update={"deleted_at": deleted_at})]


def test_d2_an_unknown_or_deleted_session_cannot_be_deleted(memory: Caller) -> None:
    _conversation(memory)
    memory.delete_session("a")
    before = rows(memory.manager, "sessions")

    for session_id in ("a", "unknown"):
        with pytest.raises(SessionNotFound):
            memory.delete_session(session_id)

    assert rows(memory.manager, "sessions") == before


def test_d3_a_write_brings_the_session_back_without_its_old_messages(memory: Caller) -> None:
    before = _conversation(memory)
    memory.delete_session("a")

    memory.add_memory("a", said("three"))

    after = memory.get_session("a")
    assert after.updated_at > before.updated_at
    assert after.model_copy(update={"updated_at": before.updated_at}) == before
    assert texts(memory.list_messages("a")) == ["three"]
    assert memory.get_memory("a").summary is None
    assert [row["deleted_at"] is not None for row in rows(memory.manager, "messages")] == [True, True, False]
    assert [row["deleted_at"] is not None for row in rows(memory.manager, "summaries")] == [True]


def test_restore_brings_back_what_the_deletion_took(memory: Caller) -> None:
    before = _conversation(memory)
    remembered = memory.get_memory("a", lastn=10)
    memory.delete_session("a")

    restored = memory.restore_session("a")

    assert restored == before == memory.get_session("a")
    assert memory.get_memory("a", lastn=10) == remembered
    assert memory.list_sessions(deleted=True) == []


def test_restore_leaves_what_was_deleted_before(memory: Caller) -> None:
    _, two, _ = memory.add_memory("a", said("one", "two", "three"))
    memory.delete_messages("a", [two.uuid])
    memory.delete_session("a")

    memory.restore_session("a")

    assert texts(memory.list_messages("a")) == ["one", "three"]


def test_restore_brings_back_the_last_of_several_deletions(memory: Caller) -> None:
    memory.add_memory("a", said("first life"))
    memory.delete_session("a")
    memory.add_memory("a", said("second life"))
    memory.delete_session("a")

    memory.restore_session("a")

    assert texts(memory.list_messages("a")) == ["second life"]


def test_restore_returns_a_live_session_as_it_is(memory: Caller) -> None:
    before = _conversation(memory)

    assert memory.restore_session("a") == before
    assert texts(memory.list_messages("a")) == ["one", "two"]


def test_restore_finds_neither_an_unknown_nor_a_purged_session(memory: Caller) -> None:
    _conversation(memory)
    memory.delete_session("a")
    memory.purge()

    for session_id in ("a", "unknown"):
        with pytest.raises(SessionNotFound):
            memory.restore_session(session_id)


def test_a_restored_session_can_be_written_to(memory: Caller) -> None:
    _conversation(memory)
    memory.delete_session("a")
    memory.restore_session("a")

    (three,) = memory.add_memory("a", said("three"))

    assert texts(memory.list_messages("a")) == ["one", "two", "three"]
    assert memory.get_session("a").updated_at == three.created_at
