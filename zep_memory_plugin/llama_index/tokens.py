"""How many tokens a message costs a model: all of it, not only its text."""

import json
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from ..core.tokens import DOCUMENT_TOKENS, MEDIA_TOKENS, counted
from ..types import TokenCounter

_UNCOUNTED = {"name", "tool_call_id"}


def token_count(message: ChatMessage, counter: TokenCounter) -> int:
    """Count the tokens of every block of *message* and of what else goes to the model with it."""
    extra = {key: value for key, value in message.additional_kwargs.items() if key not in _UNCOUNTED}
    return sum(_of_block(block, counter) for block in message.blocks) + (counted(_text(extra), counter) if extra else 0)


def _of_block(block: ContentBlock, counter: TokenCounter) -> int:
    match block:
        case TextBlock():
            return counted(block.text, counter)
        case ThinkingBlock():
            return block.num_tokens or counted(block.content or "", counter)
        case ToolCallBlock():
            return counted(f"{block.tool_name} {_text(block.tool_kwargs)}", counter)
        case CitableBlock():
            return sum(_of_block(inner, counter) for inner in block.content)
        case CitationBlock():
            return _of_block(block.cited_content, counter)
        case ImageBlock() | AudioBlock() | VideoBlock():
            return MEDIA_TOKENS
        case DocumentBlock():
            return DOCUMENT_TOKENS
        case _:
            return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
