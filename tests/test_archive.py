"""A session's memory is replaced as a whole, its oldest messages are archived once, and positions are of live ones."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from zep_memory_plugin import (
    InvalidInput,
    Message,
    SessionManager,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    Summary,
)


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def said(*texts: str) -> list[Message]:
    return [Message(role="user", content=text) for text in texts]


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def test_replacing_leaves_exactly_the_new_messages_and_no_summary(manager: SessionManager) -> None:
    manager.add_memory("s", said("old 1", "old 2"))
    manager.add_summary("s", Summary(content="olds"))

    stored = manager.replace_memory("s", said("new 1", "new 2", "new 3"))

    assert stored == manager.list_messages("s")
    assert texts(stored) == ["new 1", "new 2", "new 3"]
    assert manager.list_summaries("s") == []


def test_replacing_creates_the_session_with_its_owner(manager: SessionManager) -> None:
    manager.replace_memory("s", said("hello"), user_id="alice")

    assert manager.get_session("s").user_id == "alice"


def test_replacing_moves_known_messages_to_their_new_seqs(manager: SessionManager) -> None:
    """Even one that was deleted: what the caller gives is what the session holds."""
    first, second, third = manager.add_memory("s", said("1", "2", "3"))
    manager.delete_messages("s", [str(third.uuid)])

    manager.replace_memory("s", [third, Message(role="user", content="new"), first])

    found = manager.list_messages("s")
    assert [(message.uuid, message.content) for message in found][::2] == [(third.uuid, "3"), (first.uuid, "1")]
    assert texts(found) == ["3", "new", "1"]
    assert second.uuid not in [message.uuid for message in found]


def test_replacing_by_nothing_clears_a_session_and_creates_none(manager: SessionManager) -> None:
    manager.add_memory("s", said("1"))

    assert manager.replace_memory("s", []) == []
    assert manager.replace_memory("unknown", []) == []

    assert manager.list_messages("s") == []
    assert [session.session_id for session in manager.list_sessions()] == ["s"]


@pytest.mark.parametrize("new", [said("mine"), []], ids=["a message", "nothing"])
def test_replacing_the_memory_of_another_user_changes_nothing(manager: SessionManager, new: list[Message]) -> None:
    manager.add_memory("s", said("1"), user_id="alice")

    with pytest.raises(SessionOwnedByAnotherUser):
        manager.replace_memory("s", new, user_id="bob")

    assert texts(manager.list_messages("s")) == ["1"]


def test_a_bad_message_leaves_the_old_memory(manager: SessionManager) -> None:
    manager.add_memory("s", said("1"))

    with pytest.raises(InvalidInput):
        manager.replace_memory("s", [*said("a"), Message(role="x" * 65), *said("b")])

    assert texts(manager.list_messages("s")) == ["1"]


def test_concurrent_replacements_leave_one_of_them_whole(manager: SessionManager) -> None:
    batches = [said(*(f"{number}.{index}" for index in range(5))) for number in range(8)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda batch: manager.replace_memory("s", batch), batches))

    assert texts(manager.list_messages("s")) in [texts(batch) for batch in batches]


def test_the_oldest_active_messages_are_archived_in_order(manager: SessionManager) -> None:
    manager.add_memory("s", said("1", "2", "3", "4"))

    first, then = manager.archive_messages("s", 2), manager.archive_messages("s", 1)

    assert (texts(first), texts(then)) == (["1", "2"], ["3"])
    assert texts(manager.slice_messages("s", status="archived")) == ["1", "2", "3"]
    assert texts(manager.slice_messages("s", status="active")) == ["4"]
    assert texts(manager.list_messages("s")) == ["1", "2", "3", "4"]
    assert manager.count_messages(["s", "t"], status="active") == {"s": 1, "t": 0}
    assert manager.count_messages(["s"], status="archived") == {"s": 3}
    assert manager.count_messages(["s"]) == {"s": 4}


def test_callers_who_archive_until_the_same_message_do_it_once(manager: SessionManager) -> None:
    stored = manager.add_memory("s", said("1", "2", "3", "4"))

    with ThreadPoolExecutor(4) as threads:
        archived = list(threads.map(lambda _: manager.archive_messages("s", until_seq=stored[1].seq), range(4)))

    assert sorted(len(part) for part in archived) == [0, 0, 0, 2]
    assert texts(manager.slice_messages("s", status="active")) == ["3", "4"]


def test_new_messages_can_be_archived_from_the_start(manager: SessionManager) -> None:
    manager.add_memory("s", said("1"))
    manager.add_memory("s", said("2"), status="archived")

    assert texts(manager.slice_messages("s", status="archived")) == ["2"]

    manager.replace_memory("s", said("3"), status="archived")

    assert manager.slice_messages("s", status="active") == []
    assert texts(manager.slice_messages("s", status="archived")) == ["3"]


def test_a_fork_and_a_restored_session_keep_what_is_archived(manager: SessionManager) -> None:
    manager.add_memory("s", said("1", "2"))
    manager.archive_messages("s", 1)

    manager.fork_session("s", "fork")
    manager.delete_session("s")
    manager.restore_session("s")

    assert texts(manager.slice_messages("fork", status="archived")) == ["1"]
    assert texts(manager.slice_messages("s", status="archived")) == ["1"]


SLICES = [(None, None), (0, 2), (1, None), (2, 2), (3, 1), (9, None), (-2, None), (None, -2), (-4, -2), (-9, -1)]


@pytest.mark.parametrize(("start", "stop"), SLICES)
def test_a_slice_of_a_session_is_that_slice_of_its_list(
    manager: SessionManager, start: int | None, stop: int | None
) -> None:
    every = ["1", "2", "3", "4", "5"]
    manager.add_memory("s", said(*every))

    assert texts(manager.slice_messages("s", start, stop)) == every[start:stop]

    deleted = texts(manager.delete_slice("s", start, stop))
    assert deleted == every[start:stop]
    assert texts(manager.list_messages("s")) == [text for text in every if text not in deleted]


def test_a_slice_counts_from_one_end(manager: SessionManager) -> None:
    with pytest.raises(InvalidInput, match="both from"):
        manager.slice_messages("s", 1, -1)


def test_concurrent_deletions_by_position_take_turns(manager: SessionManager) -> None:
    manager.add_memory("s", said(*(str(number) for number in range(10))))

    with ThreadPoolExecutor(4) as threads:
        deleted = list(threads.map(lambda _: manager.delete_slice("s", 0, 1), range(4)))

    assert sorted(text for part in deleted for text in texts(part)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("status", ["ACTIVE", "", 1])
def test_an_unknown_status_is_refused(manager: SessionManager, status: str) -> None:
    for call in (
        lambda: manager.slice_messages("s", status=status),
        lambda: manager.count_messages(["s"], status=status),
        lambda: manager.add_memory("s", said("1"), status=status),
    ):
        with pytest.raises(InvalidInput, match="status"):
            call()


def test_an_unknown_session_has_nothing_to_archive_or_delete(manager: SessionManager) -> None:
    assert manager.slice_messages("unknown", -1) == []
    for call in (manager.archive_messages, manager.delete_slice):
        with pytest.raises(SessionNotFound):
            call("unknown")


def test_the_async_twins_do_the_same(database_url: str) -> None:
    async def run() -> None:
        async with SessionManager(database_url) as manager:
            await manager.areplace_memory("s", said("1", "2", "3"))
            assert texts(await manager.aarchive_messages("s", 1)) == ["1"]
            assert texts(await manager.aslice_messages("s", -1, status="active")) == ["3"]
            assert texts(await manager.adelete_slice("s", 0, 1)) == ["1"]
            assert await manager.acount_messages(["s"], status="active") == {"s": 2}

    asyncio.run(run())
