"""What the bare drivers have in common: the rows of our tables, and LangChain's messages where it is installed."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
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


_ROWID = "(SELECT id FROM zep_sessions WHERE session_id = {0}.session_id) << 32 | {0}.seq"
_FTS5 = (
    "CREATE VIRTUAL TABLE words USING fts5(content, content='', tokenize='porter')",
    f"INSERT INTO words (rowid, content) SELECT {_ROWID.format('m')}, content FROM zep_messages AS m",
    "CREATE TRIGGER words_in AFTER INSERT ON zep_messages BEGIN "
    f"INSERT INTO words (rowid, content) VALUES ({_ROWID.format('new')}, new.content); END",
    "CREATE TRIGGER words_out AFTER DELETE ON zep_messages BEGIN INSERT INTO words (words, rowid, content) "
    f"VALUES ('delete', {_ROWID.format('old')}, old.content); END",
)
_GIN = "CREATE INDEX words ON zep_messages USING gin (to_tsvector('english', content))"


def keep_words(place: Place) -> None:
    """Let the database keep an index of the words of bare rows: FTS5 by triggers, or GIN over a tsvector."""
    if place.kind == "postgres":
        with psycopg.connect(place.url) as connection:
            connection.execute(_GIN)
        return
    with closing(sqlite3.connect(place.path)) as connection:
        for statement in _FTS5:
            connection.execute(statement)
        connection.commit()


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
