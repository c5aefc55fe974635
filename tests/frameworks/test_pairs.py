"""A conversation that one framework wrote is read by every other: roles, text, calls with their results, in order."""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from agent_framework import AgentSession
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from strands.types.session import SessionAgent

from tests.frameworks.conversations import FRAMEWORKS, IMAGE, PIXEL, REASONING, Words
from zep_memory_plugin import SessionManager
from zep_memory_plugin.agent_framework import ZepSessionStore
from zep_memory_plugin.google_adk import ZepSessionService
from zep_memory_plugin.langchain import ZepChatMessageHistory
from zep_memory_plugin.llama_index import ZepMemory
from zep_memory_plugin.strands import ZepSessionRepository

TABLE = Path(__file__).parents[2] / "docs/frameworks/README.md"
SAID = Words().said
PAIRS = list(product(FRAMEWORKS, FRAMEWORKS))


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_what_one_wrote_another_reads(manager: SessionManager, writer: str, reader: str) -> None:
    """And the writer itself gets its own objects back, equal."""
    written = FRAMEWORKS[writer].objects(Words())
    FRAMEWORKS[writer].write(manager, "trip", written)
    read = FRAMEWORKS[reader].read(manager, "trip")

    assert FRAMEWORKS[reader].said(read) == SAID
    if reader == writer:
        assert [FRAMEWORKS[reader].plain(each) for each in read] == [FRAMEWORKS[writer].plain(each) for each in written]


def _by_langchain(manager: SessionManager) -> None:
    calls: Any = [{"name": "weather", "args": {"city": city}, "id": None} for city in ("Lisbon", "Oslo")]
    results = [ToolMessage(text, tool_call_id="", name="weather") for text in ("21 degrees", "4 degrees")]
    said = [HumanMessage("Which is warmer?"), AIMessage("", tool_calls=calls), *results, AIMessage("Lisbon.")]
    ZepChatMessageHistory("trip", manager).add_messages(said)


def _by_llama_index(manager: SessionManager) -> None:
    calls = [ToolCallBlock(tool_name="weather", tool_kwargs={"city": city}) for city in ("Lisbon", "Oslo")]
    results = [ChatMessage(text, role="tool") for text in ("21 degrees", "4 degrees")]
    said = [ChatMessage("Which is warmer?"), ChatMessage(role="assistant", blocks=calls), *results]
    ZepMemory(manager=manager, session_id="trip").put_messages([*said, ChatMessage("Lisbon.", role="assistant")])


@pytest.mark.parametrize("write", [_by_langchain, _by_llama_index], ids=["LangChain", "LlamaIndex"])
@pytest.mark.parametrize("reader", FRAMEWORKS)
def test_calls_and_results_without_an_id_are_of_each_other_to_every_reader(
    manager: SessionManager, reader: str, write: Callable[[SessionManager], None]
) -> None:
    """Some models give none."""
    write(manager)
    read = FRAMEWORKS[reader].read(manager, "trip")
    if reader == "LangChain":  # whose plain history is what was stored
        read = ZepChatMessageHistory("trip", manager, window={"turns": 9}).messages
    said = FRAMEWORKS[reader].said(read)

    calls = {atom[1]: json.loads(atom[-1])["city"] for atom in said if atom[0] == "call"}
    results = {atom[1]: atom[-1] for atom in said if atom[0] == "result"}
    assert list(calls.values()) == ["Lisbon", "Oslo"]
    assert results == dict(zip(calls, ["21 degrees", "4 degrees"], strict=True))
    assert all(calls)


@pytest.mark.parametrize("last", FRAMEWORKS)
def test_one_conversation_goes_through_all_of_them(manager: SessionManager, last: str) -> None:
    """Each goes on with the conversation, and the last reads what all of them wrote."""
    turns = {name: Words(f" ({name})") for name in FRAMEWORKS}
    for name, framework in FRAMEWORKS.items():
        framework.write(manager, "trip", framework.objects(turns[name]))

    read = FRAMEWORKS[last].said(FRAMEWORKS[last].read(manager, "trip"))
    assert read == [atom for words in turns.values() for atom in words.said]


def test_the_states_that_frameworks_keep_of_one_session_leave_each_other_alone(manager: SessionManager) -> None:
    """Each is far larger than metadata may be."""
    large, names = "x" * 200_000, {"app_name": "app", "user_id": "alice", "session_id": "trip"}
    service = ZepSessionService(manager, session_ids=lambda _, __, session_id: session_id)
    repository, store = ZepSessionRepository(manager), ZepSessionStore(manager)
    agent, session = SessionAgent("guide", {"strands": large}, {}), AgentSession(session_id="trip")
    session.state["agent framework"] = large

    asyncio.run(service.create_session(**names, state={"adk": large}))  # type: ignore[arg-type]
    repository.create_agent("trip", agent)
    repository.create_agent("trip", SessionAgent("other", {}, {}))
    asyncio.run(store.set("trip", session))

    kept = asyncio.run(service.get_session(**names)), asyncio.run(store.get("trip"))
    assert [each.state if each else None for each in kept] == [{"adk": large}, {"agent framework": large}]
    assert repository.read_agent("trip", "guide") == agent


def kept(manager: SessionManager, writer: str, reader: str) -> str:
    """Return in words what *reader* gets of what *writer* wrote."""
    session_id = f"{writer} to {reader}"
    FRAMEWORKS[writer].write(manager, session_id, FRAMEWORKS[writer].objects(Words()))
    read = FRAMEWORKS[reader].read(manager, session_id)
    parts = ["text, calls, results"] if FRAMEWORKS[reader].said(read) == SAID else ["less"]
    everything = repr([FRAMEWORKS[reader].plain(each) for each in read])
    parts += ["image"] if PIXEL in everything or IMAGE in everything else []
    parts += ["reasoning"] if REASONING in everything else []
    return ", ".join(parts)


def test_the_table_says_what_each_pair_keeps() -> None:
    """The table in docs/ is what this makes; put it there when it differs."""
    with SessionManager("sqlite://") as manager:
        lines = [f"| written by | {' | '.join(FRAMEWORKS)} |", f"| --- |{' --- |' * len(FRAMEWORKS)}"]
        for writer in FRAMEWORKS:
            cells = [kept(manager, writer, reader) for reader in FRAMEWORKS]
            lines.append(f"| {writer} | {' | '.join(cells)} |")
    table = "\n".join(lines)

    assert table in TABLE.read_text(), f"\n{table}\n"
