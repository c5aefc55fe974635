"""A pytest plugin that gives every agent of LangChain's own tests the memory of a session, and sees what that stores.

Each run has a session of its own, or a thread of a checkpointer has one: the tests count what a model is shown. What a
run returns has to be stored, in its order and once, but for the notes of middleware.
"""

import functools
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import langchain.agents
import langchain.agents.factory
import pytest
from langchain_core.messages import BaseMessage, SystemMessage

from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemoryMiddleware

SAVE_INPUT: Any = os.environ.get("ZEP_SAVE_INPUT", "start")

create_agent = langchain.agents.create_agent
different: list[str] = []


class Runs:
    """The sessions of the runs of one agent."""

    def __init__(self, manager: SessionManager, graph: Any) -> None:
        self._manager = manager
        self._name = uuid4().hex
        self._graph = graph
        self._threads: dict[Any, str] = {}

    def config(self, config: Any) -> Any:
        """Return *config* with the session of a run, unless it names one, as that of an agent in a tool of another."""
        configurable = dict((config or {}).get("configurable") or {})
        thread = configurable.get("thread_id") if self._graph.checkpointer else None
        session_id = uuid4().hex if thread is None else self._threads.setdefault(thread, uuid4().hex)
        configurable.setdefault("session_id", session_id)
        return {**(config or {}), "configurable": configurable}

    def is_in_tool(self, config: Any) -> bool:
        """Tell whether the run of *config* is one in a tool of another agent, whose session it has no part in."""
        return bool(config["configurable"].get("checkpoint_ns"))

    def history(self, config: Any) -> ZepChatMessageHistory:
        """Return what is stored of the run of *config*."""
        return ZepChatMessageHistory(config["configurable"]["session_id"], self._manager, pair_calls=False)


def compare(messages: list[BaseMessage], state: Any) -> None:
    """Note where the *messages* that are stored are not what *state*, of a run that has ended, shows."""
    if not isinstance(state, dict) or not isinstance(state.get("messages"), list) or "__interrupt__" in state:
        return
    stored = [_said(message) for message in messages]
    shown = [_said(each) for each in _without_instructions(state["messages"])]
    is_same = stored == shown or (_is_shortened(state) and _holds(stored, shown))
    if not is_same or len(stored) != len({message.id for message in messages}):
        different.append(f"stored {stored}\nshown  {shown}")


def _is_shortened(state: dict[str, Any]) -> bool:
    """Tell whether the state holds a summary in the place of some of its messages."""
    return any(each.type != "tool" and each.additional_kwargs.get("lc_source") for each in state["messages"])


def _without_instructions(messages: list[Any]) -> list[BaseMessage]:
    said = [message for message in messages if isinstance(message, BaseMessage)]
    said = [each for each in said if each.type == "tool" or not each.additional_kwargs.get("lc_source")]
    while said and isinstance(said[0], SystemMessage):
        said = said[1:]
    return said


def _said(message: BaseMessage) -> tuple[str, str]:
    return message.type, message.text


def _holds(stored: list[Any], shown: list[Any]) -> bool:
    """Tell whether *stored* has all that is *shown*, in order; a summary may have left some of it in the state."""
    left = iter(stored)
    return all(each in left for each in shown)


@functools.wraps(create_agent)
def with_memory(*arguments: Any, middleware: Any = (), **options: Any) -> Any:
    """Make an agent with memory."""
    manager = SessionManager("sqlite://")
    memory = ZepMemoryMiddleware(manager, save_input=SAVE_INPUT)
    graph = create_agent(*arguments, middleware=[memory, *middleware], **options)
    runs, stream, astream, invoke, ainvoke = (
        Runs(manager, graph),
        graph.stream,
        graph.astream,
        graph.invoke,
        graph.ainvoke,
    )

    def streamed(value: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        return stream(value, runs.config(config), **kwargs)

    def astreamed(value: Any, config: Any = None, **kwargs: Any) -> Any:
        return astream(value, runs.config(config), **kwargs)

    def invoked(value: Any, config: Any = None, **kwargs: Any) -> Any:
        config = runs.config(config)
        state = invoke(value, config, **kwargs)
        if not runs.is_in_tool(config):
            compare(runs.history(config).messages, state)
        return state

    async def ainvoked(value: Any, config: Any = None, **kwargs: Any) -> Any:
        config = runs.config(config)
        state = await ainvoke(value, config, **kwargs)
        if not runs.is_in_tool(config):
            compare(await runs.history(config).aget_messages(), state)
        return state

    graph.stream, graph.astream, graph.invoke, graph.ainvoke = streamed, astreamed, invoked, ainvoked
    return graph


# Before the tests import it.
langchain.agents.create_agent = langchain.agents.factory.create_agent = with_memory  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def what_is_stored_is_what_is_shown() -> Iterator[None]:
    different.clear()
    yield
    assert different == []
