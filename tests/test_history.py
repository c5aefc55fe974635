"""A session as of an earlier time: what a model was shown then, deleted since or not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import texts
from zep_memory_plugin import InvalidInput, Memory, Message, Session, SessionOwnedByAnotherUser, Summary

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: the statements are SQLAlchemy's."""
    return request.param


def talk(memory: Caller, *said: str, hours: int = 0) -> list[Any]:
    """Append messages, one an hour from START and so many *hours* on."""
    return list(
        memory.add_memory(
            "s",
            [
                Message(
                    role=("user", "assistant")[number % 2], content=text, created_at=START + (hours + number) * HOUR
                )
                for number, text in enumerate(said)
            ],
        )
    )


def test_what_was_deleted_since_is_listed_until_a_purge(memory: Caller) -> None:
    stored = talk(memory, "one", "two", "three", "four")
    memory.delete_messages("s", [stored[1].uuid])

    assert texts(memory.list_messages("s")) == ["one", "three", "four"]
    assert texts(memory.list_messages("s", as_of=3)) == ["one", "two", "three"]
    assert texts(memory.list_messages("s", as_of=START + HOUR)) == ["one", "two"]
    assert texts(memory.list_messages("s", as_of=LATER)) == ["one", "three", "four"]
    memory.purge()
    assert texts(memory.list_messages("s", as_of=3)) == ["one", "three"]


def test_a_session_that_was_deleted_or_cleared_is_as_it_was(memory: Caller) -> None:
    talk(memory, "one", "two")
    memory.clear_memory("s")
    talk(memory, "three", hours=5)
    memory.delete_session("s")

    assert memory.list_messages("s") == []
    assert texts(memory.list_messages("s", as_of=2)) == ["one", "two"]
    assert texts(memory.list_messages("s", 1, 1, as_of=START + 2 * HOUR)) == ["two"]
    memory.purge()
    assert memory.list_messages("s", as_of=2) == []
    assert memory.get_memory("s", as_of=2) == Memory()


def test_the_branch_that_went_on_is_the_one_that_is_shown(memory: Caller) -> None:
    stored = talk(memory, "one", "two", "three")
    memory.rewind_session("s", stored[0].uuid)
    talk(memory, "instead", hours=5)

    assert texts(memory.list_messages("s", as_of=3)) == ["one", "two", "three"]
    assert texts(memory.list_messages("s", as_of=4)) == ["one", "instead"]
    memory.rewind_session("s", stored[0].uuid)
    assert texts(memory.list_messages("s", as_of=LATER)) == ["one"] == texts(memory.list_messages("s"))


def test_a_memory_has_the_summary_of_its_time_and_what_came_after_it(memory: Caller) -> None:
    talk(memory, "one", "two", "three")
    memory.add_summary("s", Summary(content="first", created_at=START + 3 * HOUR), until_uuid=None)
    talk(memory, "four", "five", hours=4)
    memory.add_summary("s", Summary(content="second", created_at=START + 7 * HOUR), until_uuid=None)

    before, between, after = (memory.get_memory("s", as_of=START + hours * HOUR) for hours in (2, 5, 8))

    assert (before.summary, texts(before.messages)) == (None, ["one", "two", "three"])
    assert (between.summary and between.summary.content, texts(between.messages)) == ("first", ["four", "five"])
    assert (after.summary and after.summary.content, texts(after.messages)) == ("second", [])
    assert texts(memory.get_memory("s", 2, as_of=4).messages) == ["three", "four"]
    assert texts(memory.get_memory("s", as_of=3, max_tokens=1).messages) == ["three"]
    assert memory.get_memory("s", as_of=LATER) == memory.get_memory("s")


def test_before_the_first_message_there_is_nothing(memory: Caller) -> None:
    talk(memory, "one")
    memory.add_session(Session(session_id="empty"))

    assert memory.list_messages("s", as_of=0) == memory.list_messages("empty", as_of=5) == []
    assert memory.get_memory("s", as_of=START - HOUR) == memory.get_memory("unknown", as_of=1) == Memory()


def test_the_past_of_a_session_is_no_more_in_reach_than_its_present(memory: Caller) -> None:
    memory.add_memory("s", [Message(role="user", content="secret")], user_id="alice")

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.list_messages("s", as_of=1, user_id="bob")
    assert memory.manager.as_user("bob").list_messages("s", as_of=1) == []
    assert texts(memory.manager.as_user("alice").get_memory("s", as_of=1).messages) == ["secret"]


def test_what_is_deleted_now_is_not_asked_as_of_then(memory: Caller) -> None:
    with pytest.raises(InvalidInput, match="deleted"):
        memory.list_messages("s", as_of=1, deleted=True)
