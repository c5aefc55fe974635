"""What comes in: the bodies of requests, in which unknown fields and nulls mean nothing, as in Zep's own server."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, cast, get_args
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..core.checks import EARLIEST
from ..errors import InvalidInput
from ..models import Message, Session, User
from ..types import Metadata, SearchMode, SearchOptions, SearchScope
from .layers.paths import decoded

NOTHING = "0001-01-01"
"""How the moment starts that a client in Go sends for none."""

FIRST_MOMENT = EARLIEST + timedelta(days=1)
"""Before anything was written: as a start date it keeps everything."""

DEFAULT_RESULTS = 10


def _uuid(part: str) -> str:
    """Refuse what is no uuid, as Zep's own server does, though a manager would take an id of another framework."""
    UUID(part)
    return part


SessionId = Annotated[str, Path(description="The id of a session, percent-encoded."), AfterValidator(decoded)]
UserId = Annotated[str, Path(description="The id of a user, percent-encoded."), AfterValidator(decoded)]
MessageId = Annotated[str, Path(description="The uuid of a message."), AfterValidator(_uuid)]


def _number(value: object) -> int:
    """Return a number of a query; nothing is 0."""
    try:
        number = int(str(value or 0))
    except ValueError:
        raise ValueError("not a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError("not a number of 64 bits")
    return number


Number = Annotated[int, BeforeValidator(_number), Query()]
"""A whole number that may be missing or empty, which is 0."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


class SessionBody(_Body):
    """A session to add."""

    session_id: str | None = None
    user_id: str | None = None
    metadata: Metadata | None = None

    def session(self) -> Session:
        """Return the session that is meant."""
        return Session(session_id=self.session_id or "", user_id=self.user_id, metadata=self.metadata)


class MetadataBody(_Body):
    """Metadata to merge into what is stored."""

    metadata: Metadata | None = None

    def without_system(self) -> Metadata | None:
        """Return the metadata without the key `system`, which is the server's own."""
        if not isinstance(self.metadata, dict):
            return self.metadata
        return {key: value for key, value in self.metadata.items() if key != "system"}


class MessageBody(_Body):
    """A message to append."""

    uuid: str | None = Field(default=None, json_schema_extra={"format": "uuid"})
    created_at: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    role: str | None = None
    content: str | None = None
    token_count: int | None = None
    metadata: Metadata | None = None

    def message(self) -> Message:
        """Return the message that is meant; what a client in Go sends for nothing is nothing."""
        return Message(
            uuid=None if self.uuid in ("", str(UUID(int=0))) else self.uuid,
            created_at=moment("created_at", self.created_at),
            role=self.role or "",
            content=self.content or "",
            token_count=self.token_count or None,
            metadata=self.metadata,
        )


class MemoryBody(_Body):
    """Messages to append to a session."""

    messages: list[MessageBody] | None = None

    def batch(self) -> list[Message]:
        """Return the messages that are meant."""
        return [body.message() for body in self.messages or ()]


class SearchBody(_Body):
    """What to look for in a session."""

    text: str | None = None
    metadata: Metadata | None = None
    search_scope: str | None = None
    search_type: str | None = None
    mmr_lambda: float | None = Field(default=None, allow_inf_nan=False)

    def options(self, session_id: str, limit: int, mode: SearchMode) -> SearchOptions:
        """Return what the manager is to be told beside the text; unknown keys of the metadata mean nothing."""
        scope = _scope(self.search_scope or "messages")
        options: SearchOptions = {"session_id": session_id, "scope": scope, **self._filters()}
        options["limit"] = None if limit < 0 else limit or DEFAULT_RESULTS
        options["mode"] = mode if scope == "messages" and self.text else "lexical"
        if self.search_type == "mmr":
            options["mmr_lambda"] = self.mmr_lambda or 0.5
        return options

    def _filters(self) -> SearchOptions:
        if not self.metadata:
            return {}
        if not isinstance(self.metadata, dict):
            raise InvalidInput("metadata", "is no object")
        start, end = (moment(name, self.metadata.get(name)) for name in ("start_date", "end_date"))
        filters: SearchOptions = {"start_date": start or FIRST_MOMENT, "end_date": end}
        if (where := self.metadata.get("where")) is not None:
            filters["where"] = where  # type: ignore[typeddict-item]  # the manager says what it may be
        return filters


def _scope(value: str) -> SearchScope:
    if value not in get_args(SearchScope):
        raise InvalidInput("search_scope", "is unknown; allowed are messages and summary")
    return cast("SearchScope", value)


class UserBody(_Body):
    """A user to add, or the fields of one to change."""

    user_id: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    metadata: Metadata | None = None

    def user(self, user_id: str | None = None) -> User:
        """Return the user that is meant, which *user_id* names where the body does not."""
        return User(
            user_id=self.user_id or "" if user_id is None else user_id,
            email=self.email,
            first_name=self.first_name,
            last_name=self.last_name,
            metadata=self.metadata,
        )


def moment(field: str, value: object) -> datetime | None:
    """Return the moment that *value* names; a day alone begins at midnight, in UTC where it has no timezone.

    Raises:
        InvalidInput: it names none.
    """
    if value is None or value == "" or (isinstance(value, str) and value.startswith(NOTHING)):
        return None
    if not isinstance(value, str):
        raise InvalidInput(field, "is no text")
    try:
        named = datetime.fromisoformat(value.strip())
    except ValueError:
        raise InvalidInput(field, "is no moment such as 2024-05-01T12:00:00Z") from None
    return named if named.tzinfo else named.replace(tzinfo=UTC)
