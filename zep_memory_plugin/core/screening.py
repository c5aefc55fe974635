"""What an application makes of messages before they are stored: rows as messages, and messages as rows again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ..errors import InvalidInput
from ..models import Message
from ..types import TokenCounter
from . import checks
from .batches import NATIVE_FORMAT, written
from .messages import WRITTEN, read

Row = dict[str, Any]

_SAID = ("role", "name", "content", "tool_calls", "tool_call_id")
"""Columns that a framework's own form of a message repeats."""

_KEPT = ("uuid", "created_at")

FIELD = "before_store"
"""The application's function, as it is named in errors."""


def messages_of(session_id: str, rows: Iterable[Row]) -> list[Message]:
    """Return what is to be stored in a session as the application sees it."""
    now = datetime.now(UTC)
    return read((_columns(row, now) for row in rows), session_id)


def rows_of(answer: object, rows: Sequence[Row], token_counter: TokenCounter, *, only_known: bool = False) -> list[Row]:
    """Return the rows of the messages that the application answered with, those of *rows* changed accordingly.

    Raises:
        InvalidInput: an answer is no message, or with *only_known* is none that it was asked about.
    """
    if not isinstance(answer, Iterable) or isinstance(answer, str | bytes):
        raise InvalidInput(FIELD, f"returned a {type(answer).__name__}; return the messages to store")
    asked: dict[UUID, Row] = {row["uuid"]: row for row in rows}
    return [_row_of(message, asked, token_counter, only_known) for message in answer]


def _columns(row: Row, now: datetime) -> Sequence[Any]:
    moments = (row.get("seq"), row["created_at"] or now, row.get("updated_at"), row["metadata"])
    return *(row[name] for name in WRITTEN), *moments


def _row_of(message: Any, asked: Mapping[UUID, Row], token_counter: TokenCounter, only_known: bool) -> Row:
    checks.model(FIELD, message, Message)
    before = asked.get(message.uuid)
    if before is None and only_known:
        raise InvalidInput(FIELD, "returned a message that an import or a change does not have")
    if before is None:
        return written(message, token_counter)
    answered = written(_plain(message, before), lambda text: 0)
    if message.native == _native(before) and all(answered[name] == before[name] for name in _SAID):
        return {**before, "metadata": answered["metadata"]}
    made = written(_said_anew(message, before), token_counter)
    return {**before, **{name: value for name, value in made.items() if name not in _KEPT}}


def _native(row: Row) -> str | None:
    """Return the form of a message that is a framework's own; what is ours is made of its text each time."""
    return None if row["native_format"] == NATIVE_FORMAT else row["native"]


def _plain(message: Message, before: Row) -> Message:
    """Return *message* without what is derived from its words."""
    return message.model_copy(update={"native": None, "native_format": None, "token_count": before["token_count"]})


def _said_anew(message: Message, before: Row) -> Message:
    """Return *message*, whose words are others, without the number of tokens and the native form of those before."""
    stale = {"token_count": None} if message.token_count == before["token_count"] else {}
    if message.native == _native(before):
        stale |= {"native": None, "native_format": None}
    return message.model_copy(update=stale)
