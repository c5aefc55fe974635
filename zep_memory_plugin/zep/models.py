"""The models of zep-python 1.5. Times are text, as they come over HTTP."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ..core import foreign
from ..types import Metadata

Fields = dict[str, object]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    def to_dict(self) -> Fields:
        """Return the fields."""
        return self.model_dump()

    def body(self) -> Fields:
        """Return the fields that are set, as they go over HTTP; metadata keeps None, and what JSON lacks readable."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: _sent(value) for name, value in fields.items() if value is not None}


def _sent(value: Any) -> Any:
    if isinstance(value, _Model):
        return value.body()
    if isinstance(value, list):
        return [_sent(each) for each in value]
    return foreign.readable(value)


class Session(_Model):
    """A conversation."""

    session_id: str
    uuid: str | None = None
    id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None
    user_id: str | None = None
    metadata: Metadata | None = None


class Message(_Model):
    """One message of a session."""

    role: str
    content: str
    uuid: str | None = None
    created_at: str | None = None
    token_count: int | None = None
    metadata: Metadata | None = None


class Summary(_Model):
    """What older messages said, in short."""

    uuid: str
    created_at: str
    content: str
    recent_message_uuid: str
    token_count: int


class Memory(_Model):
    """Messages of a session, oldest first, and the latest summary."""

    messages: list[Message] = []
    metadata: Metadata | None = None
    summary: Summary | None = None
    uuid: str | None = None
    created_at: str | None = None
    token_count: int | None = None


class MemorySearchPayload(_Model):
    """What to look for: a text, metadata, or both."""

    text: str | None = None
    metadata: Metadata | None = None
    search_scope: str | None = "messages"
    search_type: str | None = "similarity"
    mmr_lambda: float | None = None


class MemorySearchResult(_Model):
    """What a search came upon; of `dist`, higher is better. The message is a dictionary, as in the original."""

    message: Metadata | None = None
    summary: Summary | None = None
    metadata: Metadata | None = None
    dist: float | None = None


class CreateUserRequest(_Model):
    """A user to add."""

    user_id: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    metadata: Metadata | None = None


class UpdateUserRequest(CreateUserRequest):
    """The fields of a user to change."""

    uuid: UUID | None = None


class User(CreateUserRequest):
    """Who has sessions."""

    uuid: UUID | None = None
    id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None
