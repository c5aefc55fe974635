"""A conversation that one framework wrote is read by every other: roles, text, calls with their results, in order."""

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from agent_framework import AgentSession
from strands.types.session import SessionAgent

from tests.frameworks.conversations import FRAMEWORKS, IMAGE, PIXEL, REASONING, Words
from zep_memory_plugin import SessionManager
from zep_memory_plugin.agent_framework import ZepSessionStore
from zep_memory_plugin.google_adk import ZepSessionService
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
