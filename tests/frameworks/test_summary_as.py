"""The summary of a session, for models that take no system message but at the head: in what the user says first."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from llama_index.core.base.llms.types import TextBlock

from tests.langchain.models import ScriptedModel
from zep_memory_plugin import InvalidInput, Message, SessionManager, Summary
from zep_memory_plugin.agent_framework import ZepHistoryProvider
from zep_memory_plugin.langchain import ZepMemory, ZepMemoryMiddleware, with_session_memory
from zep_memory_plugin.llama_index import ZepMemory as LlamaIndexMemory
from zep_memory_plugin.openai_agents import ZepSession

SAID = [("system", "Be kind."), ("human", "old"), ("ai", "old"), ("human", "Weather?"), ("ai", "Sunny.")]
RECAP = "Earlier in this conversation:\nThey like rain.\n\n"


class Refused(Exception):
    """What a model says to a system message that is not the first."""


class StrictModel(ScriptedModel):
    """A model that takes one system message, at the head, and then the user and itself in turn."""

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        refuse_others([message.type for message in messages])
        return super()._next(messages)


def refuse_others(roles: list[str]) -> None:
    spoken = roles[1:] if roles[0] == "system" else roles
    wanted = [("human", "user"), ("ai", "assistant")] * len(spoken)
    if any(role not in allowed for role, allowed in zip(spoken, wanted, strict=False)):
        raise Refused(roles)


@pytest.fixture
def manager(sqlite_url: str) -> Any:
    with SessionManager(sqlite_url, summary_as="user") as manager:
        told(manager)
        yield manager


def told(manager: SessionManager) -> None:
    """Store a conversation with a summary of what is older than its last turn."""
    stored = manager.add_memory("s", [Message(role=role, content=text) for role, text in SAID], user_id="u")
    manager.add_summary("s", Summary(content="They like rain.", seq=stored[2].seq))


IN_SESSION: Any = {"configurable": {"session_id": "s", "user_id": "u"}}


def test_a_chain_tells_it_in_the_first_question(manager: SessionManager) -> None:
    model = StrictModel()

    with_session_memory(model, manager, turns=1).invoke("And now?", IN_SESSION)

    assert [message.text for message in model.shown[0]] == ["Be kind.", f"{RECAP}Weather?", "Sunny.", "And now?"]
    assert [row.content for row in manager.list_messages("s")][-2:] == ["And now?", "echo And now?"]


def test_where_a_model_takes_it_the_system_tells_it(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        told(manager)

        with pytest.raises(Refused):
            with_session_memory(StrictModel(), manager, turns=1).invoke("And now?", IN_SESSION)


def test_a_question_of_several_parts_keeps_them(manager: SessionManager) -> None:
    model, image = StrictModel(), {"type": "image", "url": "https://example.com/a.png"}
    question: Any = HumanMessage([{"type": "text", "text": "What is it?"}, image])
    chat = with_session_memory(model, manager, turns=1)
    chat.invoke([question], IN_SESSION)

    chat.invoke("And now?", IN_SESSION)

    _, asked, *_ = model.shown[1]
    assert asked.content == [{"type": "text", "text": RECAP}, *question.content]


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["alone", "beside a checkpointer"])
def test_an_agent_tells_it_in_the_first_question(manager: SessionManager, saver: Any) -> None:
    model = StrictModel()
    middleware = ZepMemoryMiddleware(manager, turns=1)
    agent = create_agent(model, system_prompt="Short.", middleware=[middleware], checkpointer=saver)
    manager.delete_messages("s", [str(manager.list_messages("s", 1)[0].uuid)])  # the agent has a head of its own

    for text in ("And now?", "Then?"):
        agent.invoke({"messages": [HumanMessage(text)]}, {"configurable": {"session_id": "s", "thread_id": "t"}})

    first, second = ([message.text for message in shown] for shown in model.shown)
    assert first == ["Short.", f"{RECAP}Weather?", "Sunny.", "And now?"]
    assert second == ["Short.", f"{RECAP}And now?", "echo And now?", "Then?"]
    assert [row.content for row in manager.list_messages("s")][-4:-1] == ["And now?", "echo And now?", "Then?"]


def classic(manager: SessionManager) -> list[tuple[str, Any]]:
    memory = ZepMemory(session_id="s", manager=manager, turns=1, return_messages=True)
    return [(message.type, message.text) for message in memory.load_memory_variables({})["history"]]


def llama_index(manager: SessionManager) -> list[tuple[str, Any]]:
    shown = LlamaIndexMemory(session_id="s", manager=manager, turns=1).get()
    assert all(isinstance(block, TextBlock) for message in shown for block in message.blocks)
    return [(message.role.value, "".join(block.text for block in message.blocks)) for message in shown]  # type: ignore[union-attr]


def openai_agents(manager: SessionManager) -> list[tuple[str, Any]]:
    session = ZepSession("s", manager, max_tokens=8)
    items: Any = asyncio.run(session.get_items())
    return [(item["role"], item["content"]) for item in items]


def agent_framework(manager: SessionManager) -> list[tuple[str, Any]]:
    provider = ZepHistoryProvider(manager, turns=1)
    shown = asyncio.run(provider.get_messages("s"))
    return [(message.role, "\n\n".join(content.text or "" for content in message.contents)) for message in shown]


Read = Callable[[SessionManager], list[tuple[str, Any]]]
READERS: list[Read] = [classic, llama_index, openai_agents, agent_framework]


@pytest.mark.parametrize("read", READERS, ids=[each.__name__ for each in READERS])
def test_every_adapter_tells_it_in_the_first_question(manager: SessionManager, read: Read) -> None:
    shown = read(manager)

    refuse_others([role for role, _ in shown])
    assert [text for _, text in shown] == ["Be kind.", f"{RECAP}Weather?", "Sunny."]


@pytest.mark.parametrize("read", READERS, ids=[each.__name__ for each in READERS])
def test_a_window_without_a_question_gets_one(sqlite_url: str, read: Read) -> None:
    with SessionManager(sqlite_url, summary_as="user") as manager:
        stored = manager.add_memory("s", [Message(role="system", content="Be kind."), Message(role="ai", content="Hi")])
        manager.add_summary("s", Summary(content="They like rain.", seq=stored[0].seq))

        shown = read(manager)

    refuse_others([role for role, _ in shown])
    assert [text for _, text in shown] == ["Be kind.", RECAP.strip(), "Hi"]


def test_an_item_of_several_parts_keeps_them(manager: SessionManager) -> None:
    image = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    session = ZepSession("s", manager, max_tokens=1)
    item: Any = {"role": "user", "content": [{"type": "input_text", "text": "Look"}, image]}
    asyncio.run(session.add_items([item]))

    *_, shown = asyncio.run(session.get_items())

    said = {"type": "input_text", "text": RECAP.strip()}
    assert shown == {"role": "user", "content": [said, *item["content"]]}


def test_nobody_else_can_tell_it() -> None:
    with pytest.raises(InvalidInput, match="summary_as is 'assistant'; allowed are 'system' and 'user'"):
        SessionManager("sqlite://", summary_as="assistant")  # type: ignore[arg-type]
