"""What goes in and comes out: users, sessions, messages, summaries.

The same classes serve input and output. Fields that the store fills (`id`, `created_at`, …) are `None` until then, and
to type checkers what they are from then on: who reads a stored model need not ask.
"""

import json
import uuid as uuids
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from . import rendering
from .errors import InvalidInput, shown
from .moments import microseconds
from .types import (
    ChangeKind,
    JsonScalar,
    LangChainModel,
    LlamaIndexModel,
    Metadata,
    RoleType,
    SessionOrder,
    ToolArguments,
)

if TYPE_CHECKING:
    from .types import Takes


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


class TextPrinter(Protocol):
    """What IPython gives an object to print itself on."""

    def text(self, text: str, /) -> None: ...


class _Model(BaseModel):
    """Raises `InvalidInput` where pydantic would raise its own error with the value in it."""

    model_config = ConfigDict(strict=True, extra="forbid", validate_assignment=True, hide_input_in_errors=True)

    if not TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                problem = _problem(error)
            else:
                return
            raise problem  # not in the handler, or pydantic's error, which has the value, were its context

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                problem = _problem(error)
            else:
                return
            raise problem

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows, or None for it to show the text."""
        return rendering.of(self, rendering.HTML)

    def _repr_pretty_(self, printer: "TextPrinter", cycle: bool) -> None:
        """Show one line, or one for each message, where IPython has no HTML."""
        printer.text(rendering.of(self, rendering.TEXT) or repr(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as an object of JSON, from which the model can be made again."""
        return self.model_dump(mode="json")


def _no_content(value: object) -> object:
    return "" if value is None else value


def _uuid(value: object) -> uuids.UUID | None:
    if value is None or isinstance(value, uuids.UUID):
        return value
    if isinstance(value, str):
        try:
            return uuids.UUID(value)
        except ValueError:
            pass
    raise InvalidInput("uuid", f"is {shown(value)}, not a UUID")


def _from_json(value: object) -> object:
    """Return the moment that text of JSON names; anything else is left to the strict check."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _age(value: object) -> object:
    """Return the duration that text of JSON names, such as `P30D`."""
    return TypeAdapter(timedelta).validate_json(json.dumps(value)) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """Return pairs that JSON has as lists."""
    return [tuple(each) if isinstance(each, list) else each for each in value] if isinstance(value, list) else value


Moment = Annotated[AwareDatetime, BeforeValidator(_from_json)]
Age = Annotated[timedelta, BeforeValidator(_age)]
Spans = Annotated[list[tuple[int, int]], BeforeValidator(_pairs)]

if TYPE_CHECKING:
    Uuid = Takes[uuids.UUID | str | None, uuids.UUID]
    StoredMoment = Takes[datetime | None, datetime]
    StoredNumber = Takes[int | None, int]
    StoredRoleType = Takes[RoleType | None, RoleType]
else:
    Uuid = Annotated[uuids.UUID | None, BeforeValidator(_uuid)]
    StoredMoment = Moment | None
    StoredNumber = int | None
    StoredRoleType = RoleType | None

_NO_UUID = cast("Uuid", None)
_NO_MOMENT = cast("StoredMoment", None)
_NO_NUMBER = cast("StoredNumber", None)
_NO_ROLE_TYPE = cast("StoredRoleType", None)


def _as(model: type[BaseModel]) -> BeforeValidator:
    """Make *model* of an object of JSON, or of each in a list of such."""

    def made(value: object) -> object:
        if isinstance(value, list):
            return [made(each) for each in value]
        return model(**value) if isinstance(value, dict) else value

    return BeforeValidator(made)


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
    uuid: Uuid = _NO_UUID
    id: StoredNumber = Field(default=_NO_NUMBER, description="Position in listings; grows, never reused.")
    created_at: StoredMoment = _NO_MOMENT
    updated_at: StoredMoment = _NO_MOMENT


class State(_Model):
    """What an application keeps of a session or a user beside the messages: JSON text that nobody looks into."""

    content: str = Field(repr=False)
    revision: int = Field(description="Grows with every write of it; 0 is that of one that is not there.")
    updated_at: Moment


class Session(_Model):
    """A conversation."""

    session_id: str
    user_id: str | None = None
    title: str | None = Field(default=None, repr=False)
    metadata: Metadata | None = None
    uuid: Uuid = _NO_UUID
    id: StoredNumber = Field(default=_NO_NUMBER, description="Position in listings; grows, never reused.")
    created_at: StoredMoment = _NO_MOMENT
    updated_at: StoredMoment = Field(default=_NO_MOMENT, description="Last write to the session or its memory.")
    last_active_at: StoredMoment = Field(default=_NO_MOMENT, description="Last message, or else when it was created.")
    deleted_at: Moment | None = None
    revision: StoredNumber = Field(
        default=_NO_NUMBER, description="Grows with every write to the session or its memory."
    )
    message_count: int | None = Field(default=None, description="Only in a listing that was asked for it.")
    preview: str | None = Field(
        default=None, repr=False, description="Beginning of the last message, in a listing that was asked for it."
    )

    state: Annotated[State | None, _as(State)] = Field(
        default=None, repr=False, description="What `set_state` keeps, where a call asked for it."
    )
    last_uuid: Uuid = Field(
        default=_NO_UUID, repr=False, description="Its last message, where a call asked for the state."
    )

    @property
    def activity_cursor(self) -> str | None:
        """The cursor with which a listing by activity goes on after this session; None before it is stored."""
        if self.last_active_at is None or self.id is None:
            return None
        return f"{microseconds(self.last_active_at)}-{self.id}"


class Branch(_Model):
    """One way that a conversation went, by the message that it ends with."""

    uuid: Uuid
    seq: int
    is_active: bool = Field(description="Whether this is the conversation that every read shows.")
    created_at: Moment
    preview: str = Field(repr=False, description="Beginning of the message.")


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
    tool_calls: Annotated[list[ToolCall] | None, _as(ToolCall)] = Field(default=None, repr=False)
    tool_call_id: str | None = None
    token_count: StoredNumber = Field(default=_NO_NUMBER, description="Tokens of the content; counted when not given.")
    metadata: Metadata | None = Field(default=None, repr=False)
    uuid: Uuid = _NO_UUID
    role_type: StoredRoleType = Field(default=_NO_ROLE_TYPE, description="Derived from role when not given.")
    seq: StoredNumber = Field(default=_NO_NUMBER, description="Position in the session; grows with every append.")
    created_at: StoredMoment = _NO_MOMENT
    updated_at: Moment | None = Field(default=None, description="None until the message is changed.")
    native_format: str | None = Field(default=None, repr=False)
    native: str | None = Field(default=None, repr=False)


class Summary(_Model):
    """What the messages up to `seq` said, in short."""

    content: str = Field(repr=False)
    seq: StoredNumber = Field(default=_NO_NUMBER, description="The last message that the summary covers.")
    token_count: StoredNumber = _NO_NUMBER
    metadata: Metadata | None = Field(default=None, repr=False)
    uuid: Uuid = _NO_UUID
    created_at: StoredMoment = _NO_MOMENT


class _Result(_Model):
    """Comes from here alone, so it takes no part in the import to make pydantic ready to check one."""

    model_config = ConfigDict(defer_build=True)


class Memory(_Result):
    """What a model should be shown of a session: the newest messages, oldest first, and the latest summary."""

    messages: Annotated[list[Message], _as(Message)] = Field(default_factory=list)
    summary: Annotated[Summary | None, _as(Summary)] = None


class Change(_Result):
    """What became of a message by a write to its session."""

    session_id: str
    revision: int = Field(description="That of the session with the write.")
    kind: ChangeKind = Field(description="What the message is by now: 'changed' is edited, archived or restored.")
    message: Annotated[Message, _as(Message)] = Field(description="As it is now; if deleted, as it was.")


class Changes(_Result):
    """What was committed after a place in the history of a session or a user."""

    changes: Annotated[list[Change], _as(Change)] = Field(default_factory=list)
    cursor: str = Field(description="The place after the last one, for the next call.")


class Explanation(_Result):
    """Why a result is where it is: what its score is made of."""

    said: dict[str, int] = Field(
        default_factory=dict, description="Words of the text that it has itself, in any form, and how often."
    )
    heard: list[str] = Field(
        default_factory=list, description="Words that it has not, but the messages around it have."
    )
    by_word: dict[str, float] = Field(
        default_factory=dict,
        description="What each word brings; without a meaning, it, the dates and the speaker add up to the score.",
    )
    by_date: dict[str, float] = Field(
        default_factory=dict, description="What it brings that it was sent on a day, in a month or a year of the text."
    )
    by_speaker: float = Field(
        default=0.0, description="What it brings that those say it whom the text names, or the user where it says 'I'."
    )
    by_meaning: float | None = Field(
        default=None, description="What its meaning brings; in a hybrid search the rest of the score is the words'."
    )


class SearchResult(_Result):
    """A message or a summary that a search found."""

    message: Annotated[Message | None, _as(Message)] = None
    summary: Annotated[Summary | None, _as(Summary)] = None
    score: float = Field(default=0.0, description="How well it answers; higher is better. 0 without a text.")
    session_id: str
    neighbours: Annotated[list[Message], _as(Message)] = Field(
        default_factory=list, description="The messages around a message, in order and without it, when asked for."
    )
    highlights: Spans = Field(
        default_factory=list, description="Where its content has words of the text, in any form: start and end of each."
    )
    explanation: Annotated[Explanation | None, _as(Explanation)] = Field(
        default=None, description="Why it is where it is, when asked for."
    )

    @property
    def content(self) -> str:
        """The text of the message or summary."""
        part = self.message or self.summary
        return part.content if part else ""

    @property
    def snippet(self) -> str:
        """The content, or of a long one some 300 characters around most of the words of the text."""
        start, end = rendering.snippet_of(self.content, self.highlights)
        cut = self.content[start:end].strip()
        return f"{'… ' if start else ''}{cut}{' …' if end < len(self.content) else ''}"


class SessionResult(_Result):
    """A session that a search found, with the turns for which it was found."""

    session: Annotated[Session, _as(Session)]
    score: float = Field(description="How well its best turns answer; higher is better.")
    results: Annotated[list[SearchResult], _as(SearchResult)] = Field(description="Its best turns, best first.")


class PurgeReport(_Result):
    """What a purge removed, or with `dry_run` would remove, by table."""

    sessions: int = 0
    messages: int = 0
    summaries: int = 0
    batches: int = 0
    dry_run: bool = False
    kept_text_in: list[str] = Field(
        default_factory=list, description="Where text of what went is kept for now; the next purge tries again."
    )
    older_than: Age = timedelta(0)
    started_at: Moment
    finished_at: Moment

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return self.sessions + self.messages + self.summaries


class RetentionRule(_Model):
    """Which sessions expire: those in which nothing was said for *older_than*, or with "added" that are so old."""

    older_than: Age
    since: SessionOrder = "active"
    user_id: str | None = Field(default=None, description="Only sessions of this user.")
    metadata: dict[str, JsonScalar] | None = Field(default=None, description="Only sessions with these entries.")


class RetentionReport(_Result):
    """What a retention did, or with `dry_run` would do."""

    expired: list[int] = Field(
        description="Sessions that each rule soft-deleted; in a dry run each counts all that it matches by itself."
    )
    purged: Annotated[PurgeReport, _as(PurgeReport)] = Field(description="What was removed after the time of grace.")
    dry_run: bool = False


class ErasureReceipt(_Result):
    """What an erasure removed, without a word of it: to be kept, and to be shown to who asks."""

    salt: str = Field(description="Key of the digests, in hexadecimal digits.")
    digest: str = Field(description="HMAC-SHA256 of the user id, by which the ledger knows who was erased.")
    erased_at: Moment
    rows: dict[str, int] = Field(description="Rows that went, by table.")
    digests: dict[str, str] = Field(
        description="Of each table, the sum of the HMAC-SHA256 of the keys of these rows, modulo 2 to the 256."
    )
    kept_text_in: list[str] = Field(
        default_factory=list, description="Where text of what went is kept for now; the next purge tries again."
    )


class ErasureCheck(_Result):
    """What a look for leftovers of a user came to."""

    looked_in: list[str] = Field(default_factory=list, description="Where it was looked.")
    leftovers: list[str] = Field(default_factory=list, description="What is left of the user.")
    mentioned_in: list[str] = Field(
        default_factory=list, description="Where the words stand in what may be of others, such as what they said."
    )

    @property
    def is_erased(self) -> bool:
        """Whether nothing is left."""
        return not self.leftovers


class LedgerReport(_Result):
    """What was erased again by a ledger of erasures."""

    entries: int = Field(default=0, description="Entries that were taken in, and not known before.")
    users: list[str] = Field(default_factory=list, description="Who was there again, and is erased.")
    held: list[str] = Field(default_factory=list, description="Who is there and stays, as they or theirs are held.")
    rows: int = Field(default=0, description="Rows of all tables that went.")
    kept_text_in: list[str] = Field(
        default_factory=list, description="Where text of what went is kept for now; the next purge tries again."
    )


class TransferReport(_Result):
    """What an export wrote or an import stored, and what an import met."""

    users: int = 0
    sessions: int = 0
    messages: int = 0
    summaries: int = 0
    known: int = Field(default=0, description="Rows of an import that were there already, and stayed as they were.")
    refused: list[str] = Field(
        default_factory=list, description="Sessions that an import left out: another session has their id."
    )
    erased: list[str] = Field(
        default_factory=list, description="Sessions that an import left out: their user was erased since."
    )


class Stats(_Result):
    """What a database holds, in numbers; what is soft-deleted counts apart."""

    users: int
    sessions: int
    deleted_sessions: int
    messages: int
    deleted_messages: int
    summaries: int
    deleted_summaries: int
    oldest_message_at: Moment | None = None
    newest_message_at: Moment | None = None
    bytes: int | None = Field(default=None, description="What it takes on disk, indexes and all, where that is known.")


class Usage(_Result):
    """What was reported and thought of messages, summed by what is not None of session, user and day."""

    session_id: str | None = None
    user_id: str | None = None
    day: date | None = Field(default=None, description="In UTC.")
    messages: int = Field(default=0, description="Those of which a usage was reported.")
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = Field(default=0.0, description="In the currency of whoever reported it.")
    rated: int = Field(default=0, description="Messages that have feedback.")
    score: float = Field(default=0.0, description="Sum of their scores.")


class Feedback(_Result):
    """What somebody thinks of a message."""

    session_id: str
    uuid: Uuid
    score: float
    comment: str | None = Field(default=None, repr=False)
    created_at: Moment = Field(description="When the message was stored.")


class Hold(_Model):
    """That a session or a user is held: neither deleted nor purged until it is released."""

    session_id: str | None = None
    user_id: str | None = None
    held_at: Moment


Summarizer = Callable[[Summary | None, list[Message]], str | Awaitable[str]] | LangChainModel | LlamaIndexModel
"""Makes of the latest summary and the messages to add to it the new summary's text.

A function, blocking or async, or a model, which is told how: a chat model of LangChain's or a runnable, or a LlamaIndex
`LLM`.
"""

BeforeStore = Callable[[str, list[Message]], Iterable[Message] | Awaitable[Iterable[Message]]]
"""Given a session id and messages for it, returns those to store, or raises to refuse them; blocking or async."""

Titler = Callable[[list[Message]], str | Awaitable[str]] | LangChainModel | LlamaIndexModel
"""Names a session by what was said in its first turn: a function or a model, as a `Summarizer`."""

PurgeProgress = Callable[[PurgeReport], None]
"""Is called after each batch of a purge with the report so far."""

RetentionProgress = Callable[[RetentionReport], None]
"""Is called after each turn of a retention process with what it did."""

ChangeState = Callable[[State | None], str]
"""Returns the new text of a state, from what it is or None; may be called several times."""
