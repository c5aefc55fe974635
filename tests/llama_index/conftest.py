"""Fixtures for the LlamaIndex adapters."""

from collections.abc import Iterator

import pytest

from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import ZepMemory


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager of an empty database, once on SQLite and once on Postgres."""
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def memory(manager: SessionManager) -> ZepMemory:
    """Return the memory of Alice's session."""
    return ZepMemory(manager=manager, session_id="alice-1", user_id="alice")
