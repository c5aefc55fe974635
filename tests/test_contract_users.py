"""The contract of users: adding, updating, erasing, and whose sessions are whose."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from tests.support.colours import Caller
from tests.support.messages import said, texts
from tests.support.postgres import wait_for_a_lock
from zep_memory_plugin import InvalidInput, Memory, Session, SessionManager, Summary, User, UserExists, UserNotFound

ALICE = User(
    user_id="alice", email="not checked", first_name="Alice", last_name="Ångström", metadata={"plan": {"seats": 2}}
)


def test_a_new_user_is_returned_as_it_is_stored(memory: Caller) -> None:
    before = datetime.now(UTC)

    alice = memory.add_user(ALICE)
    bob = memory.add_user(User(user_id="bob"))

    assert alice == memory.get_user("alice")
    assert before <= alice.created_at == alice.updated_at <= datetime.now(UTC)
    filled = {"uuid": None, "id": None, "created_at": None, "updated_at": None}
    assert alice.model_copy(update=filled) == ALICE
    assert bob.model_copy(update=filled) == User(user_id="bob")
    assert alice.uuid != bob.uuid
    assert alice.id < bob.id


def test_a_user_id_that_is_taken_is_refused(memory: Caller) -> None:
    stored = memory.add_user(ALICE)

    with pytest.raises(UserExists, match="'alice' already exists") as caught:
        memory.add_user(User(user_id="alice", email="other"))

    assert caught.value.user_id == "alice"
    assert memory.list_users() == [stored]


def test_one_of_several_concurrent_users_is_added(memory: Caller) -> None:
    outcomes = memory.together("add_user", [{"user": ALICE}] * 10, allowed=(UserExists,))

    assert [outcome for outcome in outcomes if isinstance(outcome, User)] == memory.list_users()


def test_an_empty_user_id_is_refused(memory: Caller) -> None:
    with pytest.raises(InvalidInput, match="user_id"):
        memory.add_user(User(user_id=""))


def test_an_unknown_user_is_not_found(memory: Caller) -> None:
    for find in (memory.get_user, memory.delete_user, lambda user_id: memory.update_user(User(user_id=user_id))):
        with pytest.raises(UserNotFound, match="'nobody'") as caught:
            find("nobody")
        assert caught.value.user_id == "nobody"

    assert memory.list_users() == []


def test_an_update_of_a_user_overwrites_what_is_given_and_not_empty(memory: Caller) -> None:
    before = memory.add_user(ALICE)

    after = memory.update_user(
        User(user_id="alice", email="alice@example.org", first_name="", metadata={"plan": {"paid": True}})
    )

    assert after == memory.get_user("alice")
    assert (after.email, after.first_name, after.last_name) == ("alice@example.org", "Alice", "Ångström")
    assert after.metadata == {"plan": {"seats": 2, "paid": True}}
    assert (after.uuid, after.id, after.created_at) == (before.uuid, before.id, before.created_at)
    assert after.updated_at > before.updated_at


@pytest.mark.parametrize("metadata", [{}, None])
@pytest.mark.parametrize("stored", [{"a": 1}, None])
def test_an_update_of_a_user_without_metadata_leaves_it(
    memory: Caller, stored: dict | None, metadata: dict | None
) -> None:
    memory.add_user(User(user_id="alice", metadata=stored))

    assert memory.update_user(User(user_id="alice", metadata=metadata)).metadata == stored


def test_concurrent_updates_of_a_user_keep_every_key(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))
    keys = [f"key {number}" for number in range(20)]

    memory.together("update_user", [{"user": User(user_id="alice", metadata={key: key})} for key in keys])

    assert memory.get_user("alice").metadata == {key: key for key in keys}


def test_the_key_system_is_a_key_like_any_other(memory: Caller) -> None:
    memory.add_user(User(user_id="alice", metadata={"system": {"a": 1}}))

    assert memory.update_user(User(user_id="alice", metadata={"system": {"b": 2}})).metadata == {
        "system": {"a": 1, "b": 2}
    }


def test_a_deleted_user_is_gone_with_everything_of_theirs(memory: Caller) -> None:
    before = memory.add_user(ALICE)
    for session_id in ("live", "deleted"):
        memory.add_memory(session_id, said("one", "two"), user_id="alice")
        memory.add_summary(session_id, Summary(content="counted"))
    memory.delete_session("deleted")
    memory.add_session(Session(session_id="empty", user_id="alice"))
    memory.add_memory("bob's", said("kept"), user_id="bob")
    memory.add_summary("bob's", Summary(content="kept"))
    memory.add_memory("nobody's", said("kept"))

    memory.delete_user("alice")

    assert [user.user_id for user in memory.list_users()] == ["bob"]
    assert memory.get_memory("live") == Memory()
    for table, kept in (("sessions", 2), ("messages", 2), ("summaries", 1)):
        assert {row["session_id"] for row in memory.tables.rows(table)} <= {"bob's", "nobody's"}
        assert len(memory.tables.rows(table)) == kept
    with pytest.raises(UserNotFound):
        memory.delete_user("alice")
    assert memory.add_user(ALICE).id > before.id
    assert memory.get_user_sessions("alice") == []
    assert [message.seq for message in memory.add_memory("live", said("a new beginning"))] == [1]


def test_the_live_sessions_of_a_user_are_listed_in_order(memory: Caller) -> None:
    memory.add_user(ALICE)
    hers = [memory.add_session(Session(session_id=f"s{number}", user_id="alice")) for number in range(4)]
    memory.add_session(Session(session_id="nobody's"))
    memory.delete_session("s1")

    assert memory.get_user_sessions("alice") == [hers[0], *hers[2:]]
    assert memory.get_user_sessions("alice", 1) == hers[:1]
    assert memory.get_user_sessions("alice", 2, hers[0].id) == hers[2:]
    assert memory.get_user_sessions("unknown") == []


def test_the_owner_of_a_session_need_not_be_added_first(memory: Caller) -> None:
    memory.add_memory("a", said("one"), user_id="alice")

    alice = memory.get_user("alice")
    assert (alice.email, alice.first_name, alice.last_name, alice.metadata) == (None, None, None, None)
    with pytest.raises(UserExists):
        memory.add_user(ALICE)
    assert memory.update_user(ALICE).first_name == "Alice"
    assert texts(memory.get_memory("a").messages) == ["one"]


def test_a_user_keeps_the_moment_of_creation_they_are_given(memory: Caller) -> None:
    moment = datetime(2023, 5, 8, 13, 56, 7, 123456, tzinfo=UTC)

    memory.add_user(User(user_id="alice", created_at=moment))

    assert memory.get_user("alice").created_at == moment


def test_a_session_that_begins_while_its_user_is_erased_has_a_user(postgres_url: str) -> None:
    """It waits for the end of that, and adds the user once more, so that it can be erased in its turn."""
    with SessionManager(postgres_url) as manager, ThreadPoolExecutor(1) as threads:
        manager.add_user(User(user_id="alice"))
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SELECT FROM zep_users WHERE user_id = 'alice' FOR UPDATE")
            appended = threads.submit(manager.add_memory, "a", said("one"), user_id="alice")
            wait_for_a_lock(postgres_url)
            connection.execute("DELETE FROM zep_users WHERE user_id = 'alice'")

        appended.result(20)
        assert manager.get_user("alice").user_id == "alice"
        manager.delete_user("alice")
        assert manager.list_messages("a") == []
