"""What the bare drivers have in common: the rows of our tables, and LangChain's messages where it is installed."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.uuids import new_uuid

from ..places import Place
from ..workload import TURN, conversation

try:
    from langchain_core.messages import AIMessage, HumanMessage
except ImportError:
    AIMessage = HumanMessage = None  # type: ignore[assignment,misc]

CHUNK = 5_000
COLUMNS = (
    "session_id",
    "seq",
    "uuid",
    "role",
    "role_type",
    "name",
    "content",
    "tool_calls",
    "tool_call_id",
    "token_count",
    "metadata",
    "created_at",
    "native_format",
    "native",
)


def create_tables(place: Place, session_ids: Iterable[str] = ()) -> None:
    """Let this package create its tables, and sessions in them."""
    with SessionManager(place.url) as manager:
        manager.list_sessions(0)
        for session_id in session_ids:
            manager.add_memory(session_id, [Message(role="user")])


def drop_search(place: Place) -> None:
    """Drop the index of search from the messages' table on Postgres, as bare rows are not in it."""
    if place.kind == "postgres":
        with psycopg.connect(place.url) as connection:
            connection.execute("DROP INDEX ix_zep_messages_terms")


def microseconds() -> int:
    """Return the moment as our tables on SQLite have it."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def rows(
    session_id: str,
    last_seq: int,
    messages: Iterable[tuple[str, str]],
    made_uuid: Callable[[], Any],
    now: Any,
) -> list[tuple[Any, ...]]:
    """Return the rows of *messages*, the first after *last_seq*."""
    return [
        (session_id, seq, made_uuid(), role, role, None, content, None, None, 50, None, now, None, None)
        for seq, (role, content) in enumerate(messages, start=last_seq + 1)
    ]


def turn_rows(session_id: str, last_seq: int, made_uuid: Callable[[], Any], now: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a turn whose last message is *last_seq*."""
    return rows(session_id, last_seq - TURN, conversation(), made_uuid, now)


def uuid_bytes() -> bytes:
    """Make a UUID as our tables on SQLite have it."""
    return new_uuid().bytes


def as_messages(found: Iterable[tuple[Any, Any, Any]]) -> list[Any]:
    """Return rows of role, content and uuid, newest first, as LangChain's messages, oldest first."""
    newest_last = reversed(list(found))
    if HumanMessage is None:
        return [Message.model_construct(role=role, content=content, uuid=key) for role, content, key in newest_last]
    return [
        HumanMessage(content=content, id=str(key)) if role == "user" else AIMessage(content=content, id=str(key))
        for role, content, key in newest_last
    ]
