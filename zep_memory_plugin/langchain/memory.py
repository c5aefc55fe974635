"""A session as the memory of LangChain's older chains."""

from dataclasses import asdict
from typing import Any

from langchain_classic.memory.chat_memory import BaseChatMemory
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, get_buffer_string
from pydantic import Field, model_validator

from ..context import session_of
from ..core import foreign
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, Summary
from ._messages import to_rows
from ._pairs import with_results
from ._turn import MessageKeys, answer_messages, question_messages
from .history import ZepChatMessageHistory

_QUESTIONS = ("input", "question", "query", "human_input")
"""Keys at which chains have what they are asked."""


class ZepMemory(BaseChatMemory):
    """The memory of one session, for the chains of `langchain_classic`.

    A chain is given the session's summary, if there is one, as a message of the system, and the messages after it, at
    most the manager's message window. With *k* it is given the newest 2 * *k* messages, which are *k* turns of a
    question and an answer, with *max_token_limit* as many as have so many tokens together; both windows start at a
    message of the user where they can and hold at least the last turn. No more than that is read.

    What a chain is asked and what it answers may be text, a message, a list of messages, or data, which is stored as
    text and as it is. Of several keys, *input_key* and *output_key* say which are meant; without them those that chains
    usually have are, else all together. A failure to store them is an error for the caller of the chain.
    """

    session_id: str
    manager: SessionManager = Field(exclude=True, repr=False)
    user_id: str | None = None
    memory_key: str = "history"
    human_prefix: str = "Human"
    ai_prefix: str = "AI"
    k: int | None = None
    max_token_limit: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _have_history(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Make the session's own history, instead of LangChain's default, which is deprecated."""
        if not {"manager", "session_id"} <= fields.keys():
            return fields
        history = ZepChatMessageHistory(fields["session_id"], fields["manager"], user_id=fields.get("user_id"))
        return {"chat_memory": history, **fields}

    @property
    def memory_variables(self) -> list[str]:
        """The one key of what `load_memory_variables` returns."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary and the window, as messages or as text."""
        memory = self.manager.get_memory(lastn=1 if self._window else None, **self._session)
        rows = self.manager.last_messages(**self._window, **self._session) if self._window else memory.messages
        return {self.memory_key: self._shown(memory.summary, rows)}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary and the window, as messages or as text. See `load_memory_variables`."""
        memory = await self.manager.aget_memory(lastn=1 if self._window else None, **self._session)
        rows = await self.manager.alast_messages(**self._window, **self._session) if self._window else memory.messages
        return {self.memory_key: self._shown(memory.summary, rows)}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what a chain was asked and what it answered, both or neither."""
        rows = to_rows([*self._question(inputs), *self._answer(outputs)], self.manager.token_counter)
        self.manager.add_memory(messages=rows, known="append", **self._session)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what a chain was asked and what it answered, both or neither. See `save_context`."""
        rows = to_rows([*self._question(inputs), *self._answer(outputs)], self.manager.token_counter)
        await self.manager.aadd_memory(messages=rows, known="append", **self._session)

    def _question(self, inputs: dict[str, Any]) -> list[BaseMessage]:
        """Return what a chain was asked: by now it has answered, so whatever that was is stored."""
        asked = {key: value for key, value in inputs.items() if key not in (*self.memory_variables, "stop")}
        keys = [self.input_key] if self.input_key is not None else [*asked] if len(asked) == 1 else [*_QUESTIONS]
        question = next((inputs[key] for key in keys if key in inputs), asked)
        try:
            return question_messages(question)
        except InvalidInput:  # it is data
            return [HumanMessage(foreign.text_of(question))]

    def _answer(self, outputs: dict[str, Any]) -> list[BaseMessage]:
        """Return what a chain answered: what its only key has, else as the outputs of any runnable are read."""
        if self.output_key is None and len(outputs) == 1:
            return answer_messages(next(iter(outputs.values())))
        return MessageKeys(input=None, history=None, output=self.output_key).answer(outputs, None)

    @property
    def _session(self) -> dict[str, Any]:
        return asdict(session_of(self.session_id, self.user_id))

    @property
    def _window(self) -> dict[str, Any]:
        """The arguments of `SessionManager.last_messages` for the window, if there is one."""
        if self.k is None and self.max_token_limit is None:
            return {}
        limit = None if self.k is None else 2 * self.k
        return {"limit": limit, "max_tokens": self.max_token_limit, "whole_turns": True}

    def _shown(self, summary: Summary | None, rows: list[Message]) -> list[BaseMessage] | str:
        before = [SystemMessage(summary.content)] if summary else []
        messages = [*before, *with_results(rows)]
        if self.return_messages:
            return messages
        return get_buffer_string(messages, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
