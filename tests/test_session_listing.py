"""Listings by activity: what a chat's side bar shows, a page a statement."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from tests.support.colours import Caller
from tests.support.messages import said
from zep_memory_plugin import InvalidInput, Message, Session, SessionManager

PAST = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def _ids(sessions: list[Session]) -> list[str]:
    return [session.session_id for session in sessions]


def _fill(memory: Caller, count: int = 5) -> None:
    for number in range(count):
        memory.add_memory(f"s{number}", said("first", f"last of {number}"), user_id="alice")


def test_the_session_with_the_newest_message_is_listed_first(memory: Caller) -> None:
    _fill(memory)
    memory.add_memory("s1", said("again"), user_id="alice")
    memory.add_memory("other", said("of nobody"))

    assert _ids(memory.list_sessions(order="active", user_id="alice")) == ["s1", "s4", "s3", "s2", "s0"]
    assert _ids(memory.list_sessions(2, order="active")) == ["other", "s1"]


def test_only_messages_are_activity(memory: Caller) -> None:
    """Neither a new title nor metadata, a deleted message or a summary moves a session to the head."""
    _fill(memory, 2)
    before = memory.get_session("s0")

    memory.update_session(Session(session_id="s0", title="renamed", metadata={"a": 1}))
    memory.delete_messages("s0", [memory.list_messages("s0")[1].uuid])

    after = memory.get_session("s0")
    assert after.last_active_at == before.last_active_at == memory.list_messages("s0")[0].created_at
    assert after.updated_at > before.updated_at
    assert _ids(memory.list_sessions(order="active")) == ["s1", "s0"]


def test_a_session_without_messages_was_active_when_it_was_created(memory: Caller) -> None:
    session = memory.add_session(Session(session_id="a"))

    assert session.last_active_at == session.created_at


def test_an_import_keeps_its_moments(memory: Caller) -> None:
    given = Session(session_id="a", created_at=PAST, updated_at=PAST, last_active_at=PAST + timedelta(hours=1))

    added = memory.add_session(given)
    memory.add_memory("a", [Message(role="user", content="then", created_at=PAST + timedelta(hours=2))])

    assert (added.created_at, added.updated_at, added.last_active_at) == (PAST, PAST, PAST + timedelta(hours=1))
    assert memory.get_session("a").last_active_at == PAST + timedelta(hours=2)


def test_a_message_of_the_future_does_not_hold_its_session_at_the_head(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="x", created_at=datetime(2199, 1, 1, tzinfo=UTC))])
    memory.add_memory("b", said("x"))

    assert _ids(memory.list_sessions(order="active")) == ["b", "a"]


def test_pages_go_on_after_their_cursor_and_meet(memory: Caller) -> None:
    _fill(memory, 7)
    everything = memory.list_sessions(order="active", user_id="alice")

    pages: list[list[Session]] = []
    cursor = None
    while page := memory.list_sessions(3, cursor, order="active", user_id="alice"):
        pages.append(page)
        cursor = page[-1].activity_cursor

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [session for page in pages for session in page] == everything


def test_sessions_of_one_moment_are_listed_once_each(memory: Caller) -> None:
    """Their ids decide between them."""
    for number in range(4):
        memory.add_session(Session(session_id=f"s{number}", created_at=PAST))

    first = memory.list_sessions(2, order="active")
    rest = memory.list_sessions(2, first[-1].activity_cursor, order="active")

    assert _ids(first + rest) == ["s3", "s2", "s1", "s0"]


def test_a_session_that_becomes_active_meanwhile_neither_comes_twice_nor_hides_another(memory: Caller) -> None:
    _fill(memory, 6)
    first = memory.list_sessions(2, order="active")
    memory.add_memory("s4", said("seen already, and active again"))
    memory.add_memory("s1", said("not seen yet, and at the head by now"))

    rest = memory.list_sessions(None, first[-1].activity_cursor, order="active")

    assert _ids(first) == ["s5", "s4"]
    assert _ids(rest) == ["s3", "s2", "s0"]


def test_a_clock_that_is_behind_moves_no_session_back(memory: Caller) -> None:
    """A message with an older moment leaves the activity where it is."""
    _fill(memory, 1)
    before = memory.get_session("s0").last_active_at

    memory.add_memory("s0", [Message(role="user", content="late", created_at=PAST)])

    assert memory.get_session("s0").last_active_at == before


def test_a_listing_counts_messages_and_shows_the_last_one_when_asked(memory: Caller) -> None:
    _fill(memory, 2)
    memory.add_memory("s0", said("x" * 1_000))
    memory.add_memory("s0", [Message(role="assistant", content="")])
    memory.delete_messages("s1", [memory.list_messages("s1")[1].uuid])
    memory.add_session(Session(session_id="empty", user_id="alice"))

    for order in ("added", "active"):
        listed = {session.session_id: session for session in memory.list_sessions(order=order, with_preview=True)}
        shown = {name: (session.message_count, session.preview) for name, session in listed.items()}
        assert shown == {"s0": (4, "x" * 200), "s1": (1, "first"), "empty": (0, None)}
    assert {(session.message_count, session.preview) for session in memory.list_sessions()} == {(None, None)}


def test_deleted_sessions_are_listed_by_activity_with_their_preview(memory: Caller) -> None:
    """It shows what went with the session, not what was deleted before."""
    _fill(memory, 3)
    memory.delete_messages("s0", [memory.list_messages("s0")[1].uuid])
    for name in ("s2", "s0"):
        memory.delete_session(name)

    listed = memory.list_sessions(order="active", deleted=True, with_preview=True, user_id="alice")

    shown = [(session.session_id, session.message_count, session.preview) for session in listed]
    assert shown == [("s2", 2, "last of 2"), ("s0", 1, "first")]


NO_CURSORS = [5, "5", "a-b", "9" * 18 + "-1", "1-" + "9" * 19, "", "1-2-3", "\N{ARABIC-INDIC DIGIT ONE}-1", b"1-1"]


@pytest.mark.parametrize("cursor", NO_CURSORS, ids=repr)
def test_what_is_no_cursor_of_a_listing_by_activity_is_refused(memory: Caller, cursor: Any) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        memory.list_sessions(cursor=cursor, order="active")


def test_no_cursor_lists_from_the_beginning(memory: Caller) -> None:
    _fill(memory, 2)
    memory.add_session(Session(session_id="owned", user_id="alice"))

    assert memory.list_sessions(cursor=None) == memory.list_sessions() == memory.list_sessions(cursor=0)
    assert memory.list_messages("s0", cursor=None) == memory.list_messages("s0")
    assert memory.list_users(cursor=None) == memory.list_users()
    assert memory.get_user_sessions("alice", cursor=None) == memory.get_user_sessions("alice")


def test_the_title_of_a_session_is_set_changed_kept_and_taken_away(memory: Caller) -> None:
    assert memory.add_session(Session(session_id="a", title="Tea \0 time")).title == "Tea   time"
    assert memory.update_session(Session(session_id="a", metadata={"x": 1})).title == "Tea   time"
    assert memory.update_session(Session(session_id="a", title="Coffee")).title == "Coffee"
    assert memory.fork_session("a", "b").title == "Coffee"
    assert memory.update_session(Session(session_id="a", title="")).title is None
    with pytest.raises(InvalidInput, match="title"):
        memory.update_session(Session(session_id="a", title="x" * 1_025))


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("user_id", [None, "alice"])
def test_a_page_by_activity_is_one_statement_with_everything(database_url: str, user_id: str, deleted: bool) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    sent: list[str] = []
    with SessionManager(engine) as manager:
        manager.list_sessions()
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))

        manager.list_sessions(20, order="active", user_id=user_id, deleted=deleted, with_preview=True)

    engine.dispose()
    assert [statement.split()[0] for statement in sent] == ["SELECT"]
