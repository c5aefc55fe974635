"""A session as the memory of the chains of langchain_classic."""

import asyncio
import warnings
from typing import Any

import pytest
from langchain_classic.agents import AgentExecutor, create_tool_calling_agent
from langchain_classic.base_memory import BaseMemory
from langchain_classic.chains import ConversationChain
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.tools import tool

from tests.langchain.models import ModelFailed, ScriptedModel, as_given, texts
from zep_memory_plugin import SessionManager, SessionOwnedByAnotherUser, Summary
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemory

PROMPT = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{input}")])
LEGACY = pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")


def stored(manager: SessionManager) -> list[BaseMessage]:
    return ZepChatMessageHistory("s", manager).messages


def loaded(memory: ZepMemory) -> Any:
    """Return what *memory* gives a chain, which is the same in both colours."""
    blocking = memory.load_memory_variables({})
    assert asyncio.run(memory.aload_memory_variables({})) == blocking
    return blocking[memory.memory_key]


def test_it_remembers_in_both_colours(manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=manager, user_id="alice")

    memory.save_context({"input": "hi"}, {"output": "hello"})
    asyncio.run(memory.asave_context({"input": "how are you?"}, {"output": "fine"}))

    assert loaded(memory) == "Human: hi\nAI: hello\nHuman: how are you?\nAI: fine"
    assert manager.get_session("s").user_id == "alice"


def test_it_is_what_chains_check_for(sqlite_manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=sqlite_manager)

    assert isinstance(memory, BaseMemory)
    assert isinstance(memory.chat_memory, ZepChatMessageHistory)
    assert memory.memory_variables == ["history"]


def test_making_one_warns_of_nothing(sqlite_manager: SessionManager) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ZepMemory(session_id="s", manager=sqlite_manager, return_messages=True)


@LEGACY
def test_a_missing_session_is_named(sqlite_manager: SessionManager) -> None:
    with pytest.raises(ValueError, match="session_id"):
        ZepMemory(manager=sqlite_manager)  # type: ignore[call-arg]


def test_names_are_as_told(sqlite_manager: SessionManager) -> None:
    memory = ZepMemory(
        session_id="s", manager=sqlite_manager, memory_key="chat", human_prefix="You", ai_prefix="Bot", input_key="ask"
    )

    memory.save_context({"ask": "hi", "form": {}}, {"output": "hello"})

    assert memory.load_memory_variables({}) == {"chat": "You: hi\nBot: hello"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("q", "a"),
        (HumanMessage("q"), AIMessage("a")),
        ([HumanMessage("q")], [AIMessage("a")]),
        ([("human", "q")], "a"),
    ],
)
def test_it_takes_text_messages_and_lists(question: Any, answer: Any, sqlite_manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=sqlite_manager, return_messages=True)

    memory.save_context({"input": question}, {"output": answer})

    assert as_given(loaded(memory)) == [HumanMessage("q"), AIMessage("a")]


STEPS: list[Any] = []
OUTPUTS: list[tuple[dict[str, Any], str]] = [
    ({"output": "a", "intermediate_steps": STEPS}, "a"),
    ({"answer": "a", "source_documents": [Document("d")]}, "a"),
    ({"result": AIMessage("a"), "cost": 7}, "a"),
    ({"first": 1, "second": [2]}, '{"first": 1, "second": [2]}'),
    ({"score": 7}, "7"),
    ({"parsed": {"city": "Rome"}}, '{"city": "Rome"}'),
    ({}, "{}"),
]


@pytest.mark.parametrize(("output", "text"), OUTPUTS)
@pytest.mark.filterwarnings("error")
def test_whatever_a_chain_answers_is_stored(output: dict[str, Any], text: str, sqlite_manager: SessionManager) -> None:
    """By then the model has been paid."""
    memory = ZepMemory(session_id="s", manager=sqlite_manager)

    memory.save_context({"input": "q"}, output)
    asyncio.run(memory.asave_context({"input": "q2"}, output))

    assert texts(stored(sqlite_manager)) == ["q", text, "q2", text]


INPUTS: list[tuple[dict[str, Any], str]] = [
    ({"question": "q", "chat_history": [HumanMessage("old")]}, "q"),
    ({"input": "q", "language": "en"}, "q"),
    ({"topic": "cats", "tone": "kind"}, '{"topic": "cats", "tone": "kind"}'),
    ({"row": {"id": 7}}, '{"id": 7}'),
    ({"input": ["no message", 5], "stop": ["x"]}, '["no message", 5]'),
    ({"history": "…"}, "{}"),
]


@pytest.mark.parametrize(("given", "text"), INPUTS)
def test_whatever_a_chain_was_asked_is_stored(given: dict[str, Any], text: str, sqlite_manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=sqlite_manager)

    memory.save_context(given, {"output": "a"})

    assert texts(stored(sqlite_manager)) == [text, "a"]


def test_keys_that_are_named_are_meant(sqlite_manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=sqlite_manager, input_key="topic", output_key="verse")

    memory.save_context({"input": "no", "topic": "cats"}, {"output": "no", "verse": "purr"})

    assert texts(stored(sqlite_manager)) == ["cats", "purr"]


def test_the_summary_comes_along(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).add_messages([HumanMessage("q1"), AIMessage("a1")])
    manager.add_summary("s", Summary(content="a question and an answer"))
    ZepChatMessageHistory("s", manager).add_messages([HumanMessage("q2"), AIMessage("a2")])
    summary = SystemMessage("a question and an answer")

    as_text = ZepMemory(session_id="s", manager=manager)
    as_messages = ZepMemory(session_id="s", manager=manager, return_messages=True)
    with_window = ZepMemory(session_id="s", manager=manager, return_messages=True, turns=1)

    every = [HumanMessage("q1"), AIMessage("a1"), HumanMessage("q2"), AIMessage("a2")]

    assert loaded(as_text) == "System: a question and an answer\nHuman: q1\nAI: a1\nHuman: q2\nAI: a2"
    assert as_given(loaded(as_messages)) == [summary, *every]
    assert as_given(loaded(with_window)) == [summary, *every[2:]]


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        ({}, 30),
        ({"turns": 2}, 4),
        ({"turns": 0}, 0),
        ({"limit": 5}, 4),
        ({"turns": 50}, 30),
        ({"max_tokens": 24}, 12),
        ({"max_tokens": 1}, 2),
        ({"turns": 2, "max_tokens": 100}, 4),
    ],
)
def test_the_window_is_bounded(window: dict[str, int], shown: int, manager: SessionManager) -> None:
    turns = [text for n in range(10, 25) for text in (f"q{n}", f"a{n}")]
    memory = ZepMemory(session_id="s", manager=manager, return_messages=True, **window)
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        memory.save_context({"input": question}, {"output": answer})

    assert texts(loaded(memory)) == turns[len(turns) - shown :]


def test_tool_calls_stay_with_their_results(sqlite_manager: SessionManager) -> None:
    call = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
    turn = [HumanMessage("q"), AIMessage("", tool_calls=[call]), ToolMessage("r", tool_call_id="1"), AIMessage("a")]
    ZepChatMessageHistory("s", sqlite_manager).add_messages(turn * 4)

    for window in ({}, {"turns": 1}, {"turns": 3}):
        found = loaded(ZepMemory(session_id="s", manager=sqlite_manager, return_messages=True, **window))
        assert found[0].type != "tool"
        assert as_given(found[-4:]) == turn


def test_clear_forgets_the_summary_too(manager: SessionManager) -> None:
    memory = ZepMemory(session_id="s", manager=manager, return_messages=True)
    memory.save_context({"input": "q"}, {"output": "a"})
    manager.add_summary("s", Summary(content="short"))

    memory.clear()
    asyncio.run(memory.aclear())

    assert loaded(memory) == []


def test_another_user_is_refused(sqlite_manager: SessionManager) -> None:
    ZepMemory(session_id="s", manager=sqlite_manager, user_id="alice").save_context({"input": "q"}, {"output": "a"})
    other = ZepMemory(session_id="s", manager=sqlite_manager, user_id="mallory")

    with pytest.raises(SessionOwnedByAnotherUser):
        other.load_memory_variables({})
    with pytest.raises(SessionOwnedByAnotherUser):
        other.save_context({"input": "q"}, {"output": "a"})
    assert len(stored(sqlite_manager)) == 2


@LEGACY
class TestChains:
    """The chains that take it."""

    def test_a_conversation(self, manager: SessionManager) -> None:
        model = ScriptedModel(script=[AIMessage("one"), AIMessage("two")])
        memory = ZepMemory(session_id="s", manager=manager, return_messages=True)
        chain = ConversationChain(llm=model, memory=memory, prompt=PROMPT)

        chain.invoke({"input": "first"})
        asyncio.run(chain.ainvoke({"input": "second"}))

        assert texts(model.shown[1]) == ["first", "one", "second"]
        assert texts(stored(manager)) == ["first", "one", "second", "two"]

    def test_a_failing_chain_stores_nothing(self, sqlite_manager: SessionManager) -> None:
        memory = ZepMemory(session_id="s", manager=sqlite_manager, return_messages=True)
        chain = ConversationChain(llm=ScriptedModel(script=[ModelFailed()]), memory=memory, prompt=PROMPT)

        with pytest.raises(ModelFailed):
            chain.invoke({"input": "first"})

        assert sqlite_manager.list_sessions() == []

    def test_an_agent_executor(self, sqlite_manager: SessionManager) -> None:
        @tool
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        calls = [{"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}]
        model = ScriptedModel(script=[AIMessage("", tool_calls=calls), AIMessage("3")])
        prompt = ChatPromptTemplate.from_messages(
            [("placeholder", "{history}"), ("human", "{input}"), ("placeholder", "{agent_scratchpad}")]
        )
        memory = ZepMemory(session_id="s", manager=sqlite_manager, return_messages=True)
        executor = AgentExecutor(
            agent=create_tool_calling_agent(model, [add], prompt), tools=[add], memory=memory, stream_runnable=False
        )

        executor.invoke({"input": "1 + 2?"})

        assert texts(stored(sqlite_manager)) == ["1 + 2?", "3"]
