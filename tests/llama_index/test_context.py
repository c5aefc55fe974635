"""An agent's context keeps the conversation: between runs, as text, and in another process."""

import asyncio
import copy
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, JsonPickleSerializer, JsonSerializer

from tests.llama_index.scripted import ScriptedModel, answer, assistant, calling, plain, user
from zep_memory_plugin import SessionManager, use_session
from zep_memory_plugin.llama_index import ZepMemory, register_manager, unregister_manager

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_lost_memory() -> Iterator[None]:
    """Turn LlamaIndex's warning that a memory could not be kept into an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*serializ.*", category=UserWarning)
        yield


def function_agent(*script: Any) -> FunctionAgent:
    return FunctionAgent(llm=ScriptedModel.of(*script))


def workflow(*script: Any) -> AgentWorkflow:
    return AgentWorkflow(agents=[FunctionAgent(name="one", description="only", llm=ScriptedModel.of(*script))])


def react_agent(*script: str) -> ReActAgent:
    return ReActAgent(llm=ScriptedModel.of(*(f"Thought: easy.\nAnswer: {reply}" for reply in script)))


def prompt_of(agent: Any, call: int) -> list[tuple[str, str | None]]:
    """Return what the model was shown in a call, but for the system prompt."""
    models = agent.agents["one"].llm if isinstance(agent, AgentWorkflow) else agent.llm
    return [part for part in models.prompts[call] if part[0] != "system"]


AGENTS = pytest.mark.parametrize("agent_of", [function_agent, workflow, react_agent])


@AGENTS
def test_a_context_used_twice_keeps_the_conversation(memory: ZepMemory, agent_of: Any) -> None:
    agent = agent_of("hello Alice", "you are Alice")

    async def run() -> ZepMemory:
        ctx = Context(agent)
        await agent.run("I am Alice", ctx=ctx, memory=memory)
        await agent.run("who am I?", ctx=ctx)
        kept: ZepMemory = await ctx.store.get("memory")
        return kept

    kept = asyncio.run(run())

    assert kept == memory
    assert [role for role, _ in plain(memory.get_all())] == ["user", "assistant", "user", "assistant"]
    assert prompt_of(agent, 1)[0] == ("user", "I am Alice")


@AGENTS
@pytest.mark.parametrize("serializer", [JsonSerializer(), JsonPickleSerializer()], ids=["json", "pickle"])
def test_a_context_restored_from_text_keeps_the_conversation(
    memory: ZepMemory, agent_of: Any, serializer: JsonSerializer
) -> None:
    agent = agent_of("hello Alice")

    async def first() -> str:
        ctx = Context(agent)
        await agent.run("I am Alice", ctx=ctx, memory=memory)
        return json.dumps(ctx.to_dict(serializer=serializer))

    async def second(saved: str) -> None:
        await again.run("who am I?", ctx=Context.from_dict(again, json.loads(saved), serializer=serializer))

    saved = asyncio.run(first())
    again = agent_of("you are Alice")
    asyncio.run(second(saved))

    assert "I am Alice" not in str(json.loads(saved)["state"]["state_data"]["_data"]["memory"])
    assert len(memory.get_all()) == 4
    assert prompt_of(again, 0)[0] == ("user", "I am Alice")


def test_tool_traffic_is_kept_between_the_runs_of_a_context(memory: ZepMemory) -> None:
    call = calling(("1", "look_up", {"city": "Rome"}))
    model = ScriptedModel.of(call, "sunny", "as I said")
    look_up = FunctionTool.from_defaults(lambda city: f"sunny in {city}", name="look_up", description="weather")
    agent = FunctionAgent(tools=[look_up], llm=model)

    async def run() -> None:
        ctx = Context(agent)
        await agent.run("weather?", ctx=ctx, memory=memory)
        await agent.run("again?", ctx=ctx)

    asyncio.run(run())

    assert memory.get_all() == [
        user("weather?"),
        call,
        answer("1", "sunny in Rome"),
        assistant("sunny"),
        user("again?"),
        assistant("as I said"),
    ]
    assert model.prompts[2] == plain(memory.get_all())[:-1]


def test_a_context_without_its_manager_is_an_error(memory: ZepMemory) -> None:
    agent = function_agent("hello")
    register_manager("app", memory.manager)

    async def first() -> dict[str, Any]:
        ctx = Context(agent)
        await agent.run("hi", ctx=ctx, memory=memory)
        return ctx.to_dict()

    async def second(saved: dict[str, Any]) -> None:
        await agent.run("again?", ctx=Context.from_dict(agent, saved))

    saved = asyncio.run(first())
    unregister_manager("app")
    with pytest.raises(ValueError, match="key memory: no manager is registered as 'app'"):
        asyncio.run(second(saved))

    assert len(memory.get_all()) == 2


def test_editing_the_state_of_a_context_keeps_the_memory(memory: ZepMemory) -> None:
    agent = function_agent("hello", "again")

    async def run() -> None:
        ctx = Context(agent)
        await agent.run("hi", ctx=ctx, memory=memory)
        async with ctx.store.edit_state() as state:
            state["count"] = 1
            assert copy.deepcopy(state["memory"]).manager is memory.manager
        await agent.run("again?", ctx=ctx)

    asyncio.run(run())

    assert len(memory.get_all()) == 4


def test_an_agent_finds_the_session_around_its_run(manager: SessionManager) -> None:
    agent = function_agent("hello Alice", "hello Bob", "you are Alice")
    memory = ZepMemory(manager=manager)

    async def run() -> None:
        for session_id, text in (("alice", "I am Alice"), ("bob", "I am Bob"), ("alice", "who am I?")):
            with use_session(session_id, user_id=session_id):
                await agent.run(text, memory=memory)

    asyncio.run(run())

    assert prompt_of(agent, 1) == [("user", "I am Bob")]
    assert prompt_of(agent, 2) == [("user", "I am Alice"), ("assistant", "hello Alice"), ("user", "who am I?")]
    assert {session.session_id: session.user_id for session in manager.list_sessions()} == {
        "alice": "alice",
        "bob": "bob",
    }


RESTORING = """
import asyncio, json, sys
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.workflow import Context
from tests.llama_index.scripted import ScriptedModel
from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import register_manager

register_manager("app", SessionManager(sys.argv[1]))
model = ScriptedModel.of("you are Alice")
agent = FunctionAgent(llm=model)

async def run():
    await agent.run("who am I?", ctx=Context.from_dict(agent, json.load(sys.stdin)))

asyncio.run(run())
print(json.dumps(model.prompts))
"""


def in_another_process(url: str, saved: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RESTORING, url]
    return subprocess.run(command, input=saved, capture_output=True, text=True, timeout=90, cwd=ROOT)


def test_another_process_that_registered_the_manager_goes_on(database_url: str) -> None:
    async def first() -> str:
        memory = ZepMemory(manager=manager, session_id="alice-1", user_id="alice")
        agent = function_agent("hello Alice")
        ctx = Context(agent)
        await agent.run("I am Alice", ctx=ctx, memory=memory)
        return json.dumps(ctx.to_dict())

    with SessionManager(database_url) as manager:
        register_manager("app", manager)
        try:
            saved = asyncio.run(first())
        finally:
            unregister_manager("app")

        restored = in_another_process(database_url, saved)

        assert restored.returncode == 0, restored.stderr
        assert json.loads(restored.stdout) == [
            [["user", "I am Alice"], ["assistant", "hello Alice"], ["user", "who am I?"]]
        ]
        assert len(manager.list_messages("alice-1")) == 4
