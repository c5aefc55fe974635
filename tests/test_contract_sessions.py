"""The contract of sessions: adding, merging metadata, deleting, restoring."""

import json
from datetime import UTC, datetime

import pytest

from tests.support.colours import Caller, on_every_backend
from tests.support.messages import said, texts
from zep_memory_plugin import (
    InvalidInput,
    Memory,
    Session,
    SessionExists,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    Summary,
    User,
    UserNotFound,
)

pytestmark = on_every_backend


@pytest.mark.parametrize("metadata", [{"topic": "tea", "system": {"entities": []}}, {}, None])
def test_a_new_session_is_returned_as_it_is_stored(memory: Caller, metadata: dict | None) -> None:
    before = datetime.now(UTC)

    first = memory.add_session(Session(session_id="a", metadata=metadata))
    second = memory.add_session(Session(session_id="b"))

    assert first == memory.get_session("a")
    assert (first.session_id, first.metadata, first.user_id, first.deleted_at) == ("a", metadata, None, None)
    assert before <= first.created_at == first.updated_at <= datetime.now(UTC)
    assert first.uuid != second.uuid
    assert first.id < second.id


def test_a_session_keeps_the_moment_of_creation_it_is_given(memory: Caller) -> None:
    moment = datetime(2023, 5, 8, 13, 56, 7, 123456, tzinfo=UTC)

    memory.add_session(Session(session_id="a", created_at=moment))

    assert memory.get_session("a").created_at == moment


def test_a_session_id_that_is_taken_is_refused(memory: Caller) -> None:
    stored = memory.add_session(Session(session_id="a", metadata={"kept": True}))

    with pytest.raises(SessionExists, match="'a' already exists") as caught:
        memory.add_session(Session(session_id="a", metadata={"kept": False}))

    assert caught.value.session_id == "a"
    assert not caught.value.deleted
    assert memory.get_session("a") == stored


def test_the_id_of_a_deleted_session_is_refused_with_the_ways_back(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))
    memory.delete_session("a")

    with pytest.raises(SessionExists, match="restore_session or add_memory") as caught:
        memory.add_session(Session(session_id="a"))

    assert caught.value.deleted
    assert memory.list_sessions() == []


def test_a_session_of_an_unknown_user_is_refused(memory: Caller) -> None:
    with pytest.raises(UserNotFound, match="'nobody'; add_user") as caught:
        memory.add_session(Session(session_id="a", user_id="nobody"))

    assert caught.value.user_id == "nobody"
    assert memory.list_sessions() == []


def test_a_session_of_a_known_user_is_theirs(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))

    assert memory.add_session(Session(session_id="a", user_id="alice")).user_id == "alice"


def test_an_empty_session_id_is_refused(memory: Caller) -> None:
    with pytest.raises(InvalidInput, match="session_id"):
        memory.add_session(Session(session_id=""))


def test_an_unknown_or_deleted_session_is_not_found(memory: Caller) -> None:
    memory.add_session(Session(session_id="deleted"))
    memory.delete_session("deleted")

    for session_id in ("unknown", "deleted"):
        with pytest.raises(SessionNotFound, match=f"'{session_id}'") as caught:
            memory.get_session(session_id)
        assert caught.value.session_id == session_id


def test_metadata_is_merged_at_any_depth(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"one": 1, "deep": {"x": {"y": 1, "z": [1, 2]}, "w": "w"}}))

    memory.update_session(Session(session_id="a", metadata={"two": 2, "deep": {"x": {"z": [3]}}}))

    assert memory.get_session("a").metadata == {"one": 1, "deep": {"x": {"y": 1, "z": [3]}, "w": "w"}, "two": 2}


def test_an_object_replaces_a_plain_value_and_the_other_way_round(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"plain": 1, "object": {"x": 1}, "list": [{"x": 1}]}))

    updated = memory.update_session(
        Session(session_id="a", metadata={"plain": {"x": 1}, "object": 1, "list": {"x": 2}})
    )

    assert updated.metadata == {"plain": {"x": 1}, "object": 1, "list": {"x": 2}}
    assert updated == memory.get_session("a")


def test_no_metadata_becomes_the_metadata_of_an_update(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))

    assert memory.update_session(Session(session_id="a", metadata={"x": 1})).metadata == {"x": 1}


def test_none_takes_a_key_out_at_any_depth(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": 1, "b": {"c": 2, "d": 3}, "kept": None}))

    memory.update_session(Session(session_id="a", metadata={"a": None, "b": {"c": None}, "new": {"e": None}}))

    assert memory.get_session("a").metadata == {"b": {"d": 3}, "kept": None, "new": {}}


@pytest.mark.parametrize("value", [0, False, "", []], ids=repr)
def test_empty_values_overwrite(memory: Caller, value: object) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": {"b": 1}, "c": "text"}))

    memory.update_session(Session(session_id="a", metadata={"a": value, "c": value}))

    assert memory.get_session("a").metadata == {"a": value, "c": value}
    assert type(memory.get_session("a").metadata["a"]) is type(value)


def test_an_empty_object_leaves_an_object_as_it_is_and_replaces_anything_else(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"a": {"b": 1}, "c": "text"}))

    memory.update_session(Session(session_id="a", metadata={"a": {}, "c": {}}))

    assert memory.get_session("a").metadata == {"a": {"b": 1}, "c": {}}


@pytest.mark.parametrize("stored", [{"a": 1}, {}, None], ids=repr)
def test_an_empty_object_as_metadata_only_touches(memory: Caller, stored: dict | None) -> None:
    before = memory.add_session(Session(session_id="a", metadata=stored))

    after = memory.update_session(Session(session_id="a", metadata={}))

    assert after.metadata == stored
    assert after.updated_at > before.updated_at


def test_an_update_of_a_session_without_metadata_only_touches(memory: Caller) -> None:
    before = memory.add_session(Session(session_id="a", metadata={"a": 1}))

    after = memory.update_session(Session(session_id="a"))

    assert after.updated_at > before.updated_at
    assert after == before.model_copy(update={"updated_at": after.updated_at, "revision": 2})
    assert memory.get_session("a").updated_at == after.updated_at


def test_an_update_of_an_unknown_session_creates_nothing(memory: Caller) -> None:
    with pytest.raises(SessionNotFound):
        memory.update_session(Session(session_id="a", metadata={"a": 1}))

    assert memory.tables.rows("sessions") == []


def test_an_update_without_a_user_leaves_the_session_to_its_user(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", user_id="alice"), create_user=True)

    assert memory.update_session(Session(session_id="a")).user_id == "alice"


def test_an_update_brings_a_deleted_session_back_and_merges_into_the_old_metadata(memory: Caller) -> None:
    stored = memory.add_session(Session(session_id="a", metadata={"old": 1}))
    memory.add_memory("a", said("old"))
    memory.delete_session("a")

    updated = memory.update_session(Session(session_id="a", metadata={"new": 2}))

    assert (updated.uuid, updated.id, updated.created_at) == (stored.uuid, stored.id, stored.created_at)
    assert (updated.metadata, updated.deleted_at) == ({"old": 1, "new": 2}, None)
    assert memory.list_sessions() == [updated]
    assert memory.list_messages("a") == []


def test_concurrent_updates_of_a_session_keep_every_key(memory: Caller) -> None:
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


def test_a_deleted_session_is_hidden_everywhere(memory: Caller) -> None:
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


def test_a_deleted_session_stays_in_the_tables_with_one_moment_of_deletion(memory: Caller) -> None:
    before = _conversation(memory)

    memory.delete_session("a")

    (session,) = memory.tables.rows("sessions")
    deleted_at = session["deleted_at"]
    assert deleted_at > before.updated_at
    assert session["updated_at"] == before.updated_at
    listed = before.model_copy(update={"deleted_at": deleted_at, "revision": before.revision + 1})
    assert [row["deleted_at"] for row in memory.tables.rows("messages")] == [deleted_at, deleted_at]
    assert [row["deleted_at"] for row in memory.tables.rows("summaries")] == [deleted_at]
    assert memory.list_sessions(deleted=True) == [listed]


def test_an_unknown_or_deleted_session_cannot_be_deleted(memory: Caller) -> None:
    _conversation(memory)
    memory.delete_session("a")
    before = memory.tables.rows("sessions")

    for session_id in ("a", "unknown"):
        with pytest.raises(SessionNotFound):
            memory.delete_session(session_id)

    assert memory.tables.rows("sessions") == before


def test_a_write_brings_a_deleted_session_back_without_its_old_messages(memory: Caller) -> None:
    before = _conversation(memory)
    memory.delete_session("a")

    memory.add_memory("a", said("three"))

    after = memory.get_session("a")
    assert after.updated_at > before.updated_at
    moved = ("updated_at", "last_active_at", "revision")
    assert after.model_copy(update={name: getattr(before, name) for name in moved}) == before
    assert texts(memory.list_messages("a")) == ["three"]
    assert memory.get_memory("a").summary is None
    assert [row["deleted_at"] is not None for row in memory.tables.rows("messages")] == [True, True, False]
    assert [row["deleted_at"] is not None for row in memory.tables.rows("summaries")] == [True]


def test_restore_brings_back_what_the_deletion_took(memory: Caller) -> None:
    before = _conversation(memory)
    remembered = memory.get_memory("a", lastn=10)
    memory.delete_session("a")

    restored = memory.restore_session("a")

    assert restored == before.model_copy(update={"revision": before.revision + 2}) == memory.get_session("a")
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


def test_restore_brings_back_what_a_stray_write_has_left_deleted(memory: Caller) -> None:
    """In its places, with the summary; a message that was deleted before that stays deleted."""
    _conversation(memory)
    (gone,) = memory.add_memory("a", said("gone"))
    memory.delete_messages("a", [gone.uuid])
    summary = memory.get_memory("a").summary
    memory.delete_session("a")
    memory.add_memory("a", said("stray"))

    left = texts(memory.list_messages("a", deleted=True))
    memory.restore_session("a")

    assert left == ["one", "two", "gone"]
    assert texts(memory.list_messages("a")) == ["one", "two", "stray"]
    assert texts(memory.list_messages("a", deleted=True)) == ["gone"]
    assert memory.get_memory("a").summary == summary is not None


def test_what_is_deleted_is_listed_until_a_purge(memory: Caller) -> None:
    _, two, _ = memory.add_memory("a", said("one", "two", "three"), user_id="alice")
    memory.delete_messages("a", [two.uuid])
    alone = texts(memory.list_messages("a", deleted=True))
    memory.delete_session("a")

    assert alone == ["two"]
    assert texts(memory.list_messages("a", deleted=True)) == ["one", "two", "three"]
    assert texts(memory.list_messages("a", 1, two.seq, deleted=True, user_id="alice")) == ["three"]
    with pytest.raises(SessionOwnedByAnotherUser):
        memory.list_messages("a", deleted=True, user_id="bob")
    memory.purge()
    assert memory.list_messages("a", deleted=True) == []


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


def test_a_session_that_began_with_a_message_is_completed_when_it_is_added(memory: Caller) -> None:
    """The title is not lost to a first message that comes before it; the second to add it is refused."""
    begun = memory.add_memory("a", said("first"))
    before = memory.get_session("a")

    added = memory.add_session(
        Session(session_id="a", user_id="alice", title="Trip", metadata={"x": 1}), create_user=True
    )

    assert (added.uuid, added.id, added.created_at) == (before.uuid, before.id, before.created_at)
    assert (added.title, added.metadata, added.user_id) == ("Trip", {"x": 1}, "alice")
    assert memory.list_messages("a") == begun
    with pytest.raises(SessionExists):
        memory.add_session(Session(session_id="a", title="Other"))


def test_adding_and_the_first_message_at_once_keep_the_title(memory: Caller) -> None:
    for number in range(10):
        session = Session(session_id=f"s{number}", title="Trip", metadata={"x": 1})
        memory.together("add_memory", [{"session_id": session.session_id, "messages": said("first")}] * 2)
        memory.add_session(session)

    assert {(one.title, one.metadata["x"]) for one in memory.list_sessions()} == {("Trip", 1)}


def test_a_session_that_may_exist_is_merged_into(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", title="Old", metadata={"x": 1, "gone": 1}))
    memory.add_memory("a", said("kept"))

    merged = memory.add_session(Session(session_id="a", title="New", metadata={"y": 2, "gone": None}), exist_ok=True)

    assert (merged.title, merged.metadata) == ("New", {"x": 1, "y": 2})
    assert texts(memory.list_messages("a")) == ["kept"]
    memory.delete_session("a")
    assert memory.add_session(Session(session_id="a"), exist_ok=True).deleted_at is None


def test_adding_never_takes_the_session_of_another_user(memory: Caller) -> None:
    memory.add_memory("a", said("private"), user_id="alice")
    before = memory.tables.snapshot()

    for exist_ok in (False, True):
        with pytest.raises(SessionOwnedByAnotherUser):
            memory.add_session(Session(session_id="a", user_id="bob"), exist_ok=exist_ok, create_user=True)

    assert memory.tables.snapshot() == before


def test_a_user_who_is_unknown_is_added_on_request(memory: Caller) -> None:
    assert memory.add_session(Session(session_id="a", user_id="alice"), create_user=True).user_id == "alice"
    assert [user.user_id for user in memory.list_users()] == ["alice"]
    assert memory.add_session(Session(session_id="b", user_id="alice"), create_user=True).user_id == "alice"


def test_a_session_changes_hands_with_everything_in_it(memory: Caller) -> None:
    memory.add_memory("a", said("as a guest"), user_id="guest-1")

    moved = memory.move_session("a", "carol", from_user_id="guest-1")

    assert moved == memory.get_session("a", user_id="carol")
    assert memory.get_user_sessions("guest-1") == []
    assert memory.get_user_sessions("carol") == [moved]
    assert [user.user_id for user in memory.list_users()] == ["guest-1", "carol"]
    assert texts(memory.list_messages("a", user_id="carol")) == ["as a guest"]
    with pytest.raises(SessionOwnedByAnotherUser):
        memory.list_messages("a", user_id="guest-1")


def test_only_a_session_of_the_user_who_is_named_changes_hands(memory: Caller) -> None:
    memory.add_memory("a", said("private"), user_id="alice")
    memory.add_memory("nobodys", said("hello"))

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.move_session("a", "bob", from_user_id="bob-s-guest")

    assert memory.get_session("a").user_id == "alice"
    assert memory.move_session("nobodys", "bob", from_user_id="guest").user_id == "bob"
    with pytest.raises(SessionNotFound):
        memory.move_session("unknown", "bob")


def test_of_two_who_take_over_a_guests_session_one_succeeds(memory: Caller) -> None:
    memory.add_memory("a", said("as a guest"), user_id="guest")
    calls = [{"session_id": "a", "user_id": f"u{number}", "from_user_id": "guest"} for number in range(6)]

    outcomes = memory.together("move_session", calls, SessionOwnedByAnotherUser)

    moved = [outcome for outcome in outcomes if isinstance(outcome, Session)]
    assert len(moved) == 1
    assert memory.get_session("a").user_id == moved[0].user_id


def test_an_update_that_names_a_user_gives_them_the_session(memory: Caller) -> None:
    memory.add_memory("a", said("as a guest"), user_id="guest")

    assert memory.update_session(Session(session_id="a", user_id="carol"), user_id="guest").user_id == "carol"
    with pytest.raises(SessionOwnedByAnotherUser):
        memory.update_session(Session(session_id="a", user_id="guest"), user_id="guest")


def test_a_memory_is_appended_as_its_messages(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two"))

    memory.add_memory("b", memory.get_memory("a"))
    memory.replace_memory("b", Memory(messages=said("three")))

    assert texts(memory.list_messages("b")) == ["three"]
    assert memory.count_messages(["a", "b"]) == {"a": 2, "b": 1}


def test_zeps_name_for_deleting_a_session_deletes_it(memory: Caller) -> None:
    _conversation(memory)

    memory.delete_memory("a")

    with pytest.raises(SessionNotFound):
        memory.get_session("a")
    assert memory.list_messages("a") == []


def test_every_model_becomes_an_object_of_json_and_back(memory: Caller) -> None:
    _conversation(memory)

    for stored in (memory.get_session("a"), memory.get_user("alice"), memory.get_memory("a", 1)):
        plain = json.loads(json.dumps(stored.to_dict()))
        assert type(stored)(**plain) == stored
