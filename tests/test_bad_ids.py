"""Ids that are refused, and strange ones that are not."""

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import FIXED, said, texts
from zep_memory_plugin import (
    InvalidInput,
    MessageNotFound,
    Session,
    SessionExists,
    SessionOwnedByAnotherUser,
    User,
)


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: every driver is asked after the same checks."""
    return request.param


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


def test_a_bad_id_is_refused_where_there_is_nothing_to_do(memory: Caller) -> None:
    """`tests/test_signatures.py` has bad ids for every method."""
    for bad in ("", "a\0b", 5):
        with pytest.raises(InvalidInput, match="session_id"):
            memory.add_memory(bad, [])
        with pytest.raises(InvalidInput, match="user_id"):
            memory.add_memory("a", [], user_id=bad)


@pytest.mark.parametrize("bad", [5, b"abc", FIXED, None], ids=repr)
def test_an_id_that_is_no_text_is_refused_by_its_model(bad: object) -> None:
    for make in (lambda: Session(session_id=bad), lambda: User(user_id=bad)):
        with pytest.raises(InvalidInput, match="_id"):
            make()


ACCEPTED = {
    "255 characters": "a" * 255,
    "255 characters of four bytes": "🫖" * 255,
    "emoji with joiners": "👩‍👩‍👧‍👦",
    "right-to-left override": "a\u202eb",
    "a path": "../../etc/passwd",
    "a statement": "'; drop table zep_sessions;--",
    "a byte order mark": "\ufeffa",
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


def test_a_right_to_left_override_is_escaped_in_an_error(memory: Caller) -> None:
    with pytest.raises(LookupError) as caught:
        memory.get_session("a\u202eb")

    assert str(caught.value) == r"no session 'a\u202eb'"


@pytest.mark.parametrize(
    "ids",
    [("abc", "abc "), ("\u00e9", "e\u0301"), ("Abc", "abc"), ("%_%", "a_b"), ("a%2Fb", "a/b")],
    ids=["a trailing blank", "two normal forms", "case", "wildcards", "percent encoding"],
)
def test_ids_that_look_alike_are_two_sessions(memory: Caller, ids: tuple[str, str]) -> None:
    for session_id in ids:
        memory.add_memory(session_id, said(session_id), user_id=session_id)

    assert [texts(memory.list_messages(session_id)) for session_id in ids] == [[ids[0]], [ids[1]]]
    assert [len(memory.get_user_sessions(user_id)) for user_id in ids] == [1, 1]


def test_an_id_of_a_class_of_its_own_becomes_plain_text(memory: Caller) -> None:
    memory.add_memory(Text("a"), said("one"), user_id=Text("alice"))
    returned = memory.add_session(Session(session_id=Text("b"), user_id=Text("alice")))

    assert type(returned.session_id) is type(returned.user_id) is str
    assert texts(memory.list_messages(Text("a"))) == ["one"]
    assert list(memory.count_messages([Text("a")])) == ["a"]
    assert memory.update_message(Text("a"), memory.list_messages("a")[0].uuid, content="two").content == "two"
    memory.delete_messages(Text("a"), [memory.list_messages("a")[0].uuid])
    assert memory.list_messages("a") == []


def test_the_session_of_another_user_cannot_be_written_to(memory: Caller) -> None:
    memory.add_memory("a", said("hers"), user_id="alice")
    before = memory.tables.snapshot()

    with pytest.raises(SessionOwnedByAnotherUser):
        memory.add_memory("a", said("his"), user_id="bob")

    assert memory.tables.snapshot() == before


def test_the_id_of_a_deleted_session_is_taken(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    memory.delete_session("a")
    before = memory.tables.snapshot()

    with pytest.raises(SessionExists, match="restore_session"):
        memory.add_session(Session(session_id="a"))

    assert memory.tables.snapshot() == before


def test_the_id_of_a_purged_session_is_free(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two"))
    memory.delete_session("a")
    memory.purge()

    assert [message.seq for message in memory.add_memory("a", said("three"))] == [1]


@pytest.mark.parametrize("written", [str(FIXED).upper(), f"{{{FIXED}}}", FIXED.hex, f"urn:uuid:{FIXED}"])
def test_a_uuid_may_be_written_in_any_way(memory: Caller, written: str) -> None:
    memory.add_memory("a", [said("one")[0].model_copy(update={"uuid": FIXED})])

    assert memory.get_message("a", written).uuid == FIXED
    with pytest.raises(MessageNotFound):
        memory.get_message("b", written)
