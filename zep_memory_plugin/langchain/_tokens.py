"""How many tokens a message of LangChain costs a model: all of it, not only its text."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from ..core import foreign
from ..core.tokens import DOCUMENT_TOKENS, MEDIA_TOKENS, counted
from ..types import TokenCounter

_MEDIA = {"audio", "image", "image_url", "input_audio", "input_image", "media", "video"}
_DOCUMENTS = {"document", "file", "input_file"}
_CALLS = {"function_call", "input_json_delta", "invalid_tool_call", "tool_call", "tool_call_chunk", "tool_use"}
"""Types of blocks that stand among the message's calls as well."""

_WORDS = ("text", "thinking", "reasoning", "summary", "reasoning_content", "content")
"""Where a block has its words; its signature and its id are none."""


def token_count(message: BaseMessage, counter: TokenCounter) -> int | None:
    """Count the tokens of *message*, or return None where its text and its calls are all there is."""
    reasoning = message.additional_kwargs.get("reasoning_content")
    blocks = message.content if isinstance(message.content, list) else [message.content]
    if not reasoning and all(isinstance(block, str) for block in blocks):
        return None
    parts = [_of_block(block, counter) for block in blocks]
    if reasoning:
        parts.append(counted(foreign.text_of(reasoning), counter))
    return sum(parts) + _of_calls(message, counter)


def all_tokens(message: BaseMessage, counter: TokenCounter) -> int:
    """Count the tokens of *message*, whatever is in it."""
    tokens = token_count(message, counter)
    return counted(str(message.text), counter) + _of_calls(message, counter) if tokens is None else tokens


def _of_calls(message: BaseMessage, counter: TokenCounter) -> int:
    calls = [*message.tool_calls, *message.invalid_tool_calls] if isinstance(message, AIMessage) else []
    return sum(counted(f"{call['name']} {foreign.text_of(call['args'])}", counter) for call in calls)


def _of_block(block: str | dict[Any, Any], counter: TokenCounter) -> int:
    if isinstance(block, str):
        return counted(block, counter)
    kind = block.get("type")
    if kind in _MEDIA:
        return MEDIA_TOKENS
    if kind in _DOCUMENTS:
        return DOCUMENT_TOKENS
    return 0 if kind in _CALLS else counted(_words(block), counter)


def _words(block: Mapping[Any, Any]) -> str:
    words = [block[name] for name in _WORDS if block.get(name)]
    return " ".join(map(foreign.text_of, words)) if words else foreign.text_of(block)
