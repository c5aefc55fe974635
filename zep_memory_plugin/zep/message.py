"""`client.message`: the messages of a session, one by one."""

import httpx

from ..core import foreign
from ..types import Metadata
from .asking import Ask, Asker, part
from .models import Message

__all__ = ["Message", "MessageClient"]


class MessageClient:
    """The messages of a session, one by one."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def get_session_messages(self, session_id: str, limit: int | None = 100, cursor: int | None = 1) -> list[Message]:
        """Return messages in order; *cursor* is the number of a page of *limit* messages, and None all there are."""
        return self._asker.ask(_get_session_messages(session_id, limit, cursor))

    async def aget_session_messages(
        self, session_id: str, limit: int | None = 100, cursor: int | None = 1
    ) -> list[Message]:
        """Return messages in order; *cursor* is the number of a page of *limit* messages, and None all there are."""
        return await self._asker.aask(_get_session_messages(session_id, limit, cursor))

    def get_session_message(self, session_id: str, message_id: str) -> Message:
        """Return one message."""
        return self._asker.ask(_get_session_message(session_id, message_id))

    async def aget_session_message(self, session_id: str, message_id: str) -> Message:
        """Return one message."""
        return await self._asker.aask(_get_session_message(session_id, message_id))

    def update_message_metadata(self, session_id: str, message_id: str, metadata: Metadata) -> Message:
        """Merge metadata into a message; *metadata* is `{"metadata": {...}}`, as in the original."""
        return self._asker.ask(_update_message_metadata(session_id, message_id, metadata))

    async def aupdate_message_metadata(self, session_id: str, message_id: str, metadata: Metadata) -> Message:
        """Merge metadata into a message; *metadata* is `{"metadata": {...}}`, as in the original."""
        return await self._asker.aask(_update_message_metadata(session_id, message_id, metadata))


def _message_of(response: httpx.Response) -> Message:
    return Message.model_validate(response.json())


def _messages_of(response: httpx.Response) -> list[Message]:
    return [Message.model_validate(each) for each in response.json()["messages"]]


def _get_session_messages(session_id: str, limit: int | None, cursor: int | None) -> Ask[list[Message]]:
    path = f"/sessions/{part(session_id)}/messages"
    if limit is None or cursor is None:
        return Ask("GET", path, _messages_of)
    if limit <= 0 or cursor <= 0:
        raise ValueError("Both limit and cursor must be positive integers")
    return Ask("GET", path, _messages_of, parameters={"limit": limit, "cursor": cursor})


def _path(session_id: str, message_id: str) -> str:
    return f"/sessions/{part(session_id)}/messages/{part(message_id, 'message_id')}"


def _get_session_message(session_id: str, message_id: str) -> Ask[Message]:
    missing = f"Unable to get message {message_id} for session {session_id}"
    return Ask("GET", _path(session_id, message_id), _message_of, missing=missing)


def _update_message_metadata(session_id: str, message_id: str, metadata: Metadata) -> Ask[Message]:
    missing = f"Unable to update message {message_id} for session {session_id}"
    return Ask("PATCH", _path(session_id, message_id), _message_of, foreign.readable(dict(metadata)), missing=missing)
