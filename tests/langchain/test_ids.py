"""The ids and the times of messages that are read, and what is done by them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tests.langchain.models import ScriptedModel, texts
from zep_memory_plugin import Message, MessageNotFound, SessionManager, Summary
from zep_memory_plugin.langchain import ZepChatMessageHistory, with_session_memory
from zep_memory_plugin.langchain._messages import to_rows

UUID_TEXT = "3f45afbc-9b10-44be-be31-e0e86c4ac9fa"  # the same in every process that collects tests
IDS = [None, "", "run-1", UUID_TEXT, UUID_TEXT.replace("-", ""), UUID_TEXT.upper(), "\ud800"]
SAID_AT = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def history(manager: SessionManager, session_id: str = "s") -> ZepChatMessageHistory:
    return ZepChatMessageHistory(session_id, manager)


@pytest.mark.parametrize("given", IDS, ids=ascii)
def test_every_method_takes_the_id_of_a_message(given: str | None, manager: SessionManager) -> None:
    history(manager).add_messages([HumanMessage("q", id=given), AIMessage("a"), HumanMessage("more")])
    (found, *_) = history(manager).messages
    stored = manager.list_messages("s")[0]

    assert found.id == (given or str(stored.uuid))
    assert manager.get_message("s", found.id) == stored
    assert manager.update_message("s", found.id, metadata={"liked": True}).metadata == {"liked": True}
    assert manager.add_summary("s", Summary(content="so far"), until_uuid=found.id).seq == 1
    manager.fork_session("s", "fork", until_uuid=found.id)
    assert texts(history(manager, "fork").messages) == ["q"]
    manager.rewind_session("s", found.id)
    assert texts(history(manager).messages) == ["q"]
    manager.delete_messages("s", [found.id])
    assert history(manager).messages == []


def test_what_is_asked_gets_an_id_of_its_own(manager: SessionManager) -> None:
    """What a model is shown has it, too."""
    model = ScriptedModel()
    chat = with_session_memory(model, manager)
    for question in (HumanMessage("q1", id="ui-1"), HumanMessage("q2")):
        chat.invoke(question, {"configurable": {"session_id": "s"}})

    ids = [message.id for message in asyncio.run(history(manager).aget_messages())]

    assert ids[0] == "ui-1"
    assert [manager.get_message("s", str(id_)).seq for id_ in ids] == [1, 2, 3, 4]
    assert [message.id for message in model.shown[-1][:2]] == ids[:2]


def test_an_id_that_no_message_has_is_found_nowhere(manager: SessionManager) -> None:
    history(manager).add_user_message("q")

    with pytest.raises(MessageNotFound, match="run-2"):
        manager.get_message("s", "run-2")


def test_messages_of_other_writers_have_ids_and_times_as_well(manager: SessionManager) -> None:
    (stored,) = manager.add_memory("s", [Message(role="user", content="q", created_at=SAID_AT)])

    (found,) = history(manager).messages

    assert found.id == str(stored.uuid)
    assert found.response_metadata == {"created_at": "2024-05-01T12:30:00+00:00"}


def test_a_copy_into_another_session_keeps_ids_and_times(manager: SessionManager) -> None:
    """And what is stored of it is as short as before."""
    manager.add_memory("s", [Message(role=role, content=role, created_at=SAID_AT) for role in ("user", "assistant")])
    read = history(manager).messages

    history(manager, "copy").add_messages(read)

    assert history(manager, "copy").messages == read
    copied = manager.list_messages("copy")
    assert [(row.created_at, row.native) for row in copied] == [(SAID_AT, None)] * 2


def test_a_conversation_that_was_read_and_is_sent_again_adds_nothing(manager: SessionManager) -> None:
    history(manager).add_messages([HumanMessage("q"), AIMessage("a"), HumanMessage("q"), AIMessage("a")])
    before = manager.list_messages("s")

    history(manager).add_messages([*history(manager).messages, HumanMessage("next")])

    assert manager.list_messages("s")[:-1] == before
    assert texts(history(manager).messages) == ["q", "a", "q", "a", "next"]


@pytest.mark.parametrize("time", ["2024-05-01T12:30:00.123456789Z", "yesterday", 1714566600, None])
def test_the_time_that_a_model_tells_is_kept_as_it_is(time: Any, sqlite_manager: SessionManager) -> None:
    """As Ollama's."""
    answer = AIMessage("a", response_metadata={"created_at": time, "model": "m"})

    history(sqlite_manager).add_messages([answer])

    assert history(sqlite_manager).messages[0].response_metadata == answer.response_metadata


def test_a_time_out_of_bounds_refuses_no_message() -> None:
    (row,) = to_rows([AIMessage("a", response_metadata={"created_at": "0001-01-01T00:00:00+00:00"})])

    assert row.created_at is None


def test_messages_have_metadata_as_zep_took_it(manager: SessionManager) -> None:
    async def talk() -> None:
        await history(manager).aadd_message(AIMessage("three"), {"n": 3})
        await history(manager).aadd_messages([HumanMessage("four")], {"n": 4})

    history(manager).add_user_message("one", metadata={"n": 1})
    history(manager).add_ai_message("two", metadata={"n": 2})
    asyncio.run(talk())

    assert [message.metadata for message in manager.list_messages("s")] == [{"n": n} for n in (1, 2, 3, 4)]


def test_what_another_framework_alone_can_read_is_shown_to_no_model(manager: SessionManager) -> None:
    """It would be an answer without words."""
    thought = Message(role="assistant", content="", native_format="openai_agents", native='{"type": "reasoning"}')
    manager.add_memory("s", [Message(role="user", content="q"), thought, Message(role="assistant", content="a")])
    shown: list[BaseMessage] = []
    model = ScriptedModel()

    with_session_memory(model, manager).invoke("next", {"configurable": {"session_id": "s"}})

    shown = model.shown[-1]
    assert texts(shown) == ["q", "a", "next"]
    assert texts(history(manager).messages) == ["q", "a", "next", "echo next"]
