"""Messages of every shape that JSON can hold, and some that it cannot."""

import enum
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

CALL = {"name": "weather", "args": {"city": "Zürich", "days": 3}, "id": "call_1", "type": "tool_call"}
CALL_MARKER = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
USAGE = {
    "input_tokens": 350,
    "output_tokens": 240,
    "total_tokens": 590,
    "input_token_details": {"audio": 10, "cache_read": 100},
    "output_token_details": {"reasoning": 200},
}

TOLD_BY_COLUMNS: dict[str, BaseMessage] = {
    "human": HumanMessage("What is the capital of France?"),
    "human with a name": HumanMessage("hi", name="alice"),
    "empty": HumanMessage(""),
    "ai": AIMessage("Paris."),
    "ai that calls a tool": AIMessage("", tool_calls=[CALL]),
    "ai that calls two tools": AIMessage("just a moment", tool_calls=[CALL, {**CALL, "id": "call_2"}]),
    "ai with a call that is no JSON": AIMessage(
        "", invalid_tool_calls=[{"name": "f", "args": "{", "id": "call_1", "error": None, "type": "invalid_tool_call"}]
    ),
    "call without an id": AIMessage("", tool_calls=[{**CALL, "id": None}]),
    "system": SystemMessage("Be brief."),
    "tool": ToolMessage("21 °C", tool_call_id="call_1", name="weather"),
    "function": FunctionMessage("21 °C", name="weather"),
    "chat": ChatMessage("Meanwhile …", role="narrator"),
    "chat without a role": ChatMessage("hi", role=""),
    "emoji and right to left": HumanMessage("👩‍👩‍👧‍👦 שלום"),
    "NUL": HumanMessage("a\0b"),
    "half a surrogate pair": HumanMessage("a\ud800b"),
    "large numbers": AIMessage("", tool_calls=[{**CALL, "args": {"n": 2**70, "zero": -0.0, "e": 1e308}}]),
}

KEPT_AS_NATIVE: dict[str, BaseMessage] = {
    "id": HumanMessage("hi", id="msg-1"),
    "empty id": HumanMessage("hi", id=""),
    "blocks": HumanMessage(["look: ", {"type": "text", "text": "a cat"}, IMAGE]),
    "no text at all": HumanMessage([IMAGE]),
    "standard blocks": HumanMessage(content_blocks=[{"type": "text", "text": "hi"}, {"type": "image", "url": "a.png"}]),
    "v1 output": AIMessage(
        content_blocks=[{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "so"}, CALL],
        response_metadata={"output_version": "v1"},
    ),
    "signed thinking": AIMessage([{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, "so"]),
    "usage": AIMessage("so", usage_metadata=USAGE),
    "response metadata": AIMessage("so", response_metadata={"model_name": "m", "logprobs": None, "finish": [1.5]}),
    "additional kwargs": AIMessage("so", additional_kwargs={"refusal": None, "audio": {"id": "a"}}),
    "lc marker": HumanMessage("hi", additional_kwargs={"u": CALL_MARKER}, lc=CALL_MARKER),
    "lc marker in arguments": AIMessage("", tool_calls=[{**CALL, "args": CALL_MARKER}], id="marker"),
    "why a call is invalid": AIMessage(
        "", invalid_tool_calls=[{"name": None, "args": None, "id": None, "error": "no", "type": "invalid_tool_call"}]
    ),
    "artifact": ToolMessage("1 row", tool_call_id="call_1", artifact={"rows": [{"id": 1, "ok": True, "none": None}]}),
    "falsy artifact": ToolMessage("none", tool_call_id="call_1", artifact=0),
    "failed tool": ToolMessage("no", tool_call_id="call_1", status="error"),
    "tool blocks": ToolMessage([{"type": "text", "text": "a"}, IMAGE], tool_call_id="call_1"),
    "chat with a known role": ChatMessage("hi", role="user"),
    "long role, name and id": ChatMessage("hi", role="r" * 100, name="n" * 2000, id="i" * 2000),
    "long tool call id": ToolMessage("x", tool_call_id="t" * 2000),
    "extra attributes": HumanMessage("hi", sent_by={"app": "web"}, role="boss", tool_calls="none", tool_call_id=7),
    "not a number": AIMessage("so", additional_kwargs={"nan": [float("inf"), -float("inf")]}),
    "NUL with an id": HumanMessage("a\0b", id="\0", name="\ud800"),
    "surrogates inside": AIMessage("", tool_calls=[{**CALL, "args": {"\ud83d": "\0\udfff"}}], id="half"),
    "infinite argument": AIMessage("", tool_calls=[{**CALL, "args": {"limit": [float("inf")]}}]),
    "deep": HumanMessage("hi", additional_kwargs={"deep": eval("[" * 100 + "]" * 100)}),
    "function with an id": FunctionMessage("x", name="f", id="run-1"),
}

LOSSLESS = TOLD_BY_COLUMNS | KEPT_AS_NATIVE


class Colour(enum.Enum):
    """A value of no JSON type."""

    RED = "red"


class Mood(HumanMessage):
    """A message class of an application."""

    mood: str = "good"


class Note(BaseMessage):
    """A message class of an application that is none of LangChain's."""

    type: str = "note"


class Hostile:
    """An object that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError


CIRCULAR: list = []
CIRCULAR += [CIRCULAR, CIRCULAR]

LOSSY: dict[str, tuple[BaseMessage, BaseMessage]] = {
    "datetime": (
        ToolMessage("", tool_call_id="1", artifact=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ToolMessage("", tool_call_id="1", artifact="2026-01-02T03:04:00Z"),
    ),
    "bytes": (
        ToolMessage("", tool_call_id="1", artifact=b"\xff\x00"),
        ToolMessage("", tool_call_id="1", artifact={"base64": "/wA="}),
    ),
    "tuple": (
        AIMessage("", tool_calls=[{**CALL, "args": {"at": (1, 2)}}]),
        AIMessage("", tool_calls=[{**CALL, "args": {"at": [1, 2]}}]),
    ),
    "keys": (AIMessage("", additional_kwargs={1: {None: 2}}), AIMessage("", additional_kwargs={"1": {"None": 2}})),
    "set": (HumanMessage("", additional_kwargs={"s": {1}}), HumanMessage("", additional_kwargs={"s": [1]})),
    "decimal": (HumanMessage("", extra=Decimal("1.50")), HumanMessage("", extra="1.50")),
    "uuid": (HumanMessage("", extra=UUID(int=1)), HumanMessage("", extra=str(UUID(int=1)))),
    "enum": (HumanMessage("", extra=Colour.RED), HumanMessage("", extra="red")),
    "document": (
        ToolMessage("", tool_call_id="1", artifact=[Document("text", id="d")]),
        ToolMessage(
            "",
            tool_call_id="1",
            artifact=[{"id": "d", "metadata": {}, "page_content": "text", "type": "Document"}],
        ),
    ),
    "enormous number": (HumanMessage("", extra=2**20_000), HumanMessage("", extra=hex(2**20_000))),
    "object that cannot be shown": (HumanMessage("", extra=Hostile()), HumanMessage("", extra="<Hostile>")),
    "class": (HumanMessage("", extra=int), HumanMessage("", extra="<class 'int'>")),
    "circle": (HumanMessage("", extra=CIRCULAR), HumanMessage("", extra=["<list>", "<list>"])),
    "subclass": (Mood("hi", mood="bad"), HumanMessage("hi", mood="bad")),
    "class of its own": (Note("hi"), ChatMessage("hi", role="note")),
}
