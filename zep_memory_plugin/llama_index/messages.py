"""LlamaIndex's messages as rows that every framework reads, and back without loss.

A row always has role, text and tool calls in columns of their own. Where these would lose something of a message, it
has LlamaIndex's own JSON as well.
"""

import base64
import json
import logging
from collections.abc import Iterable, Sequence
from io import IOBase
from typing import Any
from uuid import UUID

from llama_index.core.base.llms.types import (
    ChatMessage,
    CitableBlock,
    ContentBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from pydantic_core import PydanticSerializationError, to_jsonable_python

from .. import forms
from ..core import jsontext, pairing
from ..core.foreign import Plain
from ..models import Message, ToolCall
from ..types import RoleType, TokenCounter
from .tokens import token_count

logger = logging.getLogger(__name__)

NATIVE_FORMAT = "llama_index"
"""Names LlamaIndex's own JSON of a message."""

_ROLES: dict[RoleType, MessageRole] = {
    "assistant": MessageRole.ASSISTANT,
    "other": MessageRole.USER,
    "system": MessageRole.SYSTEM,
    "tool": MessageRole.TOOL,
    "user": MessageRole.USER,
}
_KNOWN_ROLES = frozenset(role.value for role in MessageRole)
_STREAMS = ("image", "audio", "video", "data")

# What LlamaIndex's and pydantic's validators raise on JSON that a message does not accept.
_UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


def to_rows(messages: Iterable[ChatMessage], counter: TokenCounter) -> list[Message]:
    """Return the rows of *messages*, their tokens counted by *counter*."""
    return [to_row(message, counter) for message in messages]


def from_rows(rows: Iterable[Message]) -> list[ChatMessage]:
    """Return new messages that say what *rows* do, whoever wrote them."""
    return [from_row(row) for row in forms.readable(rows, NATIVE_FORMAT)]


def shown(rows: Iterable[Message]) -> list[Message]:
    """Return what a model is shown of *rows*: those that it can read, each tool call with its results."""
    return pairing.paired(forms.readable(rows, NATIVE_FORMAT))


def uuid_at(rows: Sequence[Message], position: int) -> UUID | None:
    """Return the uuid of what is shown at *position*; what stands for a result that there is not has none."""
    return rows[position].uuid if 0 <= position < len(rows) else None


def to_row(message: ChatMessage, counter: TokenCounter) -> Message:
    """Return the row of *message*, its tokens counted by *counter*."""
    message = _with_bytes(message)
    data = _dump(message)
    row = Message(
        role=message.role.value,
        content=_text(message.blocks),
        name=_text_or_none(message.additional_kwargs.get("name")),
        tool_calls=_tool_calls(data) or None,
        tool_call_id=_text_or_none(message.additional_kwargs.get("tool_call_id")),
        token_count=token_count(message, counter),
    )
    if _is_neutral(row, message):
        return row
    return row.model_copy(update={"native_format": NATIVE_FORMAT, "native": _native(data, row.content)})


def _is_neutral(row: Message, message: ChatMessage) -> bool:
    """Tell whether the columns of *row* say all of *message*."""
    try:
        return _from_neutral(row) == message
    except Exception:  # whatever a value of the application's raises when it is compared, as an array does
        return False


def from_row(row: Message) -> ChatMessage:
    """Return the message that *row* holds; what another framework wrote comes as role, text and tool calls."""
    if row.native_format != NATIVE_FORMAT or row.native is None:
        return _from_neutral(row)
    try:
        return _from_native(row.native, row.content)
    except _UNREADABLE as error:
        logger.warning("message %s is read as plain text: %s", row.uuid, type(error).__name__)
        return _from_neutral(row)


def _from_neutral(row: Message) -> ChatMessage:
    """Return the message that the columns stand for which every framework fills."""
    calls = [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.args) for call in row.tool_calls or ()
    ]
    text = [TextBlock(text=row.content)] if row.content or not calls else []
    role = MessageRole(row.role) if row.role in _KNOWN_ROLES else _ROLES[row.role_type or "other"]
    extra = {"tool_call_id": row.tool_call_id, "name": None if role is MessageRole.TOOL else row.name}
    return ChatMessage(
        role=role,
        blocks=[*text, *calls],
        additional_kwargs={key: value for key, value in extra.items() if value is not None},
    )


def _text(blocks: Iterable[ContentBlock]) -> str:
    """Return the text that another framework is shown: what was said, and sources that were quoted in full."""
    parts = [
        block.text if isinstance(block, TextBlock) else _text(block.content)
        for block in blocks
        if isinstance(block, TextBlock | CitableBlock)
    ]
    return "\n".join(parts)


def _tool_calls(data: dict[str, Any]) -> list[ToolCall]:
    """Return the tool calls among the blocks, or those beside them, where older integrations put them."""
    calls = [block for block in data["blocks"] if block["block_type"] == "tool_call"]
    beside = data["additional_kwargs"].get("tool_calls")
    if not calls and isinstance(beside, list):
        return [call for value in beside for call in _call_of_openai(value)]
    return [
        ToolCall(id=block["tool_call_id"], name=block["tool_name"], args=_arguments(block["tool_kwargs"]))
        for block in calls
    ]


def _call_of_openai(value: Any) -> list[ToolCall]:
    """Return the call that *value* describes in the shape of OpenAI's API, if it does."""
    match value:
        case {"id": str(id_), "function": {"name": str(name), "arguments": str(arguments)}}:
            return [ToolCall(id=id_, name=name, args=_parse(arguments))]
    return []


def _parse(arguments: str) -> dict[str, Any] | str:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return _arguments(value) if isinstance(value, dict) else arguments


def _arguments(value: dict[str, Any] | str) -> dict[str, Any] | str:
    """Return arguments as the column for them takes them: as text only where they are no JSON, or hold NaN or infinity.

    Integrations hand on the text that a model has sent.
    """
    if isinstance(value, str):
        return _parse(value)
    try:
        jsontext.dumps(value)
    except ValueError:
        return json.dumps(value)
    return value


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _dump(message: ChatMessage) -> dict[str, Any]:
    """Return *message* as JSON has it; unlike pydantic's own, with NaN and lone surrogates."""
    try:
        data: dict[str, Any] = json.loads(json.dumps(message.model_dump(), default=_as_json))
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return _dump_foreign(message)
    # LlamaIndex has made blocks of these, and would make them again.
    data["additional_kwargs"].pop("images", None)
    return data


def _dump_foreign(message: ChatMessage) -> dict[str, Any]:
    """Return *message*, which holds values that JSON lacks, with the nearest to them that can be read."""
    kwargs = {key: value for key, value in message.additional_kwargs.items() if key != "images"}
    blocks = [_InBlocks().of(_fields(block)) for block in message.blocks]
    return {"role": message.role.value, "additional_kwargs": Plain().of(kwargs), "blocks": blocks}


def _fields(block: ContentBlock) -> dict[str, Any]:
    try:
        return block.model_dump()
    except PydanticSerializationError:
        return dict(block)


class _InBlocks(Plain):
    """Blocks hold media as base64 already."""

    def _bytes(self, value: bytes | bytearray) -> Any:
        return value.decode() if value.isascii() else super()._bytes(value)


def _as_json(value: object) -> Any:
    return to_jsonable_python(value, inf_nan_mode="constants")


def _native(data: dict[str, Any], content: str) -> str:
    """Return *data* as text, without the text block that the content column holds already."""
    texts = [block for block in data["blocks"] if block["block_type"] == "text"]
    if len(texts) == 1 and texts[0]["text"] == content and jsontext.is_plain(content):
        del texts[0]["text"]
    native = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return native if jsontext.is_plain(native) else json.dumps(data, separators=(",", ":"))


def _from_native(native: str, content: str) -> ChatMessage:
    data = json.loads(native)
    for block in data["blocks"]:
        if block["block_type"] == "text":
            block.setdefault("text", content)
    return ChatMessage.model_validate(data)


def _with_bytes(message: ChatMessage) -> ChatMessage:
    """Return *message* with open files in its blocks read, for JSON cannot hold a file."""
    blocks = [_block_with_bytes(block) for block in message.blocks]
    return message if blocks == message.blocks else message.model_copy(update={"blocks": blocks})


def _block_with_bytes(block: ContentBlock) -> ContentBlock:
    values = {name: getattr(block, name, None) for name in _STREAMS}
    files = {name: value for name, value in values.items() if isinstance(value, IOBase)}
    return block.model_copy(update={name: _content(file) for name, file in files.items()}) if files else block


def _content(file: IOBase) -> bytes:
    """Return what *file* holds, in base64 as LlamaIndex keeps media."""
    file.seek(0)
    content: bytes = file.read()
    file.seek(0)
    return base64.b64encode(content)
