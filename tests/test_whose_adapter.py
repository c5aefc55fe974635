"""The user of `use_session` holds for every adapter: one that is given a session of somebody else is refused it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolCall
from llama_index.core.base.llms.types import ChatMessage

from tests.langchain.models import ScriptedModel
from zep_memory_plugin import InvalidInput, Message, SessionManager, SessionOwnedByAnotherUser, use_session
from zep_memory_plugin import agent_framework as af
from zep_memory_plugin import google_adk as ga
from zep_memory_plugin import langchain as lc
from zep_memory_plugin import llama_index as li
from zep_memory_plugin import openai_agents as oa
from zep_memory_plugin import pydantic_ai as pa
from zep_memory_plugin import strands as st
from zep_memory_plugin.context import user_of

Use = Callable[[SessionManager], Any]
IN_ALICES: Any = {"configurable": {"session_id": "alice-1"}}
QUESTION = ChatMessage("what is the secret?", role="user")

USES: dict[tuple[str, str], Use] = {
    ("langchain", "ZepChatMessageHistory"): lambda manager: lc.ZepChatMessageHistory("alice-1", manager).messages,
    ("langchain", "history_factory"): lambda manager: lc.history_factory(manager)("alice-1").clear(),
    ("langchain", "ZepMemory"): lambda manager: lc.ZepMemory(
        session_id="alice-1", manager=manager
    ).load_memory_variables({}),
    ("langchain", "ZepMemoryMiddleware"): lambda manager: create_agent(
        ScriptedModel(), middleware=[lc.ZepMemoryMiddleware(manager)]
    ).invoke({"messages": [HumanMessage("q")]}, IN_ALICES),
    ("langchain", "ZepRetriever"): lambda manager: lc.ZepRetriever(manager=manager, session_id="alice-1").invoke("a"),
    ("langchain", "with_session_memory"): lambda manager: lc.with_session_memory(ScriptedModel(), manager).invoke(
        "q", IN_ALICES
    ),
    ("llama_index", "ZepAsyncChatStore"): lambda manager: asyncio.run(
        li.ZepAsyncChatStore(manager=manager).get_messages("alice-1")
    ),
    ("llama_index", "ZepChatStore"): lambda manager: li.ZepChatStore(manager=manager).get_messages("alice-1"),
    ("llama_index", "ZepMemory"): lambda manager: li.ZepMemory(manager=manager, session_id="alice-1").get(),
    ("llama_index", "ZepMemoryBlock"): lambda manager: asyncio.run(
        li.ZepMemoryBlock(manager=manager).aget([QUESTION], session_id="alice-1")
    ),
    ("llama_index", "ZepRetriever"): lambda manager: li.ZepRetriever(manager, session_id="alice-1").retrieve("a"),
    ("agent_framework", "ZepHistoryProvider"): lambda manager: asyncio.run(
        af.ZepHistoryProvider(manager).get_messages("alice-1")
    ),
    ("agent_framework", "ZepSessionStore"): lambda manager: asyncio.run(af.ZepSessionStore(manager).get("alice-1")),
    ("google_adk", "ZepSessionService"): lambda manager: asyncio.run(
        ga.ZepSessionService(manager, session_ids=lambda *_: "alice-1").get_session(
            app_name="app", user_id=user_of(None) or "", session_id="any"
        )
    ),
    ("pydantic_ai", "ZepConversationStore"): lambda manager: asyncio.run(
        pa.ZepConversationStore(manager).load("alice-1")
    ),
    ("strands", "ZepSessionRepository"): lambda manager: st.ZepSessionRepository(manager).list_messages("alice-1", "a"),
    ("openai_agents", "ZepSession"): lambda manager: asyncio.run(oa.ZepSession("alice-1", manager).get_items()),
}
"""A use of each adapter in a session that it is given."""

GIVEN_NO_SESSION = {
    ("agent_framework", "ZepContextProvider"),  # it is given a user
    ("google_adk", "ZepMemoryService"),  # it is given a user
    ("google_adk", "ZepSessionConfig"),
    ("google_adk", "session_id_of"),
    ("strands", "ZepMemoryStore"),  # it is given a user
    ("langchain", "search_memory_tool"),  # it is given a user, by the run alone
    ("llama_index", "search_memory_tool"),  # it is given a user, by the block alone
    ("llama_index", "ManagerNotRegistered"),
    ("llama_index", "register_manager"),
    ("llama_index", "unregister_manager"),
}


@pytest.fixture
def manager() -> Iterator[SessionManager]:
    """One with a session of Alice's."""
    with SessionManager("sqlite://") as manager:
        manager.add_memory("alice-1", [Message(role="user", content="a secret")], user_id="alice")
        yield manager


def test_every_public_name_of_an_adapter_is_used_here_or_given_no_session() -> None:
    """Also tomorrow's: one that is added needs a use."""
    public = {
        (module.__name__.split(".")[-1], name) for module in (af, ga, lc, li, oa, pa, st) for name in module.__all__
    }

    assert public == USES.keys() | GIVEN_NO_SESSION


@pytest.mark.parametrize("use", USES.values(), ids=map(".".join, USES))
def test_the_session_of_another_user_is_refused(use: Use, manager: SessionManager) -> None:
    with use_session("bob-1", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        use(manager)

    assert [message.content for message in manager.list_messages("alice-1")] == ["a secret"]


@pytest.mark.parametrize("use", USES.values(), ids=map(".".join, USES))
def test_ones_own_session_is_in_reach(use: Use, manager: SessionManager) -> None:
    with use_session("elsewhere", user_id="alice"):
        use(manager)


def calls(adapter: Any, names: dict[str, tuple[Any, ...]]) -> Iterator[Callable[[], Any]]:
    """Yield what calls each of these methods with its arguments, on the adapter and in both colours."""
    for name, arguments in names.items():
        yield lambda name=name, arguments=arguments: getattr(adapter, name)(*arguments)
        twin = "async_add_message" if (name, li.ZepChatStore) == ("add_message", type(adapter)) else f"a{name}"
        yield lambda twin=twin, arguments=arguments: _awaited(getattr(adapter, twin), arguments)


def _awaited(method: Any, arguments: tuple[Any, ...]) -> Any:
    async def call() -> Any:
        return await method(*arguments)

    return asyncio.run(call())


def test_every_method_of_a_view_on_a_session_refuses_it(manager: SessionManager) -> None:
    """In both colours, reading, writing and deleting."""
    said, message = [HumanMessage("q")], ChatMessage("q", role="user")
    history: dict[str, tuple[Any, ...]] = {"get_messages": (), "add_messages": (said,), "clear": (), "search": ("a",)}
    classic: dict[str, tuple[Any, ...]] = {
        "load_memory_variables": ({},),
        "save_context": ({"input": "q"}, {"output": "a"}),
        "clear": (),
    }
    memory: dict[str, tuple[Any, ...]] = {
        "get": (),
        "get_all": (),
        "put": (message,),
        "put_messages": ([message],),
        "set": ([message],),
        "reset": (),
    }
    store: dict[str, tuple[Any, ...]] = {
        "get_messages": ("alice-1",),
        "add_message": ("alice-1", message),
        "set_messages": ("alice-1", [message]),
        "delete_messages": ("alice-1",),
        "delete_message": ("alice-1", 0),
        "delete_last_message": ("alice-1",),
    }
    every = [
        *calls(lc.ZepChatMessageHistory("alice-1", manager), history),
        *calls(lc.ZepMemory(session_id="alice-1", manager=manager), classic),
        *calls(li.ZepMemory(manager=manager, session_id="alice-1"), memory),
        *calls(li.ZepChatStore(manager=manager), store),
    ]

    with use_session("bob-1", user_id="bob"):
        for call in every:
            with pytest.raises(SessionOwnedByAnotherUser):
                call()
        assert li.ZepChatStore(manager=manager).get_keys() == []

    assert [message.content for message in manager.list_messages("alice-1")] == ["a secret"]


def test_a_user_that_an_adapter_is_given_goes_before_the_surrounding_one(manager: SessionManager) -> None:
    with use_session("bob-1", user_id="bob"):
        history = lc.ZepChatMessageHistory("alice-1", manager, user_id="alice").messages
        messages = li.ZepChatStore(manager=manager, user_id="alice").get_messages("alice-1")

    assert (len(history), len(messages)) == (1, 1)


def test_the_surrounding_user_owns_the_sessions_that_adapters_begin(manager: SessionManager) -> None:
    with use_session("elsewhere", user_id="bob"):
        lc.ZepChatMessageHistory("bob-1", manager).add_messages([HumanMessage("q")])
        li.ZepChatStore(manager=manager).add_message("bob-2", ChatMessage("q", role="user"))

    assert [manager.get_session(name).user_id for name in ("bob-1", "bob-2")] == ["bob", "bob"]


def test_the_search_tool_looks_in_no_session_of_another_user(manager: SessionManager) -> None:
    """Its user is the run's."""
    tool = lc.search_memory_tool(manager)
    call: ToolCall = {"name": tool.name, "args": {"query": "secret"}, "id": "1", "type": "tool_call"}

    with use_session("bob-1", user_id="bob"):
        assert "secret" not in tool.invoke(call).content
    with pytest.raises(InvalidInput, match="user_id"):
        tool.invoke(call)
