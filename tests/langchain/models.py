"""Chat models without a provider."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field


class ModelFailed(Exception):
    """What a scripted model raises when told so."""


class ScriptedModel(BaseChatModel):
    """Says what its script says, in turn, and remembers what it was shown; without a script it echoes the question."""

    script: list[Any] = Field(default_factory=list)
    shown: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable:
        return self

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self.shown.append(list(messages))
        if not self.script:
            return AIMessage(f"echo {messages[-1].text}")
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        said = self._next(messages)
        for word in said.text.split(" "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(word + " "))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        calls = [
            {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": index}
            for index, call in enumerate(said.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=calls, chunk_position="last"))


def texts(messages: list[BaseMessage]) -> list[str]:
    """Return what *messages* say."""
    return [message.text for message in messages]


_MADE_HERE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def as_given(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Return *messages* without what a reader gets beside what was written: an id that is a uuid, and the time."""
    return [_as_given(message) for message in messages]


def _as_given(message: BaseMessage) -> BaseMessage:
    metadata = {name: value for name, value in message.response_metadata.items() if name != "created_at"}
    given_id = message.id if message.id and not _MADE_HERE.fullmatch(message.id) else None
    return message.model_copy(update={"id": given_id, "response_metadata": metadata})
