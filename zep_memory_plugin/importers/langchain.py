"""Tables of LangChain's `SQLChatMessageHistory` and of both `PostgresChatMessageHistory`."""

import json
from collections.abc import Iterator
from typing import Any

from .. import forms
from ..models import Message
from .lines import Lines, Said
from .tables import in_utc, rows

with forms.needing("langchain-core"):
    from langchain_core.messages import messages_from_dict

    from ..langchain._messages import to_row

_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


def from_langchain(database: str, table: str = "message_store", *, user_id: str | None = None) -> Lines:
    """Return what a *table* of a *database* holds, a URL or the path of an SQLite file, as sessions of *user_id*.

    `SQLChatMessageHistory` calls the table `message_store` unless told otherwise; that of `langchain_postgres` has the
    name that the application has chosen. Metadata of the table, of which LangChain has none, stays behind.
    """
    return Lines(f"langchain {table}", _said(database, table), user_id)


def _said(database: str, table: str) -> Iterator[Said]:
    columns = ("id", "session_id", "message", "created_at")
    for row in rows(database, table, columns, ("session_id", "id")):
        created_at = getattr(row, "created_at", None)
        yield Said(str(row.session_id), row.id, _message(row.message), in_utc(created_at))


def _message(stored: object) -> Message:
    """Return the message that is *stored*; one that LangChain cannot read comes as the text that it is."""
    try:
        read: Any = json.loads(stored) if isinstance(stored, str | bytes) else stored
        return to_row(messages_from_dict([read])[0])
    except _UNREADABLE:
        text = stored if isinstance(stored, str) else json.dumps(stored, default=str)
        return Message(role="unreadable", content=text)
