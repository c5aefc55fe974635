"""`before_store` of the application sees, changes or refuses messages before any of them is stored."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from uuid import uuid4

import pytest

from tests.support.messages import said
from tests.support.tables import Tables
from zep_memory_plugin import BeforeStore, InvalidInput, Message, SessionManager

NATIVE = '{"text": "my PIN is 1234"}'


def redacted(session_id: str, messages: list[Message]) -> list[Message]:
    return [
        message.model_copy(update={"content": message.content.replace("1234", "****"), "metadata": {"of": session_id}})
        for message in messages
    ]


async def aredacted(session_id: str, messages: list[Message]) -> list[Message]:
    await asyncio.sleep(0)
    return redacted(session_id, messages)


def in_place(session_id: str, messages: list[Message]) -> Iterator[Message]:
    for message in messages:
        message.content = message.content.replace("1234", "****")
        message.metadata = {"of": session_id}
        yield message


Opened = Callable[[BeforeStore], SessionManager]


@pytest.fixture
def opened(database_url: str) -> Iterator[Opened]:
    """Return a function that opens a manager with a `before_store` on a database without rows."""
    managers: list[SessionManager] = []

    def opened(before_store: BeforeStore) -> SessionManager:
        managers.append(SessionManager(database_url, before_store=before_store, token_counter=len))
        return managers[-1]

    yield opened
    for manager in managers:
        manager.close()


@pytest.mark.parametrize("before_store", [redacted, aredacted, in_place], ids=["blocking", "async", "in place"])
def test_what_it_returns_is_stored_and_nothing_of_what_it_took_out(
    opened: Opened, database_url: str, before_store: BeforeStore
) -> None:
    """Neither in the framework's own form of the message, nor in the index."""
    manager = opened(before_store)

    stored = manager.add_memory(
        "a", [Message(role="user", content="my PIN is 1234, said twice: 1234", native=NATIVE, native_format="one's")]
    )
    asyncio.run(manager.aadd_memory("a", said("1234")))

    assert [message.content for message in stored] == ["my PIN is ****, said twice: ****"]
    assert (stored[0].token_count, stored[0].metadata) == (len(stored[0].content), {"of": "a"})
    assert manager.list_messages("a")[0] == stored[0]
    assert manager.search_memory("1234") == []
    with Tables(database_url) as tables:
        assert "1234" not in repr(tables.rows("messages"))


def test_what_it_leaves_as_it_is_keeps_its_own_form_and_its_tokens(opened: Opened) -> None:
    manager = opened(lambda session_id, messages: messages)
    message = Message(role="user", content="my PIN", native=NATIVE, native_format="one's", token_count=7)

    stored = manager.add_memory("a", [message, Message(role="user", content="nul \0 and \ud800")])

    assert (stored[0].native, stored[0].native_format, stored[0].token_count) == (NATIVE, "one's", 7)
    assert stored[1].content == "nul \0 and \ud800"
    assert manager.list_messages("a") == stored


def test_it_may_take_out_the_own_form_alone(opened: Opened) -> None:
    manager = opened(lambda session_id, messages: [m.model_copy(update={"native": None}) for m in messages])

    manager.add_memory("a", [Message(role="user", content="my PIN", native=NATIVE, native_format="one's")])

    assert [(m.content, m.native) for m in manager.list_messages("a")] == [("my PIN", None)]


def test_it_leaves_messages_out_and_adds_some(opened: Opened) -> None:
    notice = Message(role="system", content="one was left out")
    manager = opened(lambda session_id, messages: [notice, *messages[1:]])

    manager.add_memory("a", [*said("first"), *said("second")])

    assert [message.content for message in manager.list_messages("a")] == ["one was left out", "second"]


def test_what_it_raises_refuses_them_all_and_reaches_the_caller(opened: Opened, database_url: str) -> None:
    class Refused(Exception):
        pass

    def refuse(session_id: str, messages: list[Message]) -> list[Message]:
        if any("secret" in message.content for message in messages):
            raise Refused
        return messages

    manager = opened(refuse)
    (kept,) = manager.add_memory("a", said("kept"))
    assert kept.uuid is not None
    with Tables(database_url) as tables:
        before = tables.snapshot()
        with pytest.raises(Refused):
            manager.add_memory("a", [*said("fine"), *said("secret")])
        with pytest.raises(Refused):
            manager.replace_memory("a", said("secret"))
        with pytest.raises(Refused):
            manager.update_message("a", kept.uuid, content="secret")
        with pytest.raises(Refused):
            asyncio.run(manager.aadd_memory("new", said("secret")))
        assert tables.snapshot() == before


@pytest.mark.parametrize("answer", [None, "text", [1], 7], ids=repr)
def test_an_answer_that_is_no_messages_is_refused(opened: Opened, answer: Iterable[Message]) -> None:
    manager = opened(lambda session_id, messages: answer)

    with pytest.raises(InvalidInput, match="before_store"):
        manager.add_memory("a", said("hello"))
    assert manager.list_sessions() == []


def test_two_messages_of_the_same_uuid_are_refused(opened: Opened) -> None:
    manager = opened(lambda session_id, messages: [*messages, *messages])

    with pytest.raises(InvalidInput, match="before_store returned two messages of the same uuid"):
        manager.add_memory("a", said("hello"))
    assert manager.list_sessions() == []


@pytest.mark.parametrize("before_store", [redacted, in_place], ids=["list", "iterator"])
def test_new_content_and_metadata_of_a_message_go_through_it(opened: Opened, before_store: BeforeStore) -> None:
    manager = opened(before_store)
    (stored,) = manager.add_memory("a", said("hello"))
    assert stored.uuid is not None

    changed = manager.update_message("a", stored.uuid, content="it is 1234")

    assert (changed.content, changed.metadata) == ("it is ****", {"of": "a"})


def test_what_replaces_a_memory_goes_through_it(opened: Opened) -> None:
    manager = opened(redacted)

    manager.replace_memory("a", said("it is 1234"))

    assert [message.content for message in manager.list_messages("a")] == ["it is ****"]


def test_an_import_goes_through_it_and_keeps_all_else(opened: Opened) -> None:
    exported = BytesIO()
    with SessionManager("sqlite://") as source:
        source.add_memory("a", [*said("it is 1234"), *said("fine")], user_id="alice")
        source.add_memory("b", said("left out"))
        source.export_memory(exported)
        before = source.list_messages("a")
    exported.seek(0)
    manager = opened(lambda session_id, messages: redacted(session_id, messages) if session_id == "a" else [])

    report = manager.import_memory(exported)

    after = manager.list_messages("a")
    assert [message.content for message in after] == ["it is ****", "fine"]
    assert [(m.uuid, m.seq, m.created_at) for m in after] == [(m.uuid, m.seq, m.created_at) for m in before]
    assert (report.sessions, report.messages, manager.list_messages("b")) == (2, 2, [])


def test_an_import_takes_no_message_that_it_does_not_hold(opened: Opened) -> None:
    exported = BytesIO()
    with SessionManager("sqlite://") as source:
        source.add_memory("a", said("hello"))
        source.export_memory(exported)
    exported.seek(0)
    manager = opened(lambda session_id, messages: [Message(role="user", content="made up", uuid=uuid4())])

    with pytest.raises(InvalidInput, match="before_store"):
        manager.import_memory(exported)


def test_nothing_is_locked_while_it_is_asked(opened: Opened) -> None:
    """It may read and write with the very manager, on the session itself."""
    asked: list[int] = []

    def count(session_id: str, messages: list[Message]) -> list[Message]:
        asked.append(len(manager.list_messages("a")))
        if messages[0].content == "one":
            manager.add_memory("a", said("before it"))
        return messages

    manager = opened(count)
    manager.add_memory("a", said("one"))

    assert asked == [0, 0]
    assert [message.content for message in manager.list_messages("a")] == ["before it", "one"]


def test_a_known_message_is_updated_by_what_it_returns(opened: Opened) -> None:
    manager = opened(redacted)
    (stored,) = manager.add_memory("a", said("hello"))

    (again,) = manager.add_memory("a", [Message(role="user", content="1234", uuid=stored.uuid)])

    assert (again.seq, again.content) == (stored.seq, "****")


def test_a_blocking_one_holds_up_no_event_loop(opened: Opened) -> None:
    threads: list[int] = []

    def note(session_id: str, messages: list[Message]) -> list[Message]:
        threads.append(threading.get_ident())
        return messages

    manager = opened(note)
    asyncio.run(manager.aadd_memory("a", said("hello")))

    assert threads
    assert threads[0] != threading.get_ident()


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidInput, match="before_store"):
        SessionManager("sqlite://", before_store="redact")
