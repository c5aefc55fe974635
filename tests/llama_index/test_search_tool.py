"""A tool with which an agent of LlamaIndex looks up what its user said earlier."""

import asyncio
from datetime import UTC, datetime

import pytest
from llama_index.core.agent.workflow import FunctionAgent

from tests.llama_index.scripted import ScriptedModel, calling
from zep_memory_plugin import InvalidInput, Message, SessionManager, use_session
from zep_memory_plugin.llama_index import ZepMemory, ZepRetriever, register_manager, search_memory_tool

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LISBON = "2026-03-01 user: I like the city of Lisbon"


@pytest.fixture
def cities(manager: SessionManager) -> SessionManager:
    """Two users who like cities, and a session that is nobody's."""
    for session_id, user_id, city in (("a", "alice", "Lisbon"), ("b", "bob", "Bergen"), ("n", None, "Faro")):
        said = Message(role="user", content=f"I like the city of {city}", created_at=NOON)
        manager.add_memory(session_id, [said], user_id=user_id)
    return manager


def test_an_agent_finds_what_its_own_user_said(cities: SessionManager) -> None:
    """In other sessions than that of the run, which the model sees anyway."""
    model = ScriptedModel.of(calling(("1", "search_memory", {"query": "city"})), "Lisbon")
    agent = FunctionAgent(tools=[search_memory_tool(register_manager("app", cities))], llm=model)

    async def ask() -> str:
        with use_session("trip", user_id="alice"):
            memory = ZepMemory(manager="app")
            return str(await agent.run("Which city do I like?", memory=memory))

    assert asyncio.run(ask()) == "Lisbon"
    assert [message.content for message in cities.list_messages("trip") if message.role_type == "tool"] == [LISBON]


def test_the_user_is_given_or_that_of_the_session_around(cities: SessionManager) -> None:
    assert search_memory_tool(cities, user_id="alice")(query="city").content == LISBON
    with use_session("a", user_id="alice"):
        assert search_memory_tool(cities)(query="city").content == "Nothing was found in earlier conversations."
        assert search_memory_tool(cities, include_current=True)(query="city").content == LISBON
    assert search_memory_tool(cities, user_id="alice", limit=0)(query="city").content.startswith("Nothing")
    with pytest.raises(InvalidInput, match="user_id is missing; give the tool a user_id"):
        search_memory_tool(cities)(query="city")


def test_the_model_names_nobody(cities: SessionManager) -> None:
    assert set(search_memory_tool(cities).metadata.get_parameters_dict()["properties"]) == {"query"}


def test_the_classes_say_whose_they_are(cities: SessionManager) -> None:
    """LangChain has classes of the same names."""
    assert repr(ZepMemory(manager=cities, session_id="s")).startswith("llama_index.ZepMemory(")
    assert repr(ZepRetriever(cities, user_id="alice")) == f"llama_index.ZepRetriever({cities!r}, user_id='alice')"
