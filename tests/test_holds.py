"""What is held is there until it is released, whoever deletes, erases or purges."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.messages import said, texts
from zep_memory_plugin import Held, SessionNotFound, UserNotFound


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return every driver in turn."""
    return request.param


@pytest.fixture
def talked(memory: Caller) -> Caller:
    """A manager with a session of Alice's, one of Bob's and one of nobody."""
    memory.add_memory("a", [*said("one"), *said("two")], user_id="alice")
    memory.add_memory("b", said("bob's"), user_id="bob")
    memory.add_memory("n", said("nobody's"))
    return memory


def test_a_held_session_is_neither_deleted_nor_erased(talked: Caller) -> None:
    talked.hold_session("a")
    before = talked.tables.snapshot()

    for refused in (lambda: talked.delete_session("a"), lambda: talked.delete_user("alice")):
        with pytest.raises(Held, match="is held"):
            refused()

    assert talked.tables.snapshot() == before
    talked.delete_user("bob")


def test_all_sessions_of_a_held_user_are_held_the_next_ones_too(talked: Caller) -> None:
    talked.hold_user("alice")
    talked.add_memory("later", said("hello"), user_id="alice")

    for session_id in ("a", "later"):
        with pytest.raises(Held):
            talked.delete_session(session_id)
    with pytest.raises(Held):
        talked.delete_user("alice")
    talked.delete_session("b")
    talked.delete_session("n")


def test_no_session_leaves_a_held_user_before_they_are_released(talked: Caller) -> None:
    talked.hold_session("b")
    talked.hold_user("alice")

    with pytest.raises(Held):
        talked.move_session("a", "bob")
    assert talked.move_session("b", "carol").user_id == "carol"
    with pytest.raises(Held):
        talked.delete_session("b")
    talked.release_user("alice")
    assert talked.move_session("a", "bob").user_id == "bob"


HELD_BY: dict[str, Callable[[Caller], object]] = {
    "the session": lambda memory: memory.hold_session("a"),
    "the user": lambda memory: memory.hold_user("alice"),
}


@pytest.mark.parametrize("held_by", HELD_BY)
def test_a_purge_goes_past_what_is_held_and_takes_it_once_it_is_released(talked: Caller, held_by: str) -> None:
    for session_id in ("a", "b", "n"):
        talked.delete_session(session_id)
    HELD_BY[held_by](talked)

    assert talked.purge(dry_run=True).sessions == 2
    assert talked.purge(batch_size=1).sessions == 2
    assert texts(talked.list_messages(talked.restore_session("a").session_id)) == ["one", "two"]

    talked.release_session("a")
    talked.release_user("alice")
    talked.delete_session("a")
    assert talked.purge().messages == 2


def test_what_was_deleted_in_a_held_session_stays_as_well(talked: Caller) -> None:
    (first, _) = talked.list_messages("a")
    talked.delete_messages("a", [first.uuid])
    talked.hold_session("a")

    assert talked.purge().messages == 0
    talked.release_session("a")
    assert talked.purge().messages == 1


def test_a_hold_goes_with_a_session_that_gets_another_id(talked: Caller) -> None:
    talked.hold_session("a")
    talked.rename_session("a", "z")

    with pytest.raises(Held):
        talked.delete_session("z")
    assert [hold.session_id for hold in talked.list_holds()] == ["z"]


def test_to_hold_or_release_twice_is_to_do_it_once(talked: Caller) -> None:
    for _ in range(2):
        talked.hold_session("a")
        talked.hold_user("bob")
    first = talked.list_holds()
    assert [(hold.session_id, hold.user_id) for hold in first] == [("a", None), (None, "bob")]
    assert all(hold.held_at.utcoffset() == timedelta(0) for hold in first)

    for _ in range(2):
        talked.release_session("a")
        talked.release_user("bob")
    assert talked.list_holds() == []


def test_only_what_is_there_is_held(talked: Caller) -> None:
    for call in (talked.hold_session, talked.release_session):
        with pytest.raises(SessionNotFound):
            call("none")
    for call in (talked.hold_user, talked.release_user):
        with pytest.raises(UserNotFound):
            call("nobody")


def test_a_session_that_is_written_to_is_no_less_held(talked: Caller) -> None:
    talked.hold_session("a")

    talked.add_memory("a", said("three"))
    talked.clear_memory("a")

    with pytest.raises(Held):
        talked.delete_session("a")
