"""`changes`: what was committed in a session or in all of a user, in order, and none missed."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import said
from tests.support.statements import statements
from tests.test_lost_answers import SESSION, WRITES, fill
from zep_memory_plugin import Change, Changes, InvalidInput, Message, SessionManager, SessionOwnedByAnotherUser

PATIENCE = 90
SOON = timedelta(milliseconds=5)


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour."""
    return request.param


def told(page: Changes) -> list[tuple[int, str, str]]:
    """Return the revision, the kind and the words of each change."""
    return [(change.revision, change.kind, change.message.content) for change in page.changes]


def pages(memory: Caller, limit: int, cursor: int | str | None = None, **whose: str) -> Iterator[Changes]:
    """Yield page after page until there is nothing more."""
    page = memory.changes(limit=limit, cursor=cursor, **whose)
    while page.changes:
        yield page
        page = memory.changes(limit=limit, cursor=page.cursor, **whose)


def every_page(memory: Caller, limit: int, cursor: int | str | None = None, **whose: str) -> list[Change]:
    return [change for page in pages(memory, limit, cursor, **whose) for change in page.changes]


_KEPT_OUT = {"appended_revision", "changed_revision", "terms"}
"""Columns of a message that no reader of one sees."""


def as_stored(memory: Caller) -> dict[str, dict[str, Any]]:
    """Return what is stored of each message, by its session and uuid."""
    rows = memory.tables.rows("messages")
    shown = [{name: value for name, value in row.items() if name not in _KEPT_OUT} for row in rows]
    return {f"{row['session_id']} {row['uuid']}": row for row in shown}


def places(memory: Caller) -> dict[str, str]:
    """Return where each session is, soft-deleted ones too."""
    listed = [*memory.list_sessions(), *memory.list_sessions(deleted=True)]
    return {each.session_id: memory.changes(each.session_id, cursor="now").cursor for each in listed}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_is_told_by_the_messages_that_it_changes_and_by_no_others(memory: Caller, name: str) -> None:
    """A write of tomorrow, too: it has to be among `WRITES`, and whatever it changes of a message has to be told."""
    fill(memory.manager)
    before, where = as_stored(memory), places(memory)
    method, arguments, options = WRITES[name]

    getattr(memory, method)(*arguments, **options)

    after = as_stored(memory)
    renamed = method == "rename_session"
    wanted = set() if renamed else {key for key, row in after.items() if row != before.get(key)}
    come = {each: memory.changes(each, cursor=where.get(each)) for each in places(memory) if not renamed}
    keys = {f"{each} {change.message.uuid}" for each, page in come.items() for change in page.changes}
    assert keys == wanted


def test_a_message_comes_where_it_was_appended_and_where_it_was_changed_last(memory: Caller) -> None:
    one, two, three = memory.add_memory("a", said("one", "two", "three"))
    memory.update_message("a", two.uuid, content="two!")
    memory.update_message("a", two.uuid, content="two?")
    memory.delete_messages("a", [one.uuid])
    memory.add_memory("a", said("four"))

    assert told(memory.changes("a")) == [
        (1, "appended", "two?"),
        (1, "appended", "three"),
        (3, "changed", "two?"),
        (4, "deleted", "one"),
        (5, "appended", "four"),
    ]
    assert told(memory.changes("a", cursor=3)) == [(4, "deleted", "one"), (5, "appended", "four")]
    assert memory.changes("a").changes[1].message == three


def test_what_is_restored_comes_again_and_what_another_branch_took_over_says_so(memory: Caller) -> None:
    one, two = memory.add_memory("a", said("one", "two"))
    memory.rewind_session("a", one.uuid)
    superseded = memory.changes("a", cursor=1)
    memory.switch_branch("a", two.uuid)
    switched = memory.changes("a", cursor=superseded.cursor)
    memory.delete_session("a")
    gone = memory.changes("a", cursor=switched.cursor)
    memory.restore_session("a")

    assert told(superseded) == [(2, "superseded", "two")]
    assert told(switched) == [(3, "changed", "two")]
    assert told(gone) == [(4, "deleted", "one"), (4, "deleted", "two")]
    assert told(memory.changes("a", cursor=gone.cursor)) == [(5, "changed", "one"), (5, "changed", "two")]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_come_to_the_same(memory: Caller, limit: int) -> None:
    """A page ends amid one write, and between two sessions."""
    messages = memory.add_memory("a", said("one", "two", "three", "four"), user_id="alice")
    memory.delete_messages("a", [message.uuid for message in messages[1:3]])
    memory.add_memory("b", said("five", "six"), user_id="alice")
    memory.replace_memory("a", said("seven", "eight"), user_id="alice")

    whole = memory.changes(user_id="alice").changes
    assert len(whole) == 8
    assert every_page(memory, limit, user_id="alice") == whole
    assert every_page(memory, limit, session_id="a") == [change for change in whole if change.session_id == "a"]


def test_the_sessions_of_a_user_come_and_no_others(memory: Caller) -> None:
    memory.add_memory("a", said("one"), user_id="alice")
    memory.add_memory("b", said("secret"), user_id="bob")
    memory.add_memory("c", said("secret"))
    page = memory.changes(user_id="alice")
    memory.add_memory("d", said("two"), user_id="alice")
    memory.move_session("c", "alice")

    later = memory.changes(user_id="alice", cursor=page.cursor)
    assert [change.session_id for change in page.changes] == ["a"]
    assert [(change.session_id, change.message.content) for change in later.changes] == [("c", "secret"), ("d", "two")]


def test_what_many_write_at_once_comes_in_order_and_none_is_missed(memory: Caller) -> None:
    """Sessions begin, grow and lose messages, while somebody reads on from where they were."""
    writers, each = 4, 12
    over = threading.Event()

    def write(number: int) -> None:
        for turn in range(each):
            stored = memory.manager.add_memory(f"session-{turn % 3}", said(f"{number} {turn}", "gone"), user_id="alice")
            memory.manager.delete_messages(f"session-{turn % 3}", [stored[1].uuid])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    threading.Thread(target=lambda: [[thread.join(PATIENCE) for thread in threads], over.set()]).start()
    come: list[Change] = []
    cursor: str | None = None
    last_look = False
    while not last_look:
        last_look = over.is_set()
        for page in pages(memory, 7, cursor, user_id="alice"):
            come += page.changes
            cursor = page.cursor

    appended = [change for change in come if change.kind == "appended" and change.message.content != "gone"]
    assert len({change.message.uuid for change in appended}) == len(appended) == writers * each
    assert len([change for change in come if change.kind == "deleted"]) == writers * each
    for session in {change.session_id for change in come}:
        order = [(change.revision, change.message.seq) for change in come if change.session_id == session]
        assert order == sorted(order)


def test_a_session_that_begins_anew_under_an_id_is_read_from_its_beginning(memory: Caller) -> None:
    for number in range(3):
        memory.add_memory("a", said(str(number)))
    cursor = memory.changes("a").cursor
    memory.delete_session("a")
    memory.purge(older_than=timedelta(0))
    memory.add_memory("a", said("anew"))

    assert told(memory.changes("a", cursor=cursor)) == [(1, "appended", "anew")]


def test_now_is_after_all_that_is_committed(memory: Caller) -> None:
    memory.add_memory("a", said("before"), user_id="alice")
    now = memory.changes(user_id="alice", cursor="now")
    memory.add_memory("b", said("after"), user_id="alice")

    assert now.changes == []
    assert [change.session_id for change in memory.changes(user_id="alice", cursor=now.cursor).changes] == ["b"]


def test_an_import_between_what_is_there_is_told(memory: Caller, tmp_path: Any) -> None:
    file = tmp_path / "talk.jsonl"
    stored = memory.add_memory("a", said("one", "two", "three"))
    memory.export_memory(file)
    memory.delete_messages("a", [stored[1].uuid])
    memory.purge(older_than=timedelta(0))
    memory.add_memory("a", said("four"))
    cursor = memory.changes("a").cursor

    memory.import_memory(file)

    assert [change.message.content for change in memory.changes("a", cursor=cursor).changes] == ["two"]
    assert [message.content for message in memory.list_messages("a")] == ["one", "two", "three", "four"]
    assert every_page(memory, 1, session_id="a") == memory.changes("a").changes


def test_an_import_of_a_whole_session_is_told_in_order(memory: Caller, tmp_path: Any) -> None:
    file = tmp_path / "talk.jsonl"
    memory.add_memory("a", said("one", "two"))
    memory.export_memory(file)
    memory.delete_session("a")
    memory.purge(older_than=timedelta(0))

    memory.import_memory(file)

    assert [(change.kind, change.message.content) for change in memory.changes("a").changes] == [
        ("appended", "one"),
        ("appended", "two"),
    ]


def test_a_look_that_finds_nothing_is_one_statement(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    cursor = memory.changes("a").cursor

    with statements() as sent:
        assert memory.changes("a", cursor=cursor) == Changes(cursor=cursor)

    assert len([text for text in sent if "SELECT" in text]) == 1


def test_the_session_of_another_user_is_refused(memory: Caller) -> None:
    memory.add_memory("a", said("secret"), user_id="bob")

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.changes("a", user_id="alice")


def test_who_follows_sees_edits_and_deletions_as_they_are_committed(memory: Caller) -> None:
    """From now on, or on from where it was."""
    one, two = memory.add_memory("a", said("one", "two"), user_id="alice")
    cursor = memory.changes("a").cursor
    memory.update_message("a", one.uuid, content="one!")
    come = iter(memory.follow_changes("a", cursor, interval=SOON))
    assert told(next(come)) == [(2, "changed", "one!")]
    memory.delete_messages("a", [two.uuid])
    page = next(come)
    assert told(page) == [(3, "deleted", "two")]

    memory.add_memory("b", said("three"), user_id="alice")
    theirs = iter(memory.follow_changes(cursor="0", interval=SOON, user_id="alice"))
    assert [change.message.content for change in next(theirs).changes] == ["one!", "one!", "two", "three"]


def test_who_follows_from_now_on_sees_what_comes_next(memory: Caller) -> None:
    memory.add_memory("a", said("before"))
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.01):
            memory.manager.add_memory("a", said("next"))

    writer = threading.Thread(target=write)
    writer.start()
    page = next(iter(memory.follow_changes("a", interval=SOON)))
    enough.set()
    writer.join(PATIENCE)

    assert {change.message.content for change in page.changes} == {"next"}


def test_following_ends_when_the_manager_is_closed(sqlite_url: str) -> None:
    manager = SessionManager(sqlite_url)
    manager.add_memory("a", said("one"))
    come = manager.follow_changes("a", 0, interval=timedelta(days=1))
    assert told(next(come)) == [(1, "appended", "one")]
    manager.close()

    assert list(come) == []


BAD: dict[str, Callable[[SessionManager], object]] = {
    "nobody": lambda manager: manager.changes(),
    "a revision for a user": lambda manager: manager.changes(user_id="alice", cursor=1),
    "an empty cursor": lambda manager: manager.changes("a", cursor=""),
    "half a cursor": lambda manager: manager.changes("a", cursor="1.1."),
    "other digits": lambda manager: manager.changes("a", cursor="\u0661.\u0661.\u0661"),
    "a number that is too large": lambda manager: manager.changes("a", cursor="1.1.9999999999999999999"),
    "a long text": lambda manager: manager.changes("a", cursor="1.1.1-" * 10_000 + "x"),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_input_is_refused(call: Callable[[SessionManager], object], sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(InvalidInput) as caught:
        call(manager)

    assert len(str(caught.value)) < 300


def test_a_message_that_is_appended_writes_to_no_index_of_changes(memory: Caller) -> None:
    """Only what is changed has an entry there."""
    stored = memory.add_memory(SESSION, [Message(role="user", content="one"), *said("two")])
    memory.update_message(SESSION, stored[0].uuid, content="one!")

    assert [row["changed_revision"] for row in memory.tables.rows("messages")] == [2, None]
