"""The contract of memory: what a write stores, what a read shows, and who owns a session."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.conftest import OpenMemory
from tests.support.colours import Caller
from tests.support.messages import FIXED, numbered, said, texts
from zep_memory_plugin import InvalidInput, Memory, Message, Session, SessionOwnedByAnotherUser, Summary, ToolCall


def test_an_unknown_session_is_created(memory: Caller) -> None:
    memory.add_memory("a", said("one"))

    session = memory.get_session("a")
    assert (session.metadata, session.user_id, session.deleted_at) == (None, None, None)
    assert memory.list_sessions() == [session]


def test_what_is_returned_is_what_is_stored(memory: Caller) -> None:
    before = datetime.now(UTC)
    call = ToolCall(id="call 1", name="weather", args={"city": "Zürich", "days": [1, 2.5, None, True]})
    new = [
        Message(role="human", content="How is the weather?", name="alice", metadata={"z": 1, "a": {"b": []}}),
        Message(role="ai", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id="call 1", token_count=77),
        Message(role="critic", content="…", native_format="other", native='{"x": 1}'),
    ]

    stored = memory.add_memory("a", new)

    assert stored == memory.list_messages("a")
    assert [message.seq for message in stored] == [1, 2, 3, 4]
    assert len({message.uuid for message in stored}) == 4
    assert all(before <= message.created_at <= datetime.now(UTC) for message in stored)
    assert [message.role for message in stored] == ["human", "ai", "tool", "critic"]
    assert [message.role_type for message in stored] == ["user", "assistant", "tool", "other"]
    assert list(stored[0].metadata) == ["z", "a"]
    assert stored[1].tool_calls == [call]
    assert (stored[2].tool_call_id, stored[2].token_count) == ("call 1", 77)
    assert (stored[3].native_format, stored[3].native) == ("other", '{"x": 1}')
    assert new[0].uuid is None


def test_messages_keep_the_order_in_which_they_came(memory: Caller) -> None:
    memory.add_memory("a", said("1", "2", "3"))
    memory.add_memory("a", said("4"))
    memory.add_memory("a", said("5", "6"))

    stored = memory.list_messages("a")

    assert texts(stored) == ["1", "2", "3", "4", "5", "6"]
    assert [message.seq for message in stored] == [1, 2, 3, 4, 5, 6]
    assert len({message.created_at for message in stored[:3]}) == 1


def test_memory_holds_the_newest_twelve(memory: Caller) -> None:
    memory.add_memory("a", numbered(30))

    remembered = memory.get_memory("a")

    assert texts(remembered.messages) == [str(number) for number in range(19, 31)]
    assert remembered.summary is None


def test_the_window_of_memory_can_be_chosen(open_memory: OpenMemory) -> None:
    memory = open_memory(message_window=3)
    memory.add_memory("a", numbered(5))

    assert texts(memory.get_memory("a").messages) == ["3", "4", "5"]


def test_lastn_returns_the_newest_n_and_no_more_than_there_are(memory: Caller) -> None:
    memory.add_memory("a", numbered(30))

    assert texts(memory.get_memory("a", lastn=3).messages) == ["28", "29", "30"]
    assert len(memory.get_memory("a", lastn=40).messages) == 30
    assert memory.get_memory("a", lastn=0) == memory.get_memory("a", None) == memory.get_memory("a")


def test_a_negative_lastn_is_refused(memory: Caller) -> None:
    with pytest.raises(InvalidInput, match="lastn"):
        memory.get_memory("a", -1)


def test_memory_with_a_summary_holds_only_what_comes_after_it(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(6))
    memory.add_summary("a", Summary(content="an older one"), until_uuid=stored[1].uuid)
    latest = memory.add_summary("a", Summary(content="1 to 4"), until_uuid=stored[3].uuid)

    assert memory.get_memory("a") == Memory(messages=stored[4:], summary=latest)
    assert memory.get_memory("a", lastn=5) == Memory(messages=stored[1:], summary=latest)
    assert memory.get_memory("a", lastn=1) == Memory(messages=stored[5:], summary=latest)


def test_the_window_holds_after_a_summary_too(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(20))
    summary = memory.add_summary("a", Summary(content="1 and 2"), until_uuid=stored[1].uuid)

    assert memory.get_memory("a") == Memory(messages=stored[8:], summary=summary)


def test_a_known_uuid_gets_the_new_content_and_keeps_its_seq(memory: Caller) -> None:
    one, two, three = memory.add_memory(
        "a",
        [
            Message(role="user", content="one"),
            Message(role="user", content="two", uuid=FIXED, metadata={"a": 1, "deep": {"b": 2}}),
            Message(role="user", content="three"),
        ],
    )

    (again,) = memory.add_memory(
        "a", [Message(role="ai", content="zwei", uuid=FIXED, metadata={"deep": {"c": 3}}, token_count=5)]
    )

    assert memory.list_messages("a") == [one, again, three]
    assert (again.seq, again.created_at) == (two.seq, two.created_at)
    assert (again.role, again.role_type, again.content, again.token_count) == ("ai", "assistant", "zwei", 5)
    assert again.metadata == {"a": 1, "deep": {"b": 2, "c": 3}}
    assert again.updated_at > two.created_at
    assert two.updated_at is None


def test_a_known_uuid_without_metadata_keeps_what_is_there(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED, metadata={"a": 1})])

    (again,) = memory.add_memory("a", [Message(role="user", content="eins", uuid=FIXED)])

    assert memory.list_messages("a") == [again]
    assert (again.content, again.metadata) == ("eins", {"a": 1})


def test_known_and_new_messages_come_back_in_the_order_in_which_they_were_given(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED)])

    stored = memory.add_memory("a", [*said("two"), Message(role="user", content="eins", uuid=FIXED), *said("three")])

    assert texts(stored) == ["two", "eins", "three"]
    assert texts(memory.list_messages("a")) == ["eins", "two", "three"]


def test_a_message_read_from_a_session_can_be_written_again(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two"))

    again = memory.add_memory("a", stored)

    assert memory.list_messages("a") == again
    assert [message.model_copy(update={"updated_at": None}) for message in again] == stored


def test_a_uuid_of_another_session_is_another_message(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="in a", uuid=FIXED)])
    memory.add_memory("b", [Message(role="user", content="in b", uuid=FIXED)])
    memory.update_message("b", FIXED, content="changed in b")

    assert memory.get_message("a", FIXED).content == "in a"
    assert memory.get_message("b", FIXED).content == "changed in b"


@pytest.mark.parametrize("metadata", [None, {"a": 1}])
def test_the_uuid_of_a_deleted_message_stays_deleted(memory: Caller, metadata: dict | None) -> None:
    one, _ = memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED), *said("two")])
    memory.delete_messages("a", [FIXED])

    stored = memory.add_memory("a", [one.model_copy(update={"metadata": metadata}), *said("three")])

    assert texts(stored) == ["three"]
    assert texts(memory.list_messages("a")) == ["two", "three"]
    assert memory.tables.rows("messages")[0]["content"] == "one"


def test_only_deleted_messages_store_nothing_new(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two"))
    memory.delete_session("a")

    assert memory.add_memory("a", stored) == []
    assert memory.list_messages("a") == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bad_message_keeps_the_whole_batch_out(memory: Caller, position: int) -> None:
    memory.add_memory("a", said("kept"))
    before = memory.tables.snapshot()
    batch = said("one", "two")
    batch.insert(position, Message(role="user", content="bad", metadata={"number": float("nan")}))

    for session_id in ("a", "new"):
        with pytest.raises(InvalidInput, match="metadata"):
            memory.add_memory(session_id, batch)

    assert memory.tables.snapshot() == before


def test_the_memory_of_an_unknown_deleted_or_empty_session_is_empty(memory: Caller) -> None:
    memory.add_session(Session(session_id="empty"))
    memory.add_memory("deleted", said("one"))
    memory.delete_session("deleted")

    for session_id in ("unknown", "deleted", "empty"):
        assert memory.get_memory(session_id) == Memory()
        assert memory.get_memory(session_id, lastn=5) == Memory()
    assert [session.session_id for session in memory.list_sessions()] == ["empty"]


def test_a_moment_that_is_given_is_stored_in_utc(memory: Caller) -> None:
    moment = datetime(2023, 5, 8, 13, 56, 7, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    (stored,) = memory.add_memory("a", [Message(role="user", content="one", created_at=moment)])

    assert stored.created_at == moment
    assert stored.created_at.utcoffset() == timedelta(0)
    assert memory.list_messages("a") == [stored]


def test_moments_that_are_given_do_not_order_messages(memory: Caller) -> None:
    later, earlier = datetime(2024, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)

    memory.add_memory("a", [Message(role="user", content="first", created_at=later)])
    memory.add_memory("a", [Message(role="user", content="second", created_at=earlier)])

    assert texts(memory.list_messages("a")) == ["first", "second"]


@pytest.mark.parametrize("session_id", ["new", "live", "deleted"])
def test_a_write_of_no_messages_does_nothing(memory: Caller, session_id: str) -> None:
    memory.add_memory("live", said("one"))
    memory.add_memory("deleted", said("one"))
    memory.delete_session("deleted")
    before = memory.tables.snapshot()

    assert memory.add_memory(session_id, []) == []
    assert memory.add_memory(session_id, [], user_id="alice") == []

    assert memory.tables.snapshot() == before


def test_a_write_moves_the_update_of_the_session(memory: Caller) -> None:
    before = memory.add_session(Session(session_id="a"))

    (stored,) = memory.add_memory("a", said("one"))
    written = memory.get_session("a")
    memory.get_memory("a")

    assert written.updated_at == stored.created_at > before.updated_at
    assert written.created_at == before.created_at
    assert memory.get_session("a") == written


def test_concurrent_first_writes_are_all_stored(memory: Caller) -> None:
    said_by_all = memory.together(
        "add_memory", [{"session_id": "a", "messages": said(str(number))} for number in range(20)]
    )

    stored = memory.list_messages("a")
    assert sorted(texts(stored), key=int) == [str(number) for number in range(20)]
    assert [message.seq for message in stored] == list(range(1, 21))
    assert sorted((message for (message,) in said_by_all), key=lambda message: message.seq) == stored
    assert len(memory.list_sessions()) == 1


def test_concurrent_batches_stay_whole(memory: Caller) -> None:
    memory.together("add_memory", [{"session_id": "a", "messages": said(*[str(number)] * 5)} for number in range(10)])

    stored = texts(memory.list_messages("a"))
    assert len(stored) == 50
    assert all(len(set(stored[start : start + 5])) == 1 for start in range(0, 50, 5))


def test_messages_may_come_from_a_generator(memory: Caller) -> None:
    def generated() -> Iterator[Message]:
        yield from said("one", "two")

    assert texts(memory.add_memory("a", generated())) == ["one", "two"]


def test_a_write_with_a_user_gives_a_new_session_its_owner(memory: Caller) -> None:
    memory.add_memory("a", said("one"), user_id="alice")

    assert memory.get_session("a").user_id == "alice"
    assert memory.get_user("alice").metadata is None
    assert memory.get_user_sessions("alice") == memory.list_sessions()


def test_a_write_with_a_user_gives_an_unowned_session_its_owner(memory: Caller) -> None:
    memory.add_memory("a", said("one"))

    memory.add_memory("a", said("two"), user_id="alice")
    memory.add_memory("a", said("three"), user_id="alice")
    memory.add_memory("a", said("four"))

    assert memory.get_session("a").user_id == "alice"
    assert [user.user_id for user in memory.list_users()] == ["alice"]
    assert texts(memory.list_messages("a")) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_write_to_the_session_of_another_user_stores_nothing(memory: Caller, deleted: bool) -> None:
    memory.add_memory("a", said("one"), user_id="alice")
    if deleted:
        memory.delete_session("a")
    before = memory.tables.snapshot()

    with pytest.raises(SessionOwnedByAnotherUser, match="'a' does not belong to user 'bob'") as caught:
        memory.add_memory("a", said("two"), user_id="bob")

    assert isinstance(caught.value, PermissionError)
    assert (caught.value.session_id, caught.value.user_id) == ("a", "bob")
    assert "alice" not in str(caught.value)
    assert memory.tables.snapshot() == before


def test_one_of_several_users_gets_a_new_session(memory: Caller) -> None:
    outcomes = memory.together(
        "add_memory",
        [
            {"session_id": "a", "messages": said(user_id), "user_id": user_id}
            for user_id in (f"user {number}" for number in range(10))
        ],
        allowed=(SessionOwnedByAnotherUser,),
    )

    stored = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert stored == [memory.list_messages("a")]
    assert texts(memory.list_messages("a")) == [memory.get_session("a").user_id]
    assert [user.user_id for user in memory.list_users()] == [memory.get_session("a").user_id]
