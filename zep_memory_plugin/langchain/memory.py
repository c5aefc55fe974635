"""A session as the memory of LangChain's older chains."""

from typing import Any

from langchain_classic.memory.chat_memory import BaseChatMemory
from langchain_core.messages import BaseMessage, SystemMessage, get_buffer_string
from pydantic import Field, model_validator

from ..manager import SessionManager
from ..models import Message, Summary
from ._messages import from_rows
from ._pairs import paired
from ._session import SessionMessages
from ._turn import answered, asked
from .history import ZepChatMessageHistory


class ZepMemory(BaseChatMemory):
    """The memory of one session, for the chains of `langchain_classic`.

    A chain is given the session's summary, if there is one, as a message of the system, and the messages after it, at
    most the manager's message window. With *k* it is given the newest 2 * *k* messages, which are *k* turns of a
    question and an answer, with *max_token_limit* as many as have so many tokens together; both windows start at a
    message of the user where they can and hold at least the last turn. No more than that is read.

    What a chain is asked and what it answers may be text, a message or a list of messages. A failure to store them is
    an error for the caller of the chain.
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
        """Make the session's own history, in place of LangChain's default, which is deprecated."""
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
        self._session.check_owner()
        memory = self.manager.get_memory(self.session_id, 1 if self._has_window else None)
        if not self._has_window:
            return {self.memory_key: self._shown(memory.summary, memory.messages)}
        window = self.manager.last_messages(
            self.session_id, self._most, max_tokens=self.max_token_limit, whole_turns=True
        )
        return {self.memory_key: self._shown(memory.summary, window)}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary and the window, as messages or as text. See `load_memory_variables`."""
        await self._session.acheck_owner()
        memory = await self.manager.aget_memory(self.session_id, 1 if self._has_window else None)
        if not self._has_window:
            return {self.memory_key: self._shown(memory.summary, memory.messages)}
        window = await self.manager.alast_messages(
            self.session_id, self._most, max_tokens=self.max_token_limit, whole_turns=True
        )
        return {self.memory_key: self._shown(memory.summary, window)}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what a chain was asked and what it answered, both or neither."""
        self._session.add(self._turn(inputs, outputs))

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what a chain was asked and what it answered, both or neither. See `save_context`."""
        await self._session.aadd(self._turn(inputs, outputs))

    @property
    def _session(self) -> SessionMessages:
        return SessionMessages(self.manager, self.session_id, self.user_id)

    @property
    def _has_window(self) -> bool:
        return self.k is not None or self.max_token_limit is not None

    @property
    def _most(self) -> int | None:
        return None if self.k is None else 2 * self.k

    def _turn(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> list[BaseMessage]:
        question, answer = self._get_input_output(inputs, outputs)
        return [*asked(question), *answered(answer)]

    def _shown(self, summary: Summary | None, rows: list[Message]) -> list[BaseMessage] | str:
        before = [SystemMessage(summary.content)] if summary else []
        messages = [*before, *paired(from_rows(rows))]
        if self.return_messages:
            return messages
        return get_buffer_string(messages, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
