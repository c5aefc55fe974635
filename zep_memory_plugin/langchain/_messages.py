"""LangChain's messages as rows of a session, and back.

The neutral columns hold what every framework reads. What they cannot hold goes to `native`: the message's type and
those of its fields that differ from their defaults, as JSON, without the content where the content column has it.
"""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_chunk_to_message,
)
from pydantic import ValidationError

from ..core import checks, jsontext
from ..core.foreign import Plain, without_nan
from ..core.tokens import estimated_tokens
from ..core.usage import with_usage
from ..models import Message, ToolCall
from ..types import Metadata, TokenCounter, role_type_of
from ..uuids import uuid_of
from ._tokens import token_count

logger = logging.getLogger(__name__)

NATIVE_FORMAT = "langchain"
"""Names LangChain's own form of a message in `Message.native_format`."""

CREATED_AT = "created_at"
"""Names in `response_metadata`, where models say when they answered, when a message was said."""

_CLASSES: dict[str, type[BaseMessage]] = {
    "ai": AIMessage,
    "chat": ChatMessage,
    "function": FunctionMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
}
_TYPES = {kind: name for name, kind in _CLASSES.items()}

_TEXTS = ("role", "content", "name", "tool_call_id")
"""What a database stores cleaned of NUL and half surrogate pairs."""

_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What LangChain's classes raise on JSON that no message is made of."""


def to_rows(
    messages: Iterable[BaseMessage], counter: TokenCounter = estimated_tokens, metadata: Metadata | None = None
) -> list[Message]:
    """Return *messages* as they are stored; instructions to remove a message are left out.

    *counter* counts the tokens of what has more than text.
    """
    rows = [(message, to_row(message, metadata)) for message in messages if not isinstance(message, RemoveMessage)]
    return [_counted(row, token_count(message, counter)) for message, row in rows]


def _counted(row: Message, tokens: int | None) -> Message:
    return row if tokens is None else row.model_copy(update={"token_count": tokens})


def to_row(message: BaseMessage, metadata: Metadata | None = None) -> Message:
    """Return *message*, or the complete message that a chunk amounts to, as it is stored."""
    whole = message_chunk_to_message(message)
    kind, plain = _class_of(whole), Plain()
    data = _data(whole, kind, plain)
    row = _neutral_row(whole, data, plain, metadata)
    lossy = plain.lossy or type(whole) is not kind
    if not lossy and _neutral_class(row) is kind and not _beyond_columns(row, kind, data):
        return row
    native = _native(row, whole, kind, data, lossy)
    return row.model_copy(update={"native_format": NATIVE_FORMAT, "native": native})


def _class_of(message: BaseMessage) -> type[BaseMessage]:
    """Return the class of LangChain's own as which *message* will be read."""
    return next((ancestor for ancestor in type(message).__mro__ if ancestor in _TYPES), ChatMessage)


def _data(message: BaseMessage, kind: type[BaseMessage], plain: Plain) -> dict[str, Any]:
    """Return the fields of *message* that differ from the defaults of *kind*, as plain values."""
    declared = type(message).model_fields
    fields = {name: value for name, value in message.__dict__.items() if name in declared and name != "type"}
    fields |= message.__pydantic_extra__ or {}
    if kind is ChatMessage:
        fields.setdefault("role", message.type)
    defaults = _defaults(kind)
    values = {name: plain.of(value) for name, value in fields.items()}
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


@cache
def _defaults(kind: type[BaseMessage]) -> dict[str, Any]:
    optional = ((name, field) for name, field in kind.model_fields.items() if not field.is_required())
    return {name: field.get_default(call_default_factory=True) for name, field in optional}


def _neutral_row(message: BaseMessage, data: dict[str, Any], plain: Plain, metadata: Metadata | None) -> Message:
    kind = _class_of(message)
    role = (str(data["role"]) if kind is ChatMessage else message.type)[: checks.LONGEST_ROLE]
    calls = _tool_calls(data, plain) if kind is AIMessage else []
    return Message(
        role=role,
        role_type=role_type_of(role),
        content=str(message.text),
        name=None if message.name is None else message.name[: checks.LONGEST_NAME],
        tool_calls=calls or None,
        tool_call_id=data["tool_call_id"][: checks.LONGEST_NAME] if kind is ToolMessage else None,
        metadata=with_usage(metadata, **_usage(message)),
        uuid=uuid_of(str(message.id)) if message.id else None,
        created_at=_moment_taken_from(data),
    )


def _usage(message: BaseMessage) -> dict[str, object]:
    """Return the tokens that a model has reported of *message*, if it has."""
    reported = getattr(message, "usage_metadata", None)
    names = ("input_tokens", "output_tokens")
    return {name: reported.get(name) for name in names} if isinstance(reported, dict) else {}


def _moment_taken_from(data: dict[str, Any]) -> datetime | None:
    """Take from *data* the moment that a message which was read here brings along."""
    said = data.pop("response_metadata", None)
    moment = _moment(said.get(CREATED_AT)) if isinstance(said, dict) else None
    left = {name: value for name, value in said.items() if name != CREATED_AT} if moment is not None else said
    if left is not None and left != {}:
        data["response_metadata"] = left
    return moment


def _moment(text: object) -> datetime | None:
    """Return the moment that *text* is, if it is written as it is here; models write theirs in other ways."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not checks.EARLIEST <= moment <= checks.LATEST:
        return None
    return moment if moment.astimezone(UTC).isoformat() == text else None


def _tool_calls(data: dict[str, Any], plain: Plain) -> list[ToolCall]:
    """Return the calls of a message: those that LangChain could read, then those it could not, with text for args."""
    valid = (
        ToolCall(id=call["id"], name=call["name"], args=call["args"] if plain.finite else without_nan(call["args"]))
        for call in data.get("tool_calls", ())
    )
    invalid = (
        ToolCall(id=call["id"], name=call["name"] or "", args=call["args"] or "")
        for call in data.get("invalid_tool_calls", ())
    )
    return [*valid, *invalid]


def _beyond_columns(row: Message, kind: type[BaseMessage], data: dict[str, Any]) -> dict[str, Any]:
    """Return what of *data* the neutral columns of *row* do not hold."""
    fields, nothing = _neutral_fields(row, kind), object()
    return {name: value for name, value in data.items() if fields.get(name, nothing) != value}


def _native(row: Message, message: BaseMessage, kind: type[BaseMessage], data: dict[str, Any], lossy: bool) -> str:
    cleaned = {name: jsontext.clean(text) for name in _TEXTS if (text := getattr(row, name)) is not None}
    native: dict[str, Any] = {"type": _TYPES[kind], "data": _beyond_columns(row.model_copy(update=cleaned), kind, data)}
    if type(message) is not kind:
        native["class"] = f"{type(message).__module__}.{type(message).__qualname__}"
    if lossy:
        native["lossy"] = True
    return _as_text(native)


def of_thread(row: Message, thread_id: str | None) -> Message:
    """Return *row* with the thread that it was said in, which no reader of a message sees, in its native form."""
    if thread_id is None:
        return row
    native = {"type": _TYPES[_neutral_class(row)], "data": {}} if row.native is None else json.loads(row.native)
    return row.model_copy(update={"native_format": NATIVE_FORMAT, "native": _as_text({**native, "thread": thread_id})})


def thread_of(row: Message) -> object:
    """Return the thread that the message of *row* was said in, if it has one."""
    if row.native_format != NATIVE_FORMAT or row.native is None:
        return None
    try:
        return json.loads(row.native).get("thread")
    except _UNREADABLE:
        return None


def _as_text(native: dict[str, Any]) -> str:
    text = json.dumps(native, ensure_ascii=False, separators=(",", ":"))
    return text if jsontext.is_plain(text) else json.dumps(native, separators=(",", ":"))


def from_row(row: Message) -> BaseMessage:
    """Return the message that *row* holds; what another framework wrote comes as role, text and tool calls.

    Its id is that of the message, or the uuid of the row as text where it has none, or another message has it: with it
    every method of a manager finds the row.
    """
    message = _from_native(row)
    if row.uuid is not None and (not message.id or uuid_of(str(message.id)) != row.uuid):
        message.id = str(row.uuid)
    return message


def dated_from_row(row: Message) -> BaseMessage:
    """Return the message that *row* holds, and in its `response_metadata` when it was said, unless a model said so."""
    message = from_row(row)
    if row.created_at is not None and isinstance(message.response_metadata, dict):
        message.response_metadata = {CREATED_AT: row.created_at.isoformat(), **message.response_metadata}
    return message


def _from_native(row: Message) -> BaseMessage:
    if row.native_format != NATIVE_FORMAT or row.native is None:
        return _from_neutral(row)
    try:
        native = json.loads(row.native)
        kind = _CLASSES[native["type"]]
        return _message_of(kind, {**_neutral_fields(row, kind), **native["data"]})
    except _UNREADABLE as error:
        logger.warning("message %s has a native form that cannot be read: %s", row.uuid, type(error).__name__)
        return _from_neutral(row)


def _message_of(kind: type[BaseMessage], fields: dict[str, Any]) -> BaseMessage:
    """Return the message of *kind* that had these *fields*, of which it may have held what its constructor refuses."""
    try:
        message = kind(**fields)
    except ValidationError as error:
        refused = {str(fault["loc"][0]) for fault in error.errors(include_input=False) if fault["loc"]} - {"content"}
        message = kind(**{name: value for name, value in fields.items() if name not in refused})
        vars(message).update({name: fields[name] for name in refused})
    if isinstance(message, AIMessage):
        # Its constructor finds calls among additional_kwargs, though somebody may have taken them away.
        vars(message).update({name: [] for name in ("tool_calls", "invalid_tool_calls") if name not in fields})
    return message


def _from_neutral(row: Message) -> BaseMessage:
    kind = _neutral_class(row)
    return kind(**_neutral_fields(row, kind))


def _neutral_class(row: Message) -> type[BaseMessage]:
    """Return the class that the role of *row* stands for."""
    match row.role_type or role_type_of(row.role):
        case "user":
            return HumanMessage
        case "assistant":
            return AIMessage
        case "system":
            return SystemMessage
        case "tool":
            return FunctionMessage if row.role == "function" else ToolMessage
        case _:
            return ChatMessage


def _neutral_fields(row: Message, kind: type[BaseMessage]) -> dict[str, Any]:
    """Return the fields of a message of *kind* as the neutral columns of *row* hold them."""
    fields: dict[str, Any] = {"content": row.content}
    if row.name is not None:
        fields["name"] = row.name
    if row.uuid is not None:
        fields["id"] = str(row.uuid)
    if kind is AIMessage:
        fields |= _tool_call_fields(row.tool_calls) if row.tool_calls else {}
    elif kind is ToolMessage:
        fields["tool_call_id"] = row.tool_call_id or ""
    elif kind is FunctionMessage:
        fields["name"] = row.name or ""
    elif kind is ChatMessage:
        fields["role"] = row.role
    return fields


def _tool_call_fields(calls: Iterable[ToolCall]) -> dict[str, list[dict[str, Any]]]:
    """Return tool calls as the fields of an AIMessage; those whose arguments are text are invalid there."""
    fields: dict[str, list[dict[str, Any]]] = {"tool_calls": [], "invalid_tool_calls": []}
    for call in calls:
        common = {"name": call.name, "args": call.args, "id": call.id}
        if isinstance(call.args, dict):
            fields["tool_calls"].append({**common, "type": "tool_call"})
        else:
            fields["invalid_tool_calls"].append({**common, "error": None, "type": "invalid_tool_call"})
    return fields
