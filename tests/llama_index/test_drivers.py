"""Blocking and async calls mix on every driver, inside running loops and across loops."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import Memory

from tests.llama_index.scripted import ScriptedModel, assistant
from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import ZepAsyncChatStore, ZepMemory


@pytest.fixture(params=["sqlite", "sqlite in memory", "sqlite+aiosqlite", "postgresql", "postgresql+asyncpg"])
def driver_manager(request: pytest.FixtureRequest) -> Iterator[SessionManager]:
    """Return a manager on each driver."""
    driver = request.param
    url = "sqlite://"
    if driver != "sqlite in memory":
        plain = request.getfixturevalue("sqlite_url" if "sqlite" in driver else "shared_postgres_url")
        url = f"{driver}://{plain.split('://', 1)[1]}"
    with SessionManager(url) as manager:
        yield manager


def test_an_engine_is_used_from_everywhere(driver_manager: SessionManager) -> None:
    """Without a loop, in a running one, in a second one, from a thread; streamed and whole."""
    memory = ZepMemory(manager=driver_manager, session_id="s")
    replies = [f"reply {number}" for number in range(8)]
    engine = SimpleChatEngine.from_defaults(memory=memory, llm=ScriptedModel.of(*replies))

    async def in_a_loop() -> None:
        engine.chat("blocking in a loop")
        "".join(engine.stream_chat("streamed in a loop").response_gen)
        await engine.achat("awaited")
        assert len(engine.chat_history) > 2

    engine.chat("blocking")
    "".join(engine.stream_chat("streamed").response_gen)
    asyncio.run(in_a_loop())
    asyncio.run(in_a_loop())

    assert [message for message in engine.chat_history if message.role == "assistant"] == [
        assistant(reply) for reply in replies
    ]
    thread = threading.Thread(target=engine.reset)
    thread.start()
    thread.join()
    assert engine.chat_history == []


def test_the_memory_of_llama_index_is_used_from_everywhere(driver_manager: SessionManager) -> None:
    """Its blocking methods make event loops of their own, some in threads."""
    memory = Memory.from_defaults(session_id="s", chat_store=ZepAsyncChatStore(manager=driver_manager))
    replies = [f"reply {number}" for number in range(8)]
    engine = SimpleChatEngine.from_defaults(memory=memory, llm=ScriptedModel.of(*replies))

    async def in_a_loop() -> None:
        engine.chat("blocking in a loop")
        "".join(engine.stream_chat("streamed in a loop").response_gen)
        await engine.achat("awaited")

    engine.chat("blocking")
    "".join(engine.stream_chat("streamed").response_gen)
    asyncio.run(in_a_loop())
    asyncio.run(in_a_loop())

    assert [message for message in engine.chat_history if message.role == "assistant"] == [
        assistant(reply) for reply in replies
    ]
