"""Values of the wrong kind, and managers that are closed, whatever is called."""

import io
from datetime import datetime, timedelta

import pytest

from tests.conftest import OpenMemory, Refuses
from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import FIXED, said
from zep_memory_plugin import DatabaseUnavailable, InvalidInput, Message, Session, SessionManager, ToolCall, User


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: every driver is asked after the same checks."""
    return request.param


NO_MESSAGES = [None, 5, "text", b"bytes", ["text"], [None], [{"role": "user", "content": "x"}], said("x")[0]]


@pytest.mark.parametrize("messages", NO_MESSAGES, ids=lambda value: type(value).__name__)
def test_what_are_no_messages_is_refused(memory: Caller, refuses: Refuses, messages: object) -> None:
    refuses("message", lambda: memory.add_memory("a", messages))


def test_what_is_no_model_is_refused(memory: Caller, refuses: Refuses) -> None:
    session, user = Session(session_id="new"), User(user_id="new")
    for bad in (None, "a", {"session_id": "a"}, user):
        refuses("session", lambda bad=bad: memory.add_session(bad))
        refuses("session", lambda bad=bad: memory.update_session(bad))
    for bad in (None, "a", {"user_id": "a"}, session):
        refuses("user", lambda bad=bad: memory.add_user(bad))
        refuses("user", lambda bad=bad: memory.update_user(bad))
    for bad in (None, "text", {"content": "text"}, user):
        refuses("summary", lambda bad=bad: memory.add_summary("a", bad))


@pytest.mark.parametrize("bad", [None, 5, "abc", b"abc"], ids=repr)
def test_a_text_is_not_taken_for_several_ids(memory: Caller, refuses: Refuses, bad: object) -> None:
    refuses("session_ids", lambda: memory.count_messages(bad))
    refuses("uuids", lambda: memory.delete_messages("a", bad))


def test_a_model_knows_its_fields(refuses: Refuses) -> None:
    refuses("contents", lambda: Message(role="user", contents="x"))
    refuses("session_id", lambda: Session())
    refuses("uuid", lambda: Message(role="user", uuid="not a uuid"))
    refuses("tool_calls", lambda: Message(role="ai", tool_calls=[5]))
    refuses("name", lambda: ToolCall(name=5))


def test_a_model_checks_what_is_assigned_to_it(refuses: Refuses) -> None:
    (message,) = said("one")
    session = Session(session_id="a")

    refuses("content", lambda: setattr(message, "content", b"two"))
    refuses("created_at", lambda: setattr(message, "created_at", datetime(2024, 1, 1)))
    refuses("session_id", lambda: setattr(session, "session_id", 5))
    message.content, message.uuid = "two", str(FIXED)

    assert (message.content, message.uuid) == ("two", FIXED)
    assert (session.session_id, message.created_at) == ("a", None)


def test_a_manager_can_be_closed_twice_and_not_used_after(open_memory: OpenMemory) -> None:
    memory = open_memory()
    memory.add_memory("a", said("one"))

    memory.manager.close()
    memory.manager.close()

    with pytest.raises(DatabaseUnavailable, match="closed"):
        memory.list_messages("a")


class Model:
    """Has what models of LangChain and LlamaIndex have; the class itself is none."""

    invoke = ainvoke = embed_documents = aembed_documents = embed_query = aembed_query = lambda self, given: given


async def counted_later(text: str) -> int:
    return len(text)


OPTIONS = "message_window durability database summarizer titler embedder token_counter before_store"


@pytest.mark.parametrize("bad", [5, "print", [], counted_later], ids=lambda value: type(value).__name__)
def test_what_cannot_be_told_of_progress_is_refused_before_anything_is_done(
    memory: Caller, refuses: Refuses, bad: object
) -> None:
    target = io.BytesIO()

    refuses("progress", lambda: memory.export_memory(target, progress=bad))
    refuses("progress", lambda: memory.import_memory(io.BytesIO(b"{}"), progress=bad))
    refuses("progress", lambda: memory.rebuild_search(bad))
    refuses("progress", lambda: memory.purge(progress=bad))
    refuses("progress", lambda: memory.purge_every(timedelta(hours=1), progress=bad))
    refuses("progress", lambda: memory.retain_every(timedelta(hours=1), [], progress=bad))
    refuses("watcher", lambda: memory.manager.watch(bad))
    assert target.getvalue() == b""


@pytest.mark.parametrize("option", OPTIONS.split())
def test_options_of_a_manager_are_checked(option: str) -> None:
    bad = {
        "message_window": [0, -1, True, 1.5, "5", None],
        "durability": ["", "FULL", None, 1],
        "database": [None, 5],
        "summarizer": [5, "gpt", Model, []],
        "titler": [5, "gpt", Model, []],
        "embedder": [5, "dynamic", Model, []],
        "token_counter": [5, [], counted_later],
        "before_store": [5, "redact", Model],
    }

    for value in bad[option]:
        with pytest.raises(InvalidInput, match=option):
            SessionManager(**{option: value})
