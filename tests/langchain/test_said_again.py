"""Messages whose ids come back: LangGraph writes one into the caller's object, a cache gives an answer once more."""

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from tests.langchain.models import ModelFailed, ScriptedModel, texts
from tests.langchain.test_middleware import run
from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemoryMiddleware, with_session_memory

IN_S: Any = {"configurable": {"session_id": "s"}}
WAYS = ["invoke", "ainvoke"]


class Guard(AgentMiddleware):
    """Refuses what is bad, always with the same message."""

    refusal = AIMessage("no")

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: object) -> dict[str, Any] | None:
        if "bad" not in state["messages"][-1].text:
            return None
        return {"messages": [self.refusal], "jump_to": "end"}


def stored(manager: SessionManager) -> list[str]:
    return texts(ZepChatMessageHistory("s", manager).messages)


def agent(manager: SessionManager, model: ScriptedModel, save_input: Any, *others: AgentMiddleware) -> Any:
    return create_agent(model, middleware=[ZepMemoryMiddleware(manager, save_input=save_input), *others])


@pytest.mark.parametrize("save_input", ["start", "end"])
@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_is_stored_each_time(way: str, save_input: str, sqlite_manager: SessionManager) -> None:
    graph = agent(sqlite_manager, ScriptedModel(), save_input, Guard())

    for question in ("bad 1", "fine", "bad 2"):
        run(graph, way, {"messages": [HumanMessage(question)]}, config=IN_S)

    assert stored(sqlite_manager) == ["bad 1", "no", "fine", "echo fine", "bad 2", "no"]


@pytest.mark.parametrize("save_input", ["start", "end"])
@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_stored_each_time_it_is_asked(way: str, save_input: str, sqlite_manager: SessionManager) -> None:
    model = ScriptedModel(script=[AIMessage(text) for text in "abc"])
    question = HumanMessage("report")

    for _ in range(3):
        run(agent(sqlite_manager, model, save_input), way, {"messages": [question]}, config=IN_S)

    assert stored(sqlite_manager) == ["report", "a", "report", "b", "report", "c"]
    assert texts(model.shown[-1]) == ["report", "a", "report", "b", "report"]


@pytest.mark.parametrize("way", WAYS)
def test_a_question_that_failed_is_stored_once_when_it_is_sent_again(way: str, sqlite_manager: SessionManager) -> None:
    model = ScriptedModel(script=[AIMessage("before"), RuntimeError("overloaded"), AIMessage("an answer")])
    graph, question = agent(sqlite_manager, model, "start"), HumanMessage("q")
    run(graph, way, {"messages": [HumanMessage("first")]}, config=IN_S)

    with pytest.raises(RuntimeError):
        run(graph, way, {"messages": [question]}, config=IN_S)
    run(graph, way, {"messages": [question]}, config=IN_S)

    assert stored(sqlite_manager) == ["first", "before", "q", "an answer"]


@pytest.mark.parametrize("save_input", ["start", "end"])
@pytest.mark.parametrize("way", WAYS)
def test_a_conversation_that_is_sent_as_a_whole_is_stored_once(
    way: str, save_input: str, sqlite_manager: SessionManager
) -> None:
    model = ScriptedModel()
    messages: list[AnyMessage] = []

    for question in ("one", "two", "three"):
        messages = agent(sqlite_manager, model, save_input).invoke(
            {"messages": [*messages, HumanMessage(question)]}, IN_S
        )["messages"]

    assert stored(sqlite_manager) == texts(messages)
    assert texts(model.shown[-1]) == texts(messages[:-1])


@pytest.mark.parametrize("way", WAYS)
def test_a_conversation_that_is_sent_as_a_whole_without_ids_is_stored_once(
    way: str, sqlite_manager: SessionManager
) -> None:
    model = ScriptedModel()
    chat = with_session_memory(model, sqlite_manager)
    conversation: list[Any] = []

    async def ask() -> BaseMessage:
        return chat.invoke(conversation, IN_S) if way == "invoke" else await chat.ainvoke(conversation, IN_S)

    for question in ("one", "two", "three"):
        conversation.append({"role": "user", "content": question})
        conversation.append({"role": "assistant", "content": asyncio.run(ask()).text})

    said = [message["content"] for message in conversation]
    assert stored(sqlite_manager) == said
    assert texts(model.shown[-1]) == said[:-1]


@pytest.mark.parametrize("way", WAYS)
def test_a_question_whose_call_failed_stands_once_whoever_repeats_it(way: str, sqlite_manager: SessionManager) -> None:
    model = ScriptedModel(script=[ModelFailed(), ModelFailed(), AIMessage("a"), ModelFailed(), AIMessage("b")])
    chat = with_session_memory(model, sqlite_manager)
    again = chat.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).with_fallbacks([chat])

    for question in ("q1", "q2"):
        run(again, way, question, config=IN_S)

    assert stored(sqlite_manager) == ["q1", "a", "q2", "b"]
    assert [texts(shown) for shown in model.shown] == [["q1"]] * 3 + [["q1", "a", "q2"]] * 2


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_stored_again_after_all_was_cleared(way: str, sqlite_manager: SessionManager) -> None:
    graph, question = agent(sqlite_manager, ScriptedModel(), "start"), HumanMessage("q")
    run(graph, way, {"messages": [question]}, config=IN_S)
    sqlite_manager.clear_memory("s")

    run(graph, way, {"messages": [question]}, config=IN_S)

    assert stored(sqlite_manager) == ["q", "echo q"]


@pytest.mark.parametrize("way", WAYS)
def test_instructions_that_come_with_every_run_are_not_stored(way: str, sqlite_manager: SessionManager) -> None:
    """And stay at the head, where alone some models take them."""
    model = ScriptedModel()

    for question in ("one", "two"):
        asked = [SystemMessage("Be brief."), HumanMessage(question)]
        run(agent(sqlite_manager, model, "start"), way, {"messages": asked}, config=IN_S)

    assert stored(sqlite_manager) == ["one", "echo one", "two", "echo two"]
    assert texts(model.shown[-1]) == ["Be brief.", "one", "echo one", "two"]


def test_an_answer_from_a_cache_is_stored_each_time(sqlite_manager: SessionManager) -> None:
    """It has the id that it had the first time."""
    cached = {"hours?": AIMessage("nine to five", id="run-1"), "thanks": AIMessage("welcome", id="run-2")}

    def answer(messages: list[BaseMessage]) -> AIMessage:
        return cached[messages[-1].text]

    chat = with_session_memory(RunnableLambda(answer), sqlite_manager)
    for question in ("hours?", "thanks", "hours?"):
        chat.invoke(question, IN_S)

    messages = ZepChatMessageHistory("s", sqlite_manager).messages
    assert texts(messages) == ["hours?", "nine to five", "thanks", "welcome", "hours?", "nine to five"]
    *first, again = [message.id for message in messages[1::2]]
    assert first == ["run-1", "run-2"]
    assert sqlite_manager.get_message("s", str(again)).seq == 6
