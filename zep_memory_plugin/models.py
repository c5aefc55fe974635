"""What goes in and comes out: users, sessions, messages, summaries.

The same classes serve input and output. Fields that the store fills (`id`, `created_at`, …) are `None` until then.
"""

import uuid as uuids
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SkipValidation,
    ValidationError,
)

from .errors import InvalidInput, shown

if TYPE_CHECKING:
    Metadata = dict[str, JsonValue]
    """A JSON object. Checked when it is stored: JSON types only, no NaN, bounded depth and size."""
    ToolArguments = dict[str, JsonValue] | str
else:
    Metadata = Annotated[dict[str, Any], SkipValidation]
    ToolArguments = Annotated[dict[str, Any] | str, SkipValidation]

RoleType = Literal["user", "assistant", "system", "tool", "other"]

MessageStatus = Literal["active", "archived"]
SearchMode = Literal["lexical", "semantic", "hybrid"]
SearchScope = Literal["messages", "summary"]
"""Whether a message is in the window that a framework works with, or has left it; both are live."""

_ROLE_TYPES: dict[str, RoleType] = {
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "assistant": "assistant",
    "chatbot": "assistant",
    "developer": "system",
    "function": "tool",
    "human": "user",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "user": "user",
}


def role_type_of(role: str) -> RoleType:
    """Return the role type that a *role* stands for, whoever wrote it: `"ai"`, `"Human"`, `"model"` …"""
    return _ROLE_TYPES.get(role.lower(), "other")


def _problem(error: ValidationError) -> InvalidInput:
    """Say what the first fault of *error* is, without the value: it may be text of a conversation."""
    first = error.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInput):
        return cause
    field = ".".join(str(part) for part in first["loc"]) or error.title
    if first["type"] == "timezone_aware":
        return InvalidInput(field, "has no timezone; give a timezone, such as datetime.now(timezone.utc)")
    return InvalidInput(field, f"is not accepted: {first['msg'][0].lower()}{first['msg'][1:]}")


class _Model(BaseModel):
    """Raises `InvalidInput` where pydantic would raise its own error with the value in it."""

    model_config = ConfigDict(strict=True, extra="forbid", validate_assignment=True, hide_input_in_errors=True)

    if not TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise _problem(error) from None

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise _problem(error) from None


def _no_content(value: object) -> object:
    return "" if value is None else value


def _uuid(value: object) -> uuids.UUID:
    if isinstance(value, uuids.UUID):
        return value
    if isinstance(value, str):
        try:
            return uuids.UUID(value)
        except ValueError:
            pass
    raise InvalidInput("uuid", f"is {shown(value)}, not a UUID")


Uuid = Annotated[uuids.UUID, BeforeValidator(_uuid)]


M = TypeVar("M", bound=BaseModel)


@cache
def _every_field(model: type[BaseModel]) -> set[str]:
    """Return the names of all fields, in a set that many share: nothing can be added to it."""
    return set(model.model_fields)


def stored(model: type[M], fields: dict[str, Any]) -> M:
    """Make a *model* of *fields*, all of them, that were checked when they were stored.

    Does what `model_construct` does, in a fifth of its time: reading is mostly this.
    """
    made = model.__new__(model)
    set_attribute = object.__setattr__
    set_attribute(made, "__dict__", fields)
    set_attribute(made, "__pydantic_fields_set__", _every_field(model))
    set_attribute(made, "__pydantic_extra__", None)
    set_attribute(made, "__pydantic_private__", None)
    return made


class User(_Model):
    """A person or program that sessions belong to."""

    user_id: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    metadata: Metadata | None = None
    uuid: Uuid | None = None
    id: int | None = Field(default=None, description="Position in listings; grows, never reused.")
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None


class Session(_Model):
    """A conversation."""

    session_id: str
    user_id: str | None = None
    metadata: Metadata | None = None
    uuid: Uuid | None = None
    id: int | None = Field(default=None, description="Position in listings; grows, never reused.")
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = Field(default=None, description="Last write to the session or its memory.")
    deleted_at: AwareDatetime | None = None


class ToolCall(_Model):
    """A model's request to run a tool."""

    id: str | None = None
    name: str
    args: ToolArguments = Field(
        default_factory=dict, repr=False, description="An object, or text where the model sent no JSON."
    )


class Message(_Model):
    """One message of a session.

    `role` is the writer's own word (`"human"`, `"ai"`, `"developer"` …), `role_type` what it stands for in every
    framework. `native` is the writer's own JSON, in the format that `native_format` names, when the other fields
    would lose something of it.
    """

    role: str
    content: Annotated[str, BeforeValidator(_no_content)] = Field(default="", repr=False)
    name: str | None = None
    tool_calls: list[ToolCall] | None = Field(default=None, repr=False)
    tool_call_id: str | None = None
    token_count: int | None = Field(default=None, description="Tokens of the content; counted when not given.")
    metadata: Metadata | None = Field(default=None, repr=False)
    uuid: Uuid | None = None
    role_type: RoleType | None = Field(default=None, description="Derived from role when not given.")
    seq: int | None = Field(default=None, description="Position in the session; grows with every append.")
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = Field(default=None, description="None until the message is changed.")
    native_format: str | None = Field(default=None, repr=False)
    native: str | None = Field(default=None, repr=False)


class Summary(_Model):
    """What the messages up to `seq` said, in short."""

    content: str = Field(repr=False)
    seq: int | None = Field(default=None, description="The last message that the summary covers.")
    token_count: int | None = None
    metadata: Metadata | None = Field(default=None, repr=False)
    uuid: Uuid | None = None
    created_at: AwareDatetime | None = None


class _Result(_Model):
    """Comes from here alone, so it takes no part in the import to make pydantic ready to check one."""

    model_config = ConfigDict(defer_build=True)


class Memory(_Result):
    """What a model should be shown of a session: the newest messages, oldest first, and the latest summary."""

    messages: list[Message] = Field(default_factory=list)
    summary: Summary | None = None


class SearchResult(_Result):
    """A message or a summary that a search found."""

    message: Message | None = None
    summary: Summary | None = None
    score: float = Field(default=0.0, description="How well it answers; higher is better. 0 without a text.")
    session_id: str
    neighbours: list[Message] = Field(
        default_factory=list, description="The messages around a message, in order and without it, when asked for."
    )


class PurgeReport(_Result):
    """What a purge removed, or with `dry_run` would remove, by table."""

    sessions: int = 0
    messages: int = 0
    summaries: int = 0
    batches: int = 0
    dry_run: bool = False
    older_than: timedelta = timedelta(0)
    started_at: datetime
    finished_at: datetime

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return self.sessions + self.messages + self.summaries
