"""Conversation memory on the application's own database: sessions, users, messages, on SQLite or Postgres."""

from .context import CurrentSession, current_session, use_session
from .errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    MessageNotFound,
    NotFound,
    SchemaOutdated,
    SessionExists,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    UserExists,
    UserNotFound,
    ZepMemoryError,
)
from .manager import SessionManager
from .models import Memory, Message, PurgeReport, SearchResult, Session, Summary, ToolCall, User

__all__ = [
    "Conflict",
    "CurrentSession",
    "DatabaseUnavailable",
    "InvalidInput",
    "Memory",
    "Message",
    "MessageNotFound",
    "NotFound",
    "PurgeReport",
    "SchemaOutdated",
    "SearchResult",
    "Session",
    "SessionExists",
    "SessionManager",
    "SessionNotFound",
    "SessionOwnedByAnotherUser",
    "Summary",
    "ToolCall",
    "User",
    "UserExists",
    "UserNotFound",
    "ZepMemoryError",
    "current_session",
    "use_session",
]
