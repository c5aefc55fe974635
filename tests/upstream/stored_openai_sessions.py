"""A pytest plugin that puts our session instead of `SQLiteSession`, in the tests of the OpenAI Agents SDK."""

import tempfile
from pathlib import Path
from typing import Any

import agents
import agents.extensions.memory.encrypt_session  # whose short cuts into `SQLiteSession` are not for others
import agents.memory
import agents.memory.sqlite_session

from zep_memory_plugin import SessionManager
from zep_memory_plugin.openai_agents import ZepSession


class StoredSession(ZepSession):
    """A session with a manager of its own, made and closed as `SQLiteSession` is."""

    def __init__(self, session_id: str, db_path: str | Path = ":memory:", **options: Any) -> None:
        directory = tempfile.mkdtemp() if str(db_path) == ":memory:" else None
        path = Path(directory, "zep.db") if directory else Path(f"{db_path}.zep")
        super().__init__(session_id, SessionManager(f"sqlite:///{path}"), **options)
        self._closed = False

    async def add_items(self, items: list[Any], **options: Any) -> None:
        """Refuse a closed session, also for no items."""
        if self._closed:
            raise RuntimeError("the session is closed")
        await super().add_items(items, **options)

    def close(self) -> None:
        self._closed = True
        self._manager.close()


for module in (agents, agents.memory, agents.memory.sqlite_session):
    module.SQLiteSession = StoredSession  # type: ignore[misc,attr-defined]  # before the tests import it
