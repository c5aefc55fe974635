"""`follow`: the messages of a session as they are stored."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from tests.support.colours import Caller
from tests.support.messages import said, texts
from tests.support.statements import statements
from zep_memory_plugin import InvalidInput, Message, SessionManager, SessionOwnedByAnotherUser

SOON = timedelta(milliseconds=5)
WRITERS = 4
EACH = 25
PATIENCE = 90


def following(memory: Caller, after_seq: int | None = 0, **given: Any) -> Iterator[Message]:
    """Follow the session "a" without much waiting."""
    return iter(memory.follow("a", after_seq, interval=SOON, **given))


def seqs(messages: list[Message]) -> list[int | None]:
    return [message.seq for message in messages]


def test_what_many_write_comes_in_order_each_once(memory: Caller) -> None:
    def write() -> None:
        for _ in range(EACH):
            memory.manager.add_memory("a", said("a question", "an answer"))

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    come = list(islice(following(memory), 2 * EACH * WRITERS))
    for writer in writers:
        writer.join(PATIENCE)

    assert seqs(come) == list(range(1, 2 * EACH * WRITERS + 1))
    assert come == memory.list_messages("a")


def test_it_begins_with_what_is_said_next(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two"))
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.01):
            memory.manager.add_memory("a", said("next"))

    writer = threading.Thread(target=write)
    writer.start()
    first, second = islice(following(memory, None), 2)
    enough.set()
    writer.join(PATIENCE)

    assert (first.content, second.content) == ("next", "next")
    assert second.seq == (first.seq or 0) + 1


def test_whoever_was_interrupted_goes_on_after_the_last_one(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two", "three", "four"))
    come = list(islice(following(memory), 2))

    assert texts(list(islice(following(memory, come[-1].seq), 2))) == ["three", "four"]


def test_what_is_gone_does_not_come_and_another_branch_does(memory: Caller) -> None:
    one, two, _ = memory.add_memory("a", said("one", "two", "three"))
    memory.delete_messages("a", [one.uuid])
    come = following(memory)

    assert texts(list(islice(come, 2))) == ["two", "three"]
    memory.rewind_session("a", two.uuid)
    memory.add_memory("a", said("three again"))
    assert next(come).content == "three again"


def test_a_session_may_begin_later(memory: Caller) -> None:
    come = following(memory)
    writer = threading.Timer(0.05, memory.manager.add_memory, ["a", said("one")])
    writer.start()

    assert next(come).content == "one"
    writer.join(PATIENCE)


def test_a_session_that_becomes_another_users_is_not_shown_any_more(memory: Caller) -> None:
    memory.add_memory("a", said("one"), user_id="alice")
    come = following(memory, user_id="alice")

    assert next(come).content == "one"
    memory.move_session("a", "bob")
    memory.add_memory("a", said("a secret"))
    with pytest.raises(SessionOwnedByAnotherUser):
        next(come)


def test_it_ends_when_the_manager_is_closed(sqlite_url: str) -> None:
    manager = SessionManager(sqlite_url)
    manager.add_memory("a", said("one"))
    come: list[Message] = []
    has_come = threading.Event()

    def follow() -> None:
        for message in manager.follow("a", 0, interval=timedelta(days=1)):
            come.append(message)
            has_come.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert has_come.wait(PATIENCE)
    manager.close()
    follower.join(PATIENCE)

    assert not follower.is_alive()
    assert texts(come) == ["one"]


def test_a_look_is_one_statement(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two"))
    come = following(memory)
    next(come)
    memory.add_memory("a", said("three"))

    with statements() as sent:
        assert texts(list(islice(come, 2))) == ["two", "three"]

    assert len([text for text in sent if "SELECT" in text]) == 1


BAD = {
    "a negative seq": {"after_seq": -1},
    "text for a seq": {"after_seq": "1"},
    "no interval": {"interval": timedelta(0)},
    "a number of seconds": {"interval": 1},
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_a_bad_input_is_refused(given: dict[str, Any], sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(InvalidInput, match=next(iter(given))):
        next(manager.follow("a", **given))
