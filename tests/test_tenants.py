"""A manager of one user: what is not theirs is as if it were not there, in every method, the next one too."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import said
from tests.support.signatures import METHODS, call, fill, parameters_of
from tests.support.statements import statements
from zep_memory_plugin import (
    InvalidInput,
    Message,
    NotForOneUser,
    Session,
    SessionExists,
    SessionManager,
    SessionNotFound,
    User,
    ZepMemoryError,
)

OF_ALL_USERS = {
    "apply_ledger",
    "export_ledger",
    "hold_session",
    "hold_user",
    "import_memory",
    "list_all_users",
    "list_holds",
    "list_users",
    "move_session",
    "purge",
    "rebuild_search",
    "release_session",
    "release_user",
    "retain",
    "stats",
    "verify_erased",
}
"""The methods that a manager of one user refuses."""

STORING = {"add_memory", "add_session", "replace_memory"}
"""The methods that make the session that they name, where there is none."""

NAMING = [m for m in METHODS if "session_id" in parameters_of(m) and m not in STORING | OF_ALL_USERS]
"""The methods that need a session that is there, or read what is in one."""

WHOSE: dict[str, Callable[[Caller], object]] = {
    "another user's": lambda memory: memory.add_memory("bobs", said("secret"), user_id="bob"),
    "another user's, deleted": lambda memory: (
        memory.add_memory("bobs", said("secret"), user_id="bob"),
        memory.delete_session("bobs"),
    ),
    "nobody's": lambda memory: memory.add_memory("bobs", said("secret")),
}


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: the condition on the owner is in the statements of both."""
    return request.param


@pytest.fixture
def alice(memory: Caller) -> Iterator[Caller]:
    """Return the manager of Alice, who has the session "a" and one that is deleted; another one is somebody's."""
    fill(memory)
    view = type(memory)(memory.manager.as_user("alice"), memory.tables)
    yield view
    view.close()


def outcome(memory: Caller, method: str, session_id: str) -> tuple[str, list[str]]:
    """Return what a call comes to, without the session's name, and the statements that it sends."""
    with statements() as sent:
        try:
            came = repr(call(memory, method, session_id=session_id))
        except ZepMemoryError as error:
            came = f"{type(error).__name__}: {error}"
    return came.replace(session_id, "SESSION"), sent


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("method", NAMING)
def test_a_session_that_is_not_theirs_is_as_if_it_were_not_there(
    memory: Caller, alice: Caller, method: str, whose: str
) -> None:
    """What is returned, what is raised and what is sent are the same, and nothing is changed."""
    WHOSE[whose](memory)
    outcome(alice, method, "none")
    before = memory.tables.snapshot()

    assert outcome(alice, method, "bobs") == outcome(alice, method, "none")
    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("method", sorted(STORING))
def test_a_session_that_is_not_theirs_is_not_written_to(memory: Caller, alice: Caller, method: str, whose: str) -> None:
    WHOSE[whose](memory)
    before = memory.tables.snapshot()
    named: dict[str, Any] = {"session_id": "bobs"}
    if method == "add_session":
        named = {"session": Session(session_id="bobs", user_id="alice")}

    with pytest.raises((SessionNotFound, SessionExists)):
        call(alice, method, **named)

    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("method", [m for m in METHODS if m not in OF_ALL_USERS | {"add_user", "close"}])
def test_the_user_can_do_all_with_what_is_theirs_and_touches_nothing_else(
    memory: Caller, alice: Caller, method: str
) -> None:
    memory.add_memory("bobs", said("secret, kept"), user_id="bob")
    memory.add_memory("nobodys", said("secret, kept"))
    others = [row for row in memory.tables.rows("messages") if row["session_id"] in ("bobs", "nobodys")]

    returned = call(alice, method)

    assert "secret" not in repr(returned)
    assert "bob" not in repr(returned)
    assert [row for row in memory.tables.rows("messages") if row["session_id"] in ("bobs", "nobodys")] == others


@pytest.mark.parametrize("method", sorted(OF_ALL_USERS))
def test_what_concerns_all_users_is_refused(alice: Caller, method: str) -> None:
    before = alice.tables.snapshot()

    with pytest.raises(NotForOneUser, match=method):
        call(alice, method)

    assert alice.tables.snapshot() == before


@pytest.mark.parametrize("method", [m for m in METHODS if "user_id" in parameters_of(m) and m not in OF_ALL_USERS])
def test_another_user_cannot_be_named(memory: Caller, alice: Caller, method: str) -> None:
    memory.add_user(User(user_id="bob"))
    before = memory.tables.snapshot()

    with pytest.raises(InvalidInput, match="user_id is not the user that the manager is for"):
        call(alice, method, user_id="bob")

    assert memory.tables.snapshot() == before


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("add_session", {"session": Session(session_id="new", user_id="bob")}),
        ("update_session", {"session": Session(session_id="a", user_id="bob")}),
        ("add_user", {"user": User(user_id="bob")}),
        ("update_user", {"user": User(user_id="bob")}),
    ],
)
def test_a_session_or_a_user_of_others_cannot_be_given(alice: Caller, method: str, named: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="user_id"):
        call(alice, method, **named)


def test_new_sessions_and_forks_belong_to_the_user(memory: Caller, alice: Caller) -> None:
    alice.add_memory("first", said("hello"))
    alice.add_session(Session(session_id="second"))
    alice.fork_session("a", "third")

    owners = {session.session_id: session.user_id for session in memory.list_sessions()}
    assert owners == dict.fromkeys(("a", "first", "second", "third"), "alice")


OPERATIONS = ("add_memory", "clear_memory", "delete_session", "get_memory", "list_messages", "restore_session")


def came_to(manager: SessionManager, operation: str, session_id: str) -> str:
    """Return what an operation comes to, without what differs between databases."""
    named = {"messages": [Message(role="user", content=f"of {session_id}")]} if operation == "add_memory" else {}
    try:
        returned = getattr(manager, operation)(session_id, **named)
    except SessionNotFound as error:
        return str(error)
    messages = getattr(returned, "messages", returned if isinstance(returned, list) else [])
    return f"{[message.content for message in messages]}"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(OPERATIONS), st.sampled_from(["1", "2"])), max_size=25)
)
def test_two_users_of_one_database_see_what_each_would_see_alone(steps: list[tuple[str, str, str]]) -> None:
    """Whatever the two do in turn, each with sessions of their own, and reading those of the other."""
    with (
        SessionManager("sqlite://") as shared,
        SessionManager("sqlite://") as of_a,
        SessionManager("sqlite://") as of_b,
    ):
        alone = {"a": of_a.as_user("a"), "b": of_b.as_user("b")}
        for user, operation, number in steps:
            own, others = f"{user}{number}", f"{'b' if user == 'a' else 'a'}{number}"
            view = shared.as_user(user)
            assert came_to(view, operation, own) == came_to(alone[user], operation, own)
            if operation != "add_memory":
                assert came_to(view, operation, others) == came_to(alone[user], operation, others)
            seen = [session.session_id for session in view.list_sessions(order="active")]
            assert seen == [session.session_id for session in alone[user].list_sessions(order="active")]


def test_a_manager_of_one_user_shares_the_connections_and_leaves_them_open() -> None:
    manager = SessionManager("sqlite://")
    with manager.as_user("alice") as alice:
        alice.add_memory("a", said("hello"))
    asyncio.run(alice.aclose())

    assert manager.count_messages(["a"]) == {"a": 1}
    assert repr(alice) == "SessionManager('sqlite://').as_user('alice')"
    assert alice.as_user("alice").count_messages(["a"]) == {"a": 1}
    with pytest.raises(InvalidInput):
        alice.as_user("bob")
    with pytest.raises(InvalidInput):
        manager.as_user("")
    manager.close()


def test_a_manager_of_one_user_takes_part_in_a_transaction_of_the_application(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with SessionManager(engine) as manager, engine.begin() as connection:
        alice = manager.as_user("alice")
        with alice.using(connection):
            alice.add_memory("a", said("hello"))
        connection.rollback()
        assert alice.list_sessions() == []
    engine.dispose()


def test_a_method_that_names_no_user_is_refused_until_it_does() -> None:
    """What an application adds to its manager reaches no other user by being forgotten."""

    class Manager(SessionManager):
        def everything(self) -> list[Session]:
            return self.list_sessions()

        def latest(self, *, user_id: str | None = None) -> list[Session]:
            return self.list_sessions(1, user_id=user_id)

    with Manager("sqlite://") as manager:
        manager.add_memory("a", said("hello"), user_id="alice")
        alice = manager.as_user("alice")

        assert [session.session_id for session in alice.latest()] == ["a"]
        with pytest.raises(NotForOneUser, match="everything"):
            alice.everything()
