"""A memory for chat engines and agents that lives in a session."""

from dataclasses import asdict
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.llms.llm import LLM
from llama_index.core.memory.types import BaseMemory
from pydantic import AliasChoices, Field

from ..context import session_of
from ..core.tokens import counted
from ..core.windows import bounds
from ..errors import InvalidInput
from ..forms import recap
from ..manager import SessionManager
from ..models import Memory
from ..types import DEFAULT_MAX_TOKENS, SummaryAs, WindowBounds
from .messages import from_rows, shown
from .registry import DEFAULT_NAME, OnManager

SHARE_OF_CONTEXT = 0.75
"""How much of a model's context window its history may fill."""

_MAX_TOKENS = AliasChoices("max_tokens", "token_limit")
"""The field's name, and LlamaIndex' word for it."""


class ZepMemory(OnManager, BaseMemory):
    """Keeps a conversation in the session *session_id*, by default that of the `use_session` block around the call.

    *manager* is a `SessionManager` or the name under which one is registered. *user_id*, by default the user of that
    block, owns the session; one of someone else raises `SessionOwnedByAnotherUser`. `get` returns what
    `SessionManager.prompt_memory` does: the newest whole turns, at most *turns* of them, *limit* messages and
    *max_tokens* tokens, counted by the manager, tool calls and thoughts included, None being no bound; a system message
    at the head of the session stays, and after it comes, as another, the latest summary. As LlamaIndex says it,
    *token_limit* is *max_tokens*, too.

    `to_dict` holds the names of session and manager instead of messages, so an agent's context keeps the conversation
    from one run to the next, as text too, and in a process that has registered a manager under the same name.
    Messages are copies: changing one changes nothing that is stored.
    """

    session_id: str | None = None
    max_tokens: int | None = Field(default=DEFAULT_MAX_TOKENS, ge=1, validation_alias=_MAX_TOKENS)
    limit: int | None = Field(default=None, ge=0)
    turns: int | None = Field(default=None, ge=0)

    @classmethod
    def _names_of_fields(cls) -> set[str]:
        return super()._names_of_fields() | set(map(str, _MAX_TOKENS.choices))

    def __repr_name__(self) -> str:
        return "llama_index.ZepMemory"  # LangChain has one, too

    @classmethod
    def from_defaults(
        cls,
        chat_history: list[ChatMessage] | None = None,
        llm: LLM | None = None,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        manager: SessionManager | str = DEFAULT_NAME,
        max_tokens: int | None = None,
        limit: int | None = None,
        turns: int | None = None,
        token_limit: int | None = None,
        **unknown: Any,
    ) -> "ZepMemory":
        """Make a memory of *max_tokens*, or as LlamaIndex says it, *token_limit*, and within the other bounds.

        When only an *llm* is given it is three quarters of the context window of that.
        A *chat_history* with messages replaces what the session holds, which is the only I/O; an empty one does not.
        """
        if unknown:
            raise InvalidInput(", ".join(unknown), "is no option of ZepMemory.from_defaults")
        most = max_tokens if token_limit is None else token_limit
        if most is None:
            most = DEFAULT_MAX_TOKENS if llm is None else int(llm.metadata.context_window * SHARE_OF_CONTEXT)
        fields: dict[str, Any] = {"manager": manager, "session_id": session_id, "user_id": user_id}
        memory = cls(**fields, max_tokens=most, limit=limit, turns=turns)
        if chat_history:
            memory.set(chat_history)
        return memory

    def tokenizer_fn(self, text: str) -> range:
        """Return as many items as *text* has tokens: chat engines count their prompts with this."""
        return range(counted(text, self.manager.token_counter))

    def get(self, input: str | None = None, initial_token_count: int = 0, **_ignored: Any) -> list[ChatMessage]:
        """Return what the model is shown of the session, beside a prompt of *initial_token_count* tokens."""
        memory = self.manager.prompt_memory(**self._bounds(initial_token_count), **self._session)
        return _told(memory, self.manager.summary_as)

    async def aget(self, input: str | None = None, initial_token_count: int = 0, **_ignored: Any) -> list[ChatMessage]:
        """Return what the model is shown of the session, beside a prompt of *initial_token_count* tokens. See `get`."""
        memory = await self.manager.aprompt_memory(**self._bounds(initial_token_count), **self._session)
        return _told(memory, self.manager.summary_as)

    def get_all(self) -> list[ChatMessage]:
        """Return all messages of the session."""
        return from_rows(self.manager.list_messages(**self._session))

    async def aget_all(self) -> list[ChatMessage]:
        """Return all messages of the session. See `get_all`."""
        return from_rows(await self.manager.alist_messages(**self._session))

    def put(self, message: ChatMessage) -> None:
        """Append a message to the session."""
        self.put_messages([message])

    async def aput(self, message: ChatMessage) -> None:
        """Append a message to the session. See `put`."""
        await self.aput_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Append messages to the session, all or none."""
        self.manager.add_memory(messages=self._rows(messages), known="append", **self._session)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Append messages to the session, all or none. See `put_messages`."""
        await self.manager.aadd_memory(messages=self._rows(messages), known="append", **self._session)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace all messages of the session, in one transaction."""
        self.manager.replace_memory(messages=self._rows(messages), **self._session)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Replace all messages of the session, in one transaction. See `set`."""
        await self.manager.areplace_memory(messages=self._rows(messages), **self._session)

    def reset(self) -> None:
        """Soft-delete all messages of the session, and keep the session."""
        self.set([])

    async def areset(self) -> None:
        """Soft-delete all messages of the session, and keep the session. See `reset`."""
        await self.aset([])

    def _bounds(self, taken: int) -> WindowBounds:
        """Return the bounds of the window beside a prompt that has *taken* so many tokens."""
        room = None if self.max_tokens is None else max(1, self.max_tokens - taken)
        return bounds(self.limit, self.turns, room)

    @property
    def _session(self) -> dict[str, Any]:
        return asdict(session_of(self.session_id, self.user_id))


def _told(memory: Memory, summary_as: SummaryAs) -> list[ChatMessage]:
    """Return *memory* as messages: its summary stands after the system message at its head, or in the first question.

    Where nobody asks anything, a question with the summary stands there.
    """
    messages, summary = from_rows(shown(memory.messages)), memory.summary
    if summary is None:
        return messages
    start = 1 if messages and messages[0].role == MessageRole.SYSTEM else 0
    if summary_as == "system":
        return [*messages[:start], ChatMessage(summary.content, role=MessageRole.SYSTEM), *messages[start:]]
    asked = next((index for index, each in enumerate(messages) if each.role == MessageRole.USER), None)
    if asked is None:
        return [*messages[:start], ChatMessage(recap(summary)), *messages[start:]]
    question = messages[asked]
    blocks = [TextBlock(text=f"{recap(summary)}\n\n"), *question.blocks]
    return [*messages[:asked], question.model_copy(update={"blocks": blocks}), *messages[asked + 1 :]]
