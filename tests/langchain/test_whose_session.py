"""Whose session a run works in: the user that surrounds it holds whatever names the session."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from tests.langchain.models import ScriptedModel, texts
from zep_memory_plugin import Message, SessionManager, SessionOwnedByAnotherUser, use_session
from zep_memory_plugin.langchain import ZepMemoryMiddleware, with_session_memory


@pytest.fixture
def manager(sqlite_manager: SessionManager) -> SessionManager:
    """One with a session of Alice's."""
    sqlite_manager.add_memory("alice-1", [Message(role="user", content="a secret")], user_id="alice")
    return sqlite_manager


def remembering(manager: SessionManager, model: ScriptedModel, kind: str) -> Any:
    """Return a model with memory, in a chain or in an agent."""
    if kind == "chain":
        return with_session_memory(model, manager)
    return create_agent(model, middleware=[ZepMemoryMiddleware(manager)])


def asking(kind: str) -> Any:
    return "q" if kind == "chain" else {"messages": [HumanMessage("q")]}


@pytest.mark.parametrize("kind", ["chain", "agent"])
@pytest.mark.parametrize("named", [{"session_id": "alice-1"}, {"thread_id": "alice-1"}])
def test_a_session_of_another_user_is_refused(kind: str, named: dict[str, str], manager: SessionManager) -> None:
    model = ScriptedModel()

    with use_session("bob-1", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        remembering(manager, model, kind).invoke(asking(kind), {"configurable": named})

    assert model.shown == []
    assert len(manager.list_messages("alice-1")) == 1


@pytest.mark.parametrize("kind", ["chain", "agent"])
def test_a_session_that_a_thread_names_gets_the_user(kind: str, manager: SessionManager) -> None:
    with use_session("elsewhere", user_id="bob"):
        remembering(manager, ScriptedModel(), kind).invoke(asking(kind), {"configurable": {"thread_id": "t"}})

    assert manager.get_session("t").user_id == "bob"


def test_a_thread_does_not_go_on_for_another_user(manager: SessionManager) -> None:
    model = ScriptedModel()
    agent = create_agent(model, middleware=[ZepMemoryMiddleware(manager)], checkpointer=InMemorySaver())
    thread = {"thread_id": "t"}
    agent.invoke(asking("agent"), {"configurable": thread | {"session_id": "alice-1", "user_id": "alice"}})

    with use_session("bob-1", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        agent.invoke(asking("agent"), {"configurable": thread})

    assert len(model.shown) == 1


@pytest.mark.parametrize("save_input", ["start", "end"])
@pytest.mark.parametrize("messages", [[], [HumanMessage("show me")]], ids=["nothing", "a question"])
def test_a_thread_without_a_user_shows_nobody_a_session_of_somebody(
    save_input: Any, messages: list[HumanMessage], manager: SessionManager
) -> None:
    """The owner is asked about before the model is, though the thread knows where it began."""
    model = ScriptedModel()
    memory = ZepMemoryMiddleware(manager, save_input=save_input)
    agent = create_agent(model, middleware=[memory], checkpointer=InMemorySaver())
    thread = {"thread_id": "t", "session_id": "alice-1"}
    agent.invoke(asking("agent"), {"configurable": thread})

    with pytest.raises(SessionOwnedByAnotherUser):
        agent.invoke({"messages": messages}, {"configurable": thread | {"user_id": "mallory"}})

    assert [texts(shown) for shown in model.shown] == [["a secret", "q"]]
