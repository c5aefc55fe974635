"""LlamaIndex's messages."""

from collections.abc import Iterable

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, TextBlock

from ..spoken import Call, Said


def message(said: Said) -> ChatMessage:
    """Return what was *said* as LlamaIndex has it."""
    text = [TextBlock(text=said.text)] if said.text else []
    calls = [ToolCallBlock(tool_call_id=c.id, tool_name=c.name, tool_kwargs=c.args) for c in said.calls]
    extra = {"tool_call_id": said.result_of} if said.result_of is not None else {}
    return ChatMessage(role=said.role, blocks=[*text, *calls], additional_kwargs=extra)


def all_said(messages: Iterable[ChatMessage]) -> list[Said]:
    """Return what LlamaIndex has read."""
    return [_said(each) for each in messages]


def _said(message: ChatMessage) -> Said:
    calls = tuple(
        Call(block.tool_call_id or "", block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    )
    return Said(message.role.value, message.content or "", calls, message.additional_kwargs.get("tool_call_id"))
