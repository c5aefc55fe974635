"""LangChain's messages as rows of a session, and back.

The neutral columns hold what every framework reads. What they cannot hold goes to `native`: the message's type and
those of its fields that differ from their defaults, as JSON, without the content where the content column has it.
"""

import json
import logging
import uuid
from collections.abc import Iterable
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
from ..models import Message, Metadata, ToolCall, role_type_of
from ._values import Plain, without_nan

logger = logging.getLogger(__name__)

NATIVE_FORMAT = "langchain"
"""Names LangChain's own form of a message in `Message.native_format`."""

_IDS = uuid.UUID("0b7d2f3e-6a0c-5f0e-9a5d-6f1c2b7a94e1")
"""Namespace of the uuids that stand for LangChain's message ids. Stored uuids depend on it: it never changes."""

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


def uuid_of(message_id: str | None) -> uuid.UUID | None:
    """Return the uuid that always stands for *message_id*, or None for a message without an id."""
    if not message_id:
        return None
    return uuid.uuid5(_IDS, message_id.encode("unicode_escape").decode("ascii"))


def to_rows(messages: Iterable[BaseMessage], metadata: Metadata | None = None) -> list[Message]:
    """Return *messages* as they are stored; instructions to remove a message are left out."""
    return [to_row(message, metadata) for message in messages if not isinstance(message, RemoveMessage)]


def to_row(message: BaseMessage, metadata: Metadata | None = None) -> Message:
    """Return *message*, or the complete message that a chunk amounts to, as it is stored."""
    whole = message_chunk_to_message(message)
    kind, plain = _class_of(whole), Plain()
    data = _data(whole, kind, plain)
    row = _neutral_row(whole, data, plain, metadata)
    lossy = plain.lossy or type(whole) is not kind
    if not lossy and _neutral_class(row) is kind and not _beyond(row, kind, data):
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
        metadata=metadata,
        uuid=uuid_of(message.id),
    )


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


def _beyond(row: Message, kind: type[BaseMessage], data: dict[str, Any]) -> dict[str, Any]:
    """Return what of *data* the neutral columns of *row* do not tell."""
    told, nothing = _told(row, kind), object()
    return {name: value for name, value in data.items() if told.get(name, nothing) != value}


def _native(row: Message, message: BaseMessage, kind: type[BaseMessage], data: dict[str, Any], lossy: bool) -> str:
    cleaned = {name: jsontext.clean(text) for name in _TEXTS if (text := getattr(row, name)) is not None}
    native: dict[str, Any] = {"type": _TYPES[kind], "data": _beyond(row.model_copy(update=cleaned), kind, data)}
    if type(message) is not kind:
        native["class"] = f"{type(message).__module__}.{type(message).__qualname__}"
    if lossy:
        native["lossy"] = True
    text = json.dumps(native, ensure_ascii=False, separators=(",", ":"))
    return text if jsontext.is_plain(text) else json.dumps(native, separators=(",", ":"))


def from_rows(rows: Iterable[Message]) -> list[BaseMessage]:
    """Return the messages that *rows* hold, whoever wrote them."""
    return [from_row(row) for row in rows]


def from_row(row: Message) -> BaseMessage:
    """Return the message that *row* holds; what another framework wrote comes as role, text and tool calls."""
    if row.native_format != NATIVE_FORMAT or row.native is None:
        return _from_neutral(row)
    try:
        native = json.loads(row.native)
        kind = _CLASSES[native["type"]]
        return _made(kind, {**_told(row, kind), **native["data"]})
    except _UNREADABLE as error:
        logger.warning("message %s has a native form that cannot be read: %s", row.uuid, type(error).__name__)
        return _from_neutral(row)


def _made(kind: type[BaseMessage], fields: dict[str, Any]) -> BaseMessage:
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
    return kind(**_told(row, kind))


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


def _told(row: Message, kind: type[BaseMessage]) -> dict[str, Any]:
    """Return the fields of a message of *kind* as the neutral columns of *row* tell them."""
    fields: dict[str, Any] = {"content": row.content}
    if row.name is not None:
        fields["name"] = row.name
    if kind is AIMessage:
        fields |= _called(row.tool_calls) if row.tool_calls else {}
    elif kind is ToolMessage:
        fields["tool_call_id"] = row.tool_call_id or ""
    elif kind is FunctionMessage:
        fields["name"] = row.name or ""
    elif kind is ChatMessage:
        fields["role"] = row.role
    return fields


def _called(calls: Iterable[ToolCall]) -> dict[str, list[dict[str, Any]]]:
    """Return tool calls as the fields of an AIMessage; those whose arguments are text are invalid there."""
    fields: dict[str, list[dict[str, Any]]] = {"tool_calls": [], "invalid_tool_calls": []}
    for call in calls:
        common = {"name": call.name, "args": call.args, "id": call.id}
        if isinstance(call.args, dict):
            fields["tool_calls"].append({**common, "type": "tool_call"})
        else:
            fields["invalid_tool_calls"].append({**common, "error": None, "type": "invalid_tool_call"})
    return fields
