"""Every caller of a memory in LlamaIndex works with ours and leaves the rows that it should."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool

from tests.llama_index.scripted import ScriptedModel, answer, assistant, calling, plain, user
from zep_memory_plugin import SessionManager, use_session
from zep_memory_plugin.llama_index import ZepMemory, register_manager, unregister_manager

Chat = Callable[[BaseChatEngine, str], Awaitable[str]]


class OneFact(BaseRetriever):
    """Finds the same fact for every question."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="The sky is blue."), score=1.0)]


class Echo(CustomQueryEngine):
    """Answers with the question."""

    def custom_query(self, query_str: str) -> Response:
        return Response(f"answer to {query_str}")


async def chat(engine: BaseChatEngine, text: str) -> str:
    return str(await asyncio.to_thread(engine.chat, text))


async def chat_in_the_loop(engine: BaseChatEngine, text: str) -> str:
    """Block the running loop, as a notebook's cell does."""
    return str(engine.chat(text))


async def stream_chat(engine: BaseChatEngine, text: str) -> str:
    def streamed() -> str:
        response = engine.stream_chat(text)
        parts = "".join(response.response_gen)
        if response.write_response_to_history_thread is not None:
            response.write_response_to_history_thread.join()
        return parts

    return await asyncio.to_thread(streamed)


async def achat(engine: BaseChatEngine, text: str) -> str:
    return str(await engine.achat(text))


async def astream_chat(engine: BaseChatEngine, text: str) -> str:
    response = await engine.astream_chat(text)
    parts = "".join([part async for part in response.async_response_gen()])
    if response.awrite_response_to_history_task is not None:
        await response.awrite_response_to_history_task
    return parts


WAYS = pytest.mark.parametrize("way", [chat, chat_in_the_loop, stream_chat, achat, astream_chat])


def simple(memory: ZepMemory, model: ScriptedModel) -> BaseChatEngine:
    return SimpleChatEngine.from_defaults(memory=memory, llm=model, system_prompt="Be brief.")


def context(memory: ZepMemory, model: ScriptedModel) -> BaseChatEngine:
    return ContextChatEngine.from_defaults(OneFact(), memory=memory, llm=model)


def condense_plus_context(memory: ZepMemory, model: ScriptedModel) -> BaseChatEngine:
    return CondensePlusContextChatEngine.from_defaults(OneFact(), memory=memory, llm=model, skip_condense=True)


@WAYS
@pytest.mark.parametrize("engine_of", [simple, context, condense_plus_context])
def test_a_chat_engine_remembers(
    memory: ZepMemory, way: Chat, engine_of: Callable[[ZepMemory, ScriptedModel], BaseChatEngine]
) -> None:
    model = ScriptedModel.of("hello Alice", "you are Alice")
    engine = engine_of(memory, model)

    async def talk() -> list[str]:
        return [await way(engine, "I am Alice"), await way(engine, "who am I?")]

    assert asyncio.run(talk()) == ["hello Alice", "you are Alice"]
    said = [
        ("user", "I am Alice"),
        ("assistant", "hello Alice"),
        ("user", "who am I?"),
        ("assistant", "you are Alice"),
    ]
    assert plain(memory.get_all()) == said
    assert model.prompts[-1][1:3] == said[:2]
    assert memory.manager.get_session("alice-1").user_id == "alice"


@pytest.mark.parametrize("way", [chat, chat_in_the_loop, achat])
def test_a_condensing_engine_remembers(memory: ZepMemory, way: Chat) -> None:
    model = ScriptedModel.of("who is Alice?")
    engine = CondenseQuestionChatEngine.from_defaults(Echo(), memory=memory, llm=model)

    async def talk() -> None:
        await way(engine, "I am Alice")
        await way(engine, "who am I?")

    asyncio.run(talk())

    assert plain(memory.get_all()) == [
        ("user", "I am Alice"),
        ("assistant", "answer to I am Alice"),
        ("user", "who am I?"),
        ("assistant", "answer to who is Alice?"),
    ]


def test_resetting_an_engine_empties_the_session_even_inside_a_running_loop(memory: ZepMemory) -> None:
    engine = SimpleChatEngine.from_defaults(memory=memory, llm=ScriptedModel.of("hello"))

    async def talk() -> tuple[list[ChatMessage], list[ChatMessage]]:
        await engine.achat("hi")
        before = engine.chat_history
        engine.reset()
        return before, engine.chat_history

    before, after = asyncio.run(talk())

    assert (plain(before), after) == ([("user", "hi"), ("assistant", "hello")], [])
    assert memory.manager.get_session("alice-1").user_id == "alice"


def test_a_history_given_to_an_engine_replaces_the_session(memory: ZepMemory) -> None:
    memory.put(user("old"))
    engine = SimpleChatEngine.from_defaults(memory=memory, llm=ScriptedModel.of("hello", "again"))

    engine.chat("hi", chat_history=[user("given")])
    assert plain(memory.get_all()) == [("user", "given"), ("user", "hi"), ("assistant", "hello")]

    asyncio.run(engine.achat("anew", chat_history=[]))
    assert plain(memory.get_all()) == [("user", "anew"), ("assistant", "again")]


def look_up(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


TOOL = FunctionTool.from_defaults(look_up, name="look_up")


def agent_of(model: ScriptedModel, **options: Any) -> FunctionAgent:
    return FunctionAgent(name="weather", description="knows", tools=[TOOL], llm=model, **options)


async def run(agent: Any, text: str, **options: Any) -> str:
    return str(await agent.run(text, **options))


STREAMING = pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])


@STREAMING
def test_a_function_agent_stores_its_tool_traffic_in_one_transaction(memory: ZepMemory, streaming: bool) -> None:
    calls = calling(("1", "look_up", {"city": "Rome"}), ("2", "look_up", {"city": "Oslo"}))
    model = ScriptedModel.of("hello", calls, "sunny in both")
    agent = agent_of(model, streaming=streaming)

    asyncio.run(run(agent, "hi", memory=memory))
    asyncio.run(run(agent, "how is the weather?", memory=memory))

    expected = [
        user("hi"),
        assistant("hello"),
        user("how is the weather?"),
        calls,
        answer("1", "sunny in Rome"),
        answer("2", "sunny in Oslo"),
        assistant("sunny in both"),
    ]
    assert memory.get_all() == expected
    rows = memory.manager.list_messages("alice-1")
    assert len({row.created_at for row in rows[3:]}) == 1
    assert [row.native for row in rows] == [None] * len(rows)
    assert model.prompts[1] == plain(expected[:3])


@STREAMING
def test_agents_that_hand_over_share_the_session(memory: ZepMemory, streaming: bool) -> None:
    handing_over = calling(("1", "handoff", {"to_agent": "weather", "reason": "weather"}))
    greeter = FunctionAgent(
        name="greeter",
        description="greets",
        llm=ScriptedModel.of(handing_over),
        can_handoff_to=["weather"],
        streaming=streaming,
    )
    model = ScriptedModel.of(calling(("2", "look_up", {"city": "Rome"})), "sunny")
    workflow = AgentWorkflow(agents=[greeter, agent_of(model, streaming=streaming)], root_agent="greeter")

    asyncio.run(run(workflow, "weather in Rome?", memory=memory))

    roles = [message.role.value for message in memory.get_all()]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    tool_calls = [[call.name for call in row.tool_calls or []] for row in memory.manager.list_messages("alice-1")]
    assert tool_calls == [[], ["handoff"], [], ["look_up"], [], []]


@STREAMING
def test_a_reasoning_agent_stores_its_reasoning_as_one_message(memory: ZepMemory, streaming: bool) -> None:
    model = ScriptedModel.of(
        'Thought: I look it up.\nAction: look_up\nAction Input: {"city": "Rome"}',
        "Thought: I can answer.\nAnswer: sunny",
    )
    agent = ReActAgent(name="weather", description="knows", tools=[TOOL], llm=model, streaming=streaming)

    assert asyncio.run(run(agent, "weather in Rome?", memory=memory)) == "sunny"

    question, reasoning = memory.get_all()
    assert (question, reasoning.role) == (user("weather in Rome?"), MessageRole.ASSISTANT)
    assert "Observation: sunny in Rome" in (reasoning.content or "")


def test_an_agent_that_failed_leaves_its_question_and_goes_on(memory: ZepMemory) -> None:
    """A dangling question is part of the history that the next run shows."""
    agent = agent_of(ScriptedModel.of())
    with pytest.raises(IndexError):
        asyncio.run(run(agent, "lost?", memory=memory))

    model = ScriptedModel.of("found")
    asyncio.run(run(agent_of(model), "found?", memory=memory))

    assert model.prompts == [[("user", "lost?"), ("user", "found?")]]
    assert plain(memory.get_all()) == [("user", "lost?"), ("user", "found?"), ("assistant", "found")]


def test_an_agent_that_gives_up_stores_its_last_word(memory: ZepMemory) -> None:
    again = calling(("1", "look_up", {"city": "Rome"}))
    agent = agent_of(ScriptedModel.of(again, "I give up"), early_stopping_method="generate")

    asyncio.run(run(agent, "weather?", memory=memory, max_iterations=1))

    assert plain(memory.get_all())[-1] == ("assistant", "I give up")


def test_a_history_given_to_an_agent_replaces_the_session(memory: ZepMemory) -> None:
    memory.put(user("old"))

    asyncio.run(run(agent_of(ScriptedModel.of("hello")), "hi", memory=memory, chat_history=[user("given")]))

    assert plain(memory.get_all()) == [("user", "given"), ("user", "hi"), ("assistant", "hello")]


def test_the_state_that_an_agent_writes_into_its_prompt_is_not_stored(memory: ZepMemory) -> None:
    """The agent rewrites the last message that the memory returned, which is a copy."""
    model = ScriptedModel.of("hello")

    asyncio.run(run(agent_of(model, initial_state={"count": 1}), "hi", memory=memory))

    assert "count" in (model.prompts[0][0][1] or "")
    assert memory.get_all()[0] == user("hi")


def test_an_engine_made_from_the_memory_class_uses_the_session_around_it(manager: SessionManager) -> None:
    """And the empty history that engines pass by default does not wipe the session."""
    register_manager("default", manager)
    try:
        with use_session("alice-1", user_id="alice"):
            for text, reply in (("hi", "hello"), ("again?", "again")):
                engine = SimpleChatEngine.from_defaults(memory_cls=ZepMemory, llm=ScriptedModel.of(reply))
                response = engine.stream_chat(text)
                assert "".join(response.response_gen) == reply
    finally:
        unregister_manager("default")

    assert [row.content for row in manager.list_messages("alice-1")] == ["hi", "hello", "again?", "again"]
