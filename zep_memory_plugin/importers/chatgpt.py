"""The `conversations.json` of ChatGPT's data export."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import forms
from ..errors import InvalidInput
from ..models import Message, ToolCall
from ..types import Metadata
from .lines import Begun, Lines, Said

with forms.needing("ijson"):
    import ijson  # type: ignore[import-untyped]  # it has no stubs

NATIVE_FORMAT = "chatgpt"
"""Names ChatGPT's own form of a message in `Message.native_format`."""

EVERYBODY = "all"
"""The recipient of a message that is no call of a tool."""

Node = Mapping[str, Any]


def from_chatgpt(path: str, *, user_id: str | None = None) -> Lines:
    """Return what an export holds as sessions of *user_id*, one for each conversation, with its title as metadata.

    Of a conversation with branches, the one that was last shown comes along. Pictures and files are named in the
    message's own form, and are not in the export.
    """
    return Lines("chatgpt", _records(path), user_id)


def _records(path: str) -> Iterator[Begun | Said]:
    problem = ""
    try:
        with Path(path).open("rb") as file:
            for conversation in ijson.items(file, "item", use_float=True):
                yield from _conversation(conversation)
    except ijson.JSONError:
        problem = "is no conversations.json of ChatGPT"
    if problem:
        raise InvalidInput("source", problem)


def _conversation(conversation: object) -> Iterator[Begun | Said]:
    if not isinstance(conversation, dict) or not isinstance(conversation.get("mapping"), dict):
        raise InvalidInput("source", "has a conversation that is none")
    session_id = str(conversation.get("conversation_id") or conversation.get("id") or "")
    metadata: Metadata = {"source": "chatgpt", "title": str(conversation.get("title") or "")}
    yield Begun(
        session_id, _moment(conversation.get("create_time")), _moment(conversation.get("update_time")), metadata
    )
    for node in _shown(conversation["mapping"], conversation.get("current_node")):
        if (message := _message(node)) is not None:
            yield Said(session_id, node["id"], message, _moment(node.get("create_time")))


def _shown(mapping: Mapping[str, Any], last: object) -> list[Node]:
    """Return the messages of the branch that ends with the node *last*, the first one first."""
    path: list[Node] = []
    visited: set[object] = set()
    while isinstance(last, str) and last not in visited and isinstance(node := mapping.get(last), dict):
        visited.add(last)
        if isinstance(message := node.get("message"), dict):
            path.append({**message, "id": last})
        last = node.get("parent")
    return path[::-1]


def _message(node: Node) -> Message | None:
    """Return what was said, None for what is hidden or says nothing."""
    author, content, metadata = (_object(node.get(name)) for name in ("author", "content", "metadata"))
    text, is_whole = _text(content)
    if metadata.get("is_visually_hidden_from_conversation") or (is_whole and not text.strip()):
        return None
    said = _said(node, str(author.get("role") or "other"), text)
    if isinstance(name := author.get("name"), str) and name:
        said.name = name
    if is_whole:
        return said
    return said.model_copy(update={"native_format": NATIVE_FORMAT, "native": json.dumps(content)})


def _said(node: Node, role: str, text: str) -> Message:
    """Return what was said, or called: a tool is who a message of the assistant is for."""
    tool = node.get("recipient") or EVERYBODY
    if role == "assistant" and tool != EVERYBODY:
        return Message(role=role, tool_calls=[ToolCall(id=node["id"], name=str(tool), args=text)])
    return Message(role=role, content=text)


def _text(content: Node) -> tuple[str, bool]:
    """Return what a content says in words, and whether that is all it says."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        text = next((content[name] for name in ("text", "result", "content") if isinstance(content.get(name), str)), "")
        return text, content.get("content_type") in ("text", "code", "execution_output", "system_error")
    words = [part if isinstance(part, str) else _object(part).get("text") for part in parts]
    return "\n".join(word for word in words if isinstance(word, str) and word), all(isinstance(p, str) for p in parts)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None
