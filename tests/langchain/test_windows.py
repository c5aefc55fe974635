"""What a model is shown of a long conversation is bounded, beside a checkpointer, too, and its summary is with it."""

import asyncio
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from tests.langchain.models import ScriptedModel, texts
from zep_memory_plugin import DEFAULT_MAX_TOKENS, InvalidInput, Message, SessionManager, Summary
from zep_memory_plugin.core.tokens import estimated_tokens
from zep_memory_plugin.langchain import (
    ZepChatMessageHistory,
    ZepMemory,
    ZepMemoryMiddleware,
    history_factory,
    with_session_memory,
)

TURNS = 500
WORDS = "one more word " * 40
PATIENCE = 90.0
CONFIG: Any = {"configurable": {"thread_id": "s"}}


def conversation(turns: int) -> list[BaseMessage]:
    """Return *turns* of a question, a call, its result and an answer, each of some 120 tokens or more."""
    messages: list[BaseMessage] = []
    for turn in range(turns):
        call = {"name": "look", "args": {}, "id": f"call-{turn}", "type": "tool_call"}
        messages += [HumanMessage(f"q{turn} {WORDS}"), AIMessage("", tool_calls=[call])]
        messages += [ToolMessage("found", tool_call_id=f"call-{turn}"), AIMessage(f"a{turn} {WORDS}")]
    return messages


@pytest.fixture
def long_manager(sqlite_manager: SessionManager) -> SessionManager:
    """Return a manager whose session "s" is long, and summarised."""
    ZepChatMessageHistory("s", sqlite_manager).add_messages(conversation(TURNS))
    sqlite_manager.add_summary("s", Summary(content="it was about words"))
    return sqlite_manager


def assert_is_window(shown: list[BaseMessage], max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
    """Fail unless *shown* begins with the summary and whole turns follow it, nearly as many as fit, and a question."""
    summary, *window, question = shown
    tokens = sum(estimated_tokens(message.text) for message in window)

    assert (summary, question.text) == (SystemMessage("it was about words"), "new")
    assert [type(message) for message in window[:4]] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert max_tokens * 0.9 < tokens <= max_tokens
    assert texts(window)[-1] == f"a{TURNS - 1} {WORDS}"


def test_an_agent_is_shown_the_window(long_manager: SessionManager) -> None:
    model = ScriptedModel()
    graph = create_agent(model, middleware=[ZepMemoryMiddleware(long_manager)])

    graph.invoke({"messages": [HumanMessage("new")]}, CONFIG)

    assert_is_window(model.shown[0])


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
def test_no_turn_waits_for_the_summarizer(sqlite_url: str, awaited: bool) -> None:
    """It goes on only when the agent has answered; what it says is in the prompt of the next turn."""
    answered, called = threading.Event(), list[int]()

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        assert answered.wait(PATIENCE)
        called.append(len(messages))
        return "it was about words"

    async def turns() -> None:
        ask = graph.ainvoke if awaited else graph.invoke
        for number in range(3):
            turn: Any = ask({"messages": [HumanMessage(f"then {number}")]}, CONFIG)
            assert (await turn if awaited else turn)["messages"][-1].text == f"echo then {number}"
        assert called == []
        answered.set()
        await manager.aflush()
        turn = ask({"messages": [HumanMessage("new")]}, CONFIG)
        await turn if awaited else turn

    model = ScriptedModel()
    with SessionManager(sqlite_url, summarizer=summarize) as manager:
        graph = create_agent(model, middleware=[ZepMemoryMiddleware(manager)])
        ZepChatMessageHistory("s", manager).add_messages(conversation(TURNS))
        asyncio.run(turns())

    assert called[0] >= 4 * TURNS - 12
    assert [type(shown[0]) for shown in model.shown] == [HumanMessage, HumanMessage, HumanMessage, SystemMessage]
    assert model.shown[-1][0].text == "it was about words"


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
def test_the_bound_holds_beside_a_checkpointer(long_manager: SessionManager, awaited: bool) -> None:
    """The thread keeps all of a conversation that it began, and the model is shown the end of it and the summary."""
    model, saver = ScriptedModel(), InMemorySaver()
    memory = ZepMemoryMiddleware(long_manager, max_tokens=5000)
    graph = create_agent(model, middleware=[memory], checkpointer=saver)
    graph.update_state(CONFIG, {"messages": conversation(TURNS)})
    asked = {"messages": [HumanMessage("new")]}

    answered = asyncio.run(graph.ainvoke(asked, CONFIG)) if awaited else graph.invoke(asked, CONFIG)

    assert_is_window(model.shown[0], 5000)
    assert len(answered["messages"]) == 4 * TURNS + 2
    assert texts(ZepChatMessageHistory("s", long_manager).messages[-2:]) == ["new", answered["messages"][-1].text]


def test_the_bound_holds_beside_a_checkpointer_on_postgres(long_manager: SessionManager, postgres_url: str) -> None:
    """Also of a thread that another process began."""
    from langgraph.checkpoint.postgres import PostgresSaver  # here: the other tests do without

    asked = {"messages": [HumanMessage("new")]}
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        saver.setup()
        begun = create_agent(ScriptedModel(), middleware=[ZepMemoryMiddleware(long_manager)], checkpointer=saver)
        begun.update_state(CONFIG, {"messages": conversation(TURNS)})
    model, memory = ScriptedModel(), ZepMemoryMiddleware(long_manager, max_tokens=5000)

    with PostgresSaver.from_conn_string(postgres_url) as saver:
        create_agent(model, middleware=[memory], checkpointer=saver).invoke(asked, CONFIG)

    assert_is_window(model.shown[0], 5000)


def test_the_bound_is_one_of_the_thread_and_of_what_was_before_it(sqlite_manager: SessionManager) -> None:
    """A second thread goes on with the session, and its own turns take their part of the window."""
    sqlite_manager.add_memory("s", [Message(role=role, content=f"{role} 1") for role in ("user", "assistant")])
    model = ScriptedModel()
    memory = ZepMemoryMiddleware(sqlite_manager, turns=2)
    graph = create_agent(model, middleware=[memory], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t", "session_id": "s"}}

    for question in ("2", "3", "4"):
        graph.invoke({"messages": [HumanMessage(question)]}, config)

    assert [texts(shown) for shown in model.shown] == [
        ["user 1", "assistant 1", "2"],
        ["user 1", "assistant 1", "2", "echo 2", "3"],
        ["2", "echo 2", "3", "echo 3", "4"],
    ]


def test_a_runnable_is_given_the_window(long_manager: SessionManager) -> None:
    shown: list[list[BaseMessage]] = []

    def model(messages: list[BaseMessage]) -> AIMessage:
        shown.append(messages)
        return AIMessage("yes")

    with_session_memory(RunnableLambda(model), long_manager).invoke([HumanMessage("new")], CONFIG)

    assert_is_window(shown[0])


def test_a_classic_memory_is_the_window(long_manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=long_manager, return_messages=True)

    assert_is_window([*memory.load_memory_variables({})["history"], HumanMessage("new")])


def test_a_history_is_complete_and_has_a_window_beside_that(long_manager: SessionManager) -> None:
    """What programs read of a history is all of it; what a wrapper asks a factory for goes to a model."""
    assert len(ZepChatMessageHistory("s", long_manager).messages) == 4 * TURNS
    assert len(ZepChatMessageHistory("s", long_manager, window={"turns": 3}).messages) == 12
    assert 0 < len(history_factory(long_manager)("s").messages) < 4 * TURNS
    assert len(history_factory(long_manager, max_tokens=None)("s").messages) == 4 * TURNS


def test_a_window_has_three_bounds(sqlite_manager: SessionManager) -> None:
    window: Any = {"tokens": 3}
    with pytest.raises(InvalidInput, match="window has no tokens; its bounds are limit, turns and max_tokens"):
        ZepChatMessageHistory("s", sqlite_manager, window=window)


def test_without_a_bound_everything_is_shown(long_manager: SessionManager) -> None:
    chain = with_session_memory(FakeListChatModel(responses=["yes"]), long_manager, max_tokens=None)

    assert chain.invoke("new", CONFIG).text == "yes"
    assert len(long_manager.prompt_memory("s", None).messages) == 4 * TURNS + 2
    assert long_manager.prompt_memory("s", None).summary is not None
