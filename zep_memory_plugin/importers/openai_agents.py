"""Tables of the OpenAI Agents SDK's `SQLiteSession` and `SQLAlchemySession`."""

import json
from collections.abc import Iterator
from typing import Any

from ..models import Message
from ..openai_agents.items import to_row
from .lines import Lines, Said
from .tables import in_utc, rows

_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


def from_openai_agents(database: str, table: str = "agent_messages", *, user_id: str | None = None) -> Lines:
    """Return what a *table* of a *database* holds, a URL or the path of an SQLite file, as sessions of *user_id*.

    Items come in the order in which they were stored, whatever the clocks of the writers said. Usage and branches of
    `AdvancedSQLiteSession` stay behind.
    """
    return Lines(f"openai_agents {table}", _said(database, table), user_id)


def _said(database: str, table: str) -> Iterator[Said]:
    for row in rows(database, table, ("id", "session_id", "message_data", "created_at"), ("session_id", "id")):
        yield Said(row.session_id, row.id, _message(row.message_data), in_utc(row.created_at))


def _message(stored: object) -> Message:
    """Return the item that is *stored*; one that is no item comes as the text that it is."""
    try:
        read: Any = json.loads(stored) if isinstance(stored, str | bytes) else stored
        return to_row(read)
    except _UNREADABLE:
        return Message(role="unreadable", content=stored if isinstance(stored, str) else str(stored))
