"""The table of LlamaIndex's `SQLAlchemyChatStore`, which is also that of `Memory`, and files of `SimpleChatStore`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from .. import forms
from ..core.tokens import estimated_tokens
from ..errors import InvalidInput
from ..models import Message
from .lines import Begun, Lines, Said
from .tables import rows

with forms.needing("ijson llama-index-core"):
    import ijson  # type: ignore[import-untyped]  # it has no stubs
    from llama_index.core.llms import ChatMessage

    from ..llama_index.messages import to_row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


def from_llama_index(database: str, table: str = "llama_index_memory", *, user_id: str | None = None) -> Lines:
    """Return what a *table* of a *database* holds, a URL or the path of an SQLite file, as sessions of *user_id*.

    `Memory` calls the table `llama_index_memory` unless told otherwise. What it has archived stays archived.
    """
    return Lines(f"llama_index {table}", _said(database, table), user_id)


def from_llama_index_json(path: str, *, user_id: str | None = None) -> Lines:
    """Return what a file holds that `SimpleChatStore.persist` has written, as sessions of *user_id*."""
    return Lines("llama_index file", _of_file(path), user_id)


def _said(database: str, table: str) -> Iterator[Said]:
    columns = ("id", "key", "timestamp", "role", "status", "data")
    for row in rows(database, table, columns, ("key", "timestamp", "id")):
        created_at = _EPOCH + timedelta(microseconds=row.timestamp // 1000)
        yield Said(row.key, row.id, _message(row.data), created_at, row.status == "archived")


def _of_file(path: str) -> Iterator[Begun | Said]:
    """Yield what is in a file, one message after the other."""
    position = 0
    try:
        with Path(path).open("rb") as file:
            for session_id, stored in _items(file):
                position = position + 1 if stored is not None else 0
                yield Begun(session_id) if stored is None else Said(session_id, position, _message(stored))
    except ijson.JSONError:
        position = -1
    if position < 0:
        raise InvalidInput("source", "is no file of SimpleChatStore")


def _items(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Yield each key of a store, with None, and each message after it."""
    session_id, builder = "", None
    for prefix, event, value in ijson.parse(file, use_float=True):
        is_item = prefix == f"store.{session_id}.item"
        if (prefix, event) == ("store", "map_key"):
            session_id = value
            yield session_id, None
        elif is_item and event == "start_map":
            builder = ijson.ObjectBuilder()
        if builder is not None:
            builder.event(event, value)
        if builder is not None and is_item and event == "end_map":
            yield session_id, builder.value
            builder = None


def _message(stored: Any) -> Message:
    """Return the message that is *stored*; one that LlamaIndex cannot read comes as the text that it is."""
    try:
        read = json.loads(stored) if isinstance(stored, str) else stored
        return to_row(ChatMessage.model_validate(read), estimated_tokens)
    except _UNREADABLE:
        text = stored if isinstance(stored, str) else json.dumps(stored, default=str)
        return Message(role="unreadable", content=text)
