"""A session as the memory of LangChain's older chains."""

from dataclasses import asdict
from typing import Any

from langchain_classic.memory.chat_memory import BaseChatMemory
from langchain_core.messages import BaseMessage, HumanMessage, get_buffer_string
from pydantic import Field, model_validator

from ..context import session_of
from ..core import foreign
from ..core.windows import bounds
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Memory
from ..types import DEFAULT_MAX_TOKENS, WindowBounds
from ._former import unlike_former
from ._messages import to_rows
from ._turn import MessageKeys, answer_messages, question_messages
from ._window import told
from .history import ZepChatMessageHistory

_QUESTIONS = ("input", "question", "query", "human_input")
"""Keys at which chains have what they are asked."""


@unlike_former(
    "ZepMemory(session_id=session_id, manager=SessionManager(database), turns=5)",
    "url",
    "api_key",
    "memory_type",
    renamed={"k": "turns", "max_token_limit": "max_tokens"},
)
class ZepMemory(BaseChatMemory):
    """The memory of one session, for the chains of `langchain_classic`.

    A chain is given what `SessionManager.prompt_memory` returns: the newest whole turns, at most *turns* of them,
    *limit* messages and *max_tokens* tokens, None being no bound, and before them, as a system message, the session's
    latest summary. No more than that is read.

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
    limit: int | None = None
    turns: int | None = None
    max_tokens: int | None = DEFAULT_MAX_TOKENS

    @model_validator(mode="before")
    @classmethod
    def _have_history(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Make the session's own history, instead of LangChain's default, which is deprecated."""
        if not {"manager", "session_id"} <= fields.keys():
            return fields
        history = ZepChatMessageHistory(fields["session_id"], fields["manager"], user_id=fields.get("user_id"))
        return {"chat_memory": history, **fields}

    def __repr_name__(self) -> str:
        return "langchain.ZepMemory"  # LlamaIndex has one, too

    @property
    def memory_variables(self) -> list[str]:
        """The one key of what `load_memory_variables` returns."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary and the window, as messages or as text."""
        return {self.memory_key: self._shown(self.manager.prompt_memory(**self._bounds, **self._session))}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary and the window, as messages or as text. See `load_memory_variables`."""
        return {self.memory_key: self._shown(await self.manager.aprompt_memory(**self._bounds, **self._session))}

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
    def _bounds(self) -> WindowBounds:
        return bounds(self.limit, self.turns, self.max_tokens)

    def _shown(self, memory: Memory) -> list[BaseMessage] | str:
        messages = told(memory, [], self.manager.summary_as)
        if self.return_messages:
            return messages
        return get_buffer_string(messages, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
