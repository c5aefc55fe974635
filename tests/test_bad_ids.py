"""Ids that are refused, and strange ones that are not: rows 1 to 24 of the catalogue of bad input."""

import random
from collections.abc import Callable

import pytest

from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.messages import FIXED, said, texts
from tests.support.rows import snapshot
from zep_memory_plugin import (
    InvalidInput,
    MessageNotFound,
    Session,
    SessionExists,
    SessionOwnedByAnotherUser,
    Summary,
    User,
)


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend of every driver."""
    return request.param


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


REFUSED = {
    "row 01: empty": "",
    "row 02: 10,000 equal characters": "a" * 10_000,
    "row 03: 10,000 random characters": "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=10_000)),
    "row 04: 256 characters": "a" * 256,
    "row 06: NUL": "a\0b",
    "row 10: half a surrogate pair": "a\ud800",
    "row 15: newline": "a\nb",
    "row 15: tab": "a\tb",
    "row 15: escape": "a\x1b[0m",
    "row 15: delete": "a\x7f",
    "row 17: a number": 123,
    "row 18: bytes": b"abc",
    "row 19: None": None,
    "row 20: a UUID": FIXED,
}

WITH_SESSION_ID: dict[str, Callable[[Caller, object], object]] = {
    "add_session": lambda memory, bad: memory.add_session(Session(session_id=bad)),
    "get_session": lambda memory, bad: memory.get_session(bad),
    "update_session": lambda memory, bad: memory.update_session(Session(session_id=bad, metadata={"a": 1})),
    "delete_session": lambda memory, bad: memory.delete_session(bad),
    "restore_session": lambda memory, bad: memory.restore_session(bad),
    "count_messages": lambda memory, bad: memory.count_messages(["a", bad]),
    "add_memory": lambda memory, bad: memory.add_memory(bad, said("one")),
    "add_memory, nothing": lambda memory, bad: memory.add_memory(bad, []),
    "get_memory": lambda memory, bad: memory.get_memory(bad),
    "clear_memory": lambda memory, bad: memory.clear_memory(bad),
    "rewind_session": lambda memory, bad: memory.rewind_session(bad, FIXED),
    "fork_session, from": lambda memory, bad: memory.fork_session(bad, "new"),
    "fork_session, to": lambda memory, bad: memory.fork_session("a", bad),
    "list_messages": lambda memory, bad: memory.list_messages(bad),
    "last_messages": lambda memory, bad: memory.last_messages(bad, 5),
    "last_messages, tokens": lambda memory, bad: memory.last_messages(bad, max_tokens=5, whole_turns=True),
    "get_message": lambda memory, bad: memory.get_message(bad, FIXED),
    "update_message": lambda memory, bad: memory.update_message(bad, FIXED, content="new"),
    "delete_messages": lambda memory, bad: memory.delete_messages(bad, [FIXED]),
    "add_summary": lambda memory, bad: memory.add_summary(bad, Summary(content="short")),
    "list_summaries": lambda memory, bad: memory.list_summaries(bad),
}

WITH_USER_ID: dict[str, Callable[[Caller, object], object]] = {
    "add_user": lambda memory, bad: memory.add_user(User(user_id=bad)),
    "get_user": lambda memory, bad: memory.get_user(bad),
    "update_user": lambda memory, bad: memory.update_user(User(user_id=bad, email="a@b")),
    "delete_user": lambda memory, bad: memory.delete_user(bad),
    "get_user_sessions": lambda memory, bad: memory.get_user_sessions(bad),
}

WITH_OPTIONAL_USER_ID: dict[str, Callable[[Caller, object], object]] = {
    "add_session": lambda memory, bad: memory.add_session(Session(session_id="new", user_id=bad)),
    "add_memory": lambda memory, bad: memory.add_memory("a", said("two"), user_id=bad),
    "list_sessions": lambda memory, bad: memory.list_sessions(user_id=bad),
    "list_all_sessions": lambda memory, bad: list(memory.list_all_sessions(user_id=bad)),
}


def _refused(memory: Caller, calls: dict[str, Callable[[Caller, object], object]], bad: object, field: str) -> None:
    memory.add_memory("a", said("one"))
    before = snapshot(memory.manager)

    for name, call in calls.items():
        with pytest.raises(InvalidInput, match=field) as caught:
            call(memory, bad)
        assert len(str(caught.value)) < 250, name
        assert str(caught.value).isprintable(), name

    assert snapshot(memory.manager) == before


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_a_bad_session_id_is_refused_everywhere(memory: Caller, bad: object) -> None:
    _refused(memory, WITH_SESSION_ID, bad, "session_id")


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_a_bad_user_id_is_refused_everywhere(memory: Caller, bad: object) -> None:
    _refused(memory, WITH_USER_ID, bad, "user_id")


@pytest.mark.parametrize("bad", [bad for bad in REFUSED.values() if bad is not None], ids=repr)
def test_a_bad_owner_is_refused_everywhere(memory: Caller, bad: object) -> None:
    _refused(memory, WITH_OPTIONAL_USER_ID, bad, "user_id")


ACCEPTED = {
    "row 04: 255 characters": "a" * 255,
    "row 04: 255 characters of four bytes": "🫖" * 255,
    "row 05: emoji with joiners": "👩‍👩‍👧‍👦",
    "row 07: right-to-left override": "a\u202eb",
    "row 08: a path": "../../etc/passwd",
    "row 09: a statement": "'; drop table zep_sessions;--",
    "row 16: a byte order mark": "\ufeffa",
    "white space": " ",
}


@pytest.mark.parametrize("strange", ACCEPTED.values(), ids=ACCEPTED)
def test_a_strange_id_is_the_same_when_read_back(memory: Caller, strange: str) -> None:
    memory.add_memory(strange, said("one"), user_id=strange)

    (session,) = memory.list_sessions()
    assert (session.session_id, session.user_id) == (strange, strange)
    assert memory.get_session(strange) == session
    assert memory.get_user_sessions(strange) == [session]
    assert memory.get_user(strange).user_id == strange
    assert texts(memory.get_memory(strange).messages) == ["one"]
    assert memory.count_messages([strange]) == {strange: 1}


def test_row_07_an_override_is_escaped_in_an_error(memory: Caller) -> None:
    with pytest.raises(LookupError) as caught:
        memory.get_session("a\u202eb")

    assert str(caught.value) == r"no session 'a\u202eb'"


@pytest.mark.parametrize(
    "ids",
    [("abc", "abc "), ("\u00e9", "e\u0301"), ("Abc", "abc"), ("%_%", "a_b"), ("a%2Fb", "a/b")],
    ids=["row 11", "row 12", "row 13", "row 14", "percent encoding"],
)
def test_ids_that_look_alike_are_two_sessions(memory: Caller, ids: tuple[str, str]) -> None:
    for session_id in ids:
        memory.add_memory(session_id, said(session_id), user_id=session_id)

    assert [texts(memory.list_messages(session_id)) for session_id in ids] == [[ids[0]], [ids[1]]]
    assert [len(memory.get_user_sessions(user_id)) for user_id in ids] == [1, 1]


def test_row_21_a_class_of_its_own_becomes_plain_text(memory: Caller) -> None:
    memory.add_memory(Text("a"), said("one"), user_id=Text("alice"))
    returned = memory.add_session(Session(session_id=Text("b"), user_id=Text("alice")))

    assert type(returned.session_id) is type(returned.user_id) is str
    assert texts(memory.list_messages(Text("a"))) == ["one"]
    assert list(memory.count_messages([Text("a")])) == ["a"]
    assert memory.update_message(Text("a"), memory.list_messages("a")[0].uuid, content="two").content == "two"
    memory.delete_messages(Text("a"), [memory.list_messages("a")[0].uuid])
    assert memory.list_messages("a") == []


def test_row_22_the_session_of_another_user_cannot_be_written_to(memory: Caller) -> None:
    memory.add_memory("a", said("hers"), user_id="alice")
    before = snapshot(memory.manager)

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.add_memory("a", said("his"), user_id="bob")

    assert snapshot(memory.manager) == before


def test_row_23_the_id_of_a_deleted_session_is_taken(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.delete_session("a")
    before = snapshot(memory.manager)

    with pytest.raises(SessionExists, match="restore_session"):
        memory.add_session(Session(session_id="a"))

    assert snapshot(memory.manager) == before


def test_row_24_the_id_of_a_purged_session_is_free(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two"))
    memory.delete_session("a")
    memory.purge()

    assert [message.seq for message in memory.add_memory("a", said("three"))] == [1]


BAD_UUIDS = ["", "not a uuid", "6b1e7a52", 5, None, b"\0" * 16, "\0", ["6b1e7a52-9f0c-4d1e-8a55-0d6f7c3b2a10"]]

WITH_UUID: dict[str, Callable[[Caller, object], object]] = {
    "get_message": lambda memory, bad: memory.get_message("a", bad),
    "update_message": lambda memory, bad: memory.update_message("a", bad, content="new"),
    "delete_messages": lambda memory, bad: memory.delete_messages("a", [FIXED, bad]),
    "rewind_session": lambda memory, bad: memory.rewind_session("a", bad),
}

WITH_OPTIONAL_UUID: dict[str, Callable[[Caller, object], object]] = {
    "fork_session": lambda memory, bad: memory.fork_session("a", "b", until_uuid=bad),
    "add_summary": lambda memory, bad: memory.add_summary("a", Summary(content="short"), until_uuid=bad),
}


@pytest.mark.parametrize("bad", BAD_UUIDS, ids=repr)
def test_what_is_no_uuid_is_refused_everywhere(memory: Caller, bad: object) -> None:
    _refused(memory, WITH_UUID if bad is None else WITH_UUID | WITH_OPTIONAL_UUID, bad, "uuid")


@pytest.mark.parametrize("written", [str(FIXED).upper(), f"{{{FIXED}}}", FIXED.hex, f"urn:uuid:{FIXED}"])
def test_a_uuid_may_be_written_in_any_way(memory: Caller, written: str) -> None:
    memory.add_memory("a", [said("one")[0].model_copy(update={"uuid": FIXED})])

    assert memory.get_message("a", written).uuid == FIXED
    with pytest.raises(MessageNotFound):
        memory.get_message("b", written)
