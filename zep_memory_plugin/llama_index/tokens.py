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

from ..core.batches import TokenCounter

MEDIA_TOKENS = 256
"""Estimate for an image, a sound or a film, which models count each in their own way; LlamaIndex assumes the same."""

DOCUMENT_TOKENS = 2048
"""Estimate for a document, the same as LlamaIndex's."""

_UNCOUNTED = {"name", "tool_call_id"}


def token_count(message: ChatMessage, counter: TokenCounter) -> int:
    """Count the tokens of every block of *message* and of what else goes to the model with it."""
    extra = {key: value for key, value in message.additional_kwargs.items() if key not in _UNCOUNTED}
    return sum(_of_block(block, counter) for block in message.blocks) + (counter(_text(extra)) if extra else 0)


def _of_block(block: ContentBlock, counter: TokenCounter) -> int:
    match block:
        case TextBlock():
            return counter(block.text)
        case ThinkingBlock():
            return block.num_tokens or counter(block.content or "")
        case ToolCallBlock():
            return counter(f"{block.tool_name} {_text(block.tool_kwargs)}")
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
