"""Histories, recall and sessions of Microsoft's Agent Framework on ours."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from agent_framework import Agent, AgentSession, BaseChatClient, ChatResponse, Content, Message, SessionContext

from zep_memory_plugin import Message as Row
from zep_memory_plugin import SessionManager, SessionOwnedByAnotherUser, ToolCall, Usage, use_session
from zep_memory_plugin.agent_framework import ZepContextProvider, ZepHistoryProvider, ZepSessionStore


def messages() -> list[Message]:
    calls = [
        Content.from_function_call("1", "weather", arguments={"city": "Lisbon"}),
        Content.from_function_call("2", "weather", arguments='{"city":'),
    ]
    results = [
        Content.from_function_result("1", result="21"),
        Content.from_function_result("2", result={"degrees": float("inf")}),
    ]
    image = Content.from_data(b"\x89PNG\x00", "image/png")
    return [
        Message("user", ["look \ud800", image], message_id="q"),
        Message("assistant", [Content.from_text_reasoning(text="hm"), "I look", *calls], author_name="guide"),
        Message("tool", results),
        Message("assistant", ["sunny"]),
    ]


def run(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


def plain(messages: list[Message]) -> list[dict[str, Any]]:
    return [message.to_dict() for message in messages]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def test_messages_come_back_as_they_were(manager: SessionManager) -> None:
    history = ZepHistoryProvider(manager)
    run(history.save_messages("s", messages()))

    assert plain(run(history.get_messages("s"))) == plain(messages())


def test_the_columns_hold_what_messages_say(manager: SessionManager) -> None:
    """Each result is a row of its own."""
    run(ZepHistoryProvider(manager).save_messages("s", messages()))

    rows = manager.list_messages("s")
    assert [(row.role_type, row.tool_call_id) for row in rows] == [
        ("user", None),
        ("assistant", None),
        ("tool", "1"),
        ("tool", "2"),
        ("assistant", None),
    ]
    assert [row.content for row in rows[:3]] == ["look \ufffd", "I look", "21"]
    assert rows[1].tool_calls == [
        ToolCall(id="1", name="weather", args={"city": "Lisbon"}),
        ToolCall(id="2", name="weather", args='{"city":'),
    ]


def test_without_a_session_nothing_is_read_or_stored(manager: SessionManager) -> None:
    history = ZepHistoryProvider(manager)
    run(history.save_messages(None, messages()))

    assert run(history.get_messages(None)) == []
    assert manager.list_sessions() == []


def test_the_surrounding_session_is_taken_where_a_run_names_none(manager: SessionManager) -> None:
    history = ZepHistoryProvider(manager)
    with use_session("s", user_id="alice"):
        run(history.save_messages(None, messages()))

    assert manager.get_session("s").user_id == "alice"
    with use_session("elsewhere", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        run(history.get_messages("s"))


def test_a_message_with_an_id_is_stored_once_unless_it_says_something_else(manager: SessionManager) -> None:
    """A run that is tried again repeats its messages, and some clients give every answer the same id."""
    history = ZepHistoryProvider(manager)
    answers = [Message("assistant", [text], message_id="same") for text in ("one", "two", "one")]
    for answer in answers:
        run(history.save_messages("s", [answer]))

    assert [message.text for message in run(history.get_messages("s"))] == ["one", "two"]


def test_a_limit_cuts_at_a_message_of_the_user(manager: SessionManager) -> None:
    history = ZepHistoryProvider(manager, limit=3)
    run(history.save_messages("s", [*messages(), *messages()]))

    assert [message.role for message in run(history.get_messages("s"))] == ["user", "assistant", "tool", "assistant"]


def test_what_another_framework_wrote_is_one_message_with_all_calls_and_one_with_all_results(
    manager: SessionManager,
) -> None:
    rows = [
        Row(role="ai", content="I look."),
        Row(role="ai", tool_calls=[ToolCall(id="1", name="weather")]),
        Row(role="ai", tool_calls=[ToolCall(id="2", name="weather")]),
        Row(role="ai", native_format="another", native="{}"),
        Row(role="tool", content="21", tool_call_id="1"),
        Row(role="tool", content="4", tool_call_id="2"),
    ]
    manager.add_memory("s", rows)
    answer, results = run(ZepHistoryProvider(manager).get_messages("s"))

    assert [content.type for content in answer.contents] == ["text", "function_call", "function_call"]
    assert [(content.call_id, content.result) for content in results.contents] == [("1", "21"), ("2", "4")]


class ReportingClient(BaseChatClient):
    """Answers, and reports what that took."""

    def _inner_get_response(self, **given: Any) -> Any:
        async def respond() -> ChatResponse:
            told: Any = {"input_token_count": 3, "output_token_count": 2}
            return ChatResponse(messages=[Message("assistant", ["Hi."])], usage_details=told)

        return respond()


def test_what_a_provider_reports_of_a_run_is_kept_with_its_last_message(manager: SessionManager) -> None:
    agent = Agent(client=ReportingClient(), context_providers=[ZepHistoryProvider(manager)])
    for text in ("Hello.", "Hello again."):
        run(agent.run(text, session=AgentSession(session_id="s")))

    assert manager.usage("session") == [Usage(session_id="s", messages=2, input_tokens=6, output_tokens=4)]
    assert [row.metadata for row in manager.list_messages("s")][1::2] == 2 * [
        {"usage": {"input_tokens": 3, "output_tokens": 2}}
    ]


def context(text: str) -> SessionContext:
    return SessionContext(session_id="now", input_messages=[Message("user", [text])])


def test_recall_shows_what_the_user_said_in_other_sessions(manager: SessionManager) -> None:
    manager.add_memory("before", [Row(role="user", content="My dog is called Rex.")], user_id="alice")
    manager.add_memory("now", [Row(role="user", content="A dog barks.")], user_id="alice")
    manager.add_memory("his", [Row(role="user", content="My dog is called Bello.")], user_id="bob")
    found = context("What is my dog called?")
    recall = ZepContextProvider(manager, user_id="alice")
    run(recall.before_run(agent=None, session=AgentSession(session_id="now"), context=found, state={}))  # type: ignore[arg-type]

    (message,) = found.get_messages()
    assert message.text == "Said in earlier conversations:\nuser: My dog is called Rex."


def test_a_session_store_keeps_the_state_beside_the_messages(manager: SessionManager) -> None:
    store = ZepSessionStore(manager, user_id="alice")
    session = AgentSession(session_id="s")
    session.state["counted"] = {"words": 3}
    assert run(store.get("s")) is None
    run(store.set("s", session))
    run(ZepHistoryProvider(manager, user_id="alice").save_messages("s", messages()))
    session.state["counted"] = {}
    run(store.set("s", session))

    assert run(store.get("s")).to_dict() == session.to_dict()
    assert manager.get_session("s").user_id == "alice"
    run(store.delete("s"))
    assert run(store.get("s")) is None
    assert manager.count_messages(["s"]) == {"s": 5}
