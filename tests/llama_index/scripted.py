"""A model that answers what its script says, and remembers what it was shown."""

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import PrivateAttr


class ScriptedModel(CustomLLM, FunctionCallingLLM):
    """Gives one reply of the script per call: a text, or a message with tool calls."""

    _script: list[ChatMessage] = PrivateAttr(default_factory=list)
    _prompts: list[list[ChatMessage]] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, *script: str | ChatMessage) -> "ScriptedModel":
        model = cls()
        model._script = [reply if isinstance(reply, ChatMessage) else assistant(reply) for reply in script]
        return model

    @property
    def prompts(self) -> list[list[tuple[str, str | None]]]:
        """What the model was shown, call by call."""
        return [plain(prompt) for prompt in self._prompts]

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self._reply([ChatMessage(prompt)]).content or "")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        yield self.complete(prompt)

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=self._reply(messages))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        reply = self._reply(messages)

        def responses() -> ChatResponseGen:
            yield ChatResponse(message=reply, delta=reply.content or "")

        return responses()

    def get_tool_calls_from_response(self, response: ChatResponse, **kwargs: Any) -> list[ToolSelection]:
        return [
            ToolSelection(
                tool_id=block.tool_call_id or "",
                tool_name=block.tool_name,
                tool_kwargs=block.tool_kwargs if isinstance(block.tool_kwargs, dict) else json.loads(block.tool_kwargs),
            )
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        return {"messages": list(chat_history or [])}

    def _reply(self, messages: Sequence[ChatMessage]) -> ChatMessage:
        self._prompts.append([message.model_copy(deep=True) for message in messages])
        return self._script.pop(0)


def user(text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.USER)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.ASSISTANT)


def calling(*calls: tuple[str, str, dict[str, Any]]) -> ChatMessage:
    """Return a message that calls tools: each an id, a name and arguments."""
    blocks = [ToolCallBlock(tool_call_id=id_, tool_name=name, tool_kwargs=given) for id_, name, given in calls]
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)


def answer(tool_call_id: str, text: str) -> ChatMessage:
    """Return a tool's answer, in the shape in which agents store it."""
    return ChatMessage(text, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": tool_call_id})


def plain(messages: Sequence[ChatMessage]) -> list[tuple[str, str | None]]:
    """Return role and text of each message."""
    return [(message.role.value, message.content) for message in messages]
