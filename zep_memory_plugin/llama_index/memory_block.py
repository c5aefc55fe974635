"""A block of LlamaIndex's `Memory` that recalls what has left the queue."""

import html
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory.memory import BaseMemoryBlock
from llama_index.core.utils import get_tokenizer
from pydantic import ConfigDict, Field

from ..context import session_of
from ..models import Message
from .messages import from_row
from .registry import REGISTERED, ManagerField, TakesManager

MOST_RECALLED = 8
"""Messages that are recalled at most when it is not told."""


class ZepMemoryBlock(TakesManager, BaseMemoryBlock[str]):
    """Shows the model what was said earlier in the session about the latest question, and is no longer in the queue.

    For a `Memory` on a `ZepAsyncChatStore`, which has archived what it looks through: the block stores nothing itself.
    It searches the session that the memory names, or that of the `use_session` block around the call, so one block
    serves any number of memories. With *user_id*, else that of the block of code, it recalls only from sessions of that
    user; one of someone else raises `SessionOwnedByAnotherUser`.

    Each message is a line with its date and role, best first; *limit* bounds them, and when they have to be shortened
    by so many tokens, as *tokenizer_fn* counts them, the last lines go first. What was said is escaped, so that it
    cannot pose as the end of the memory or as another line of it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str = "earlier_messages"
    description: str | None = "Messages from earlier in this conversation, best match first."
    priority: int = 1
    accept_short_term_memory: bool = False
    manager: ManagerField = REGISTERED
    user_id: str | None = None
    limit: int = Field(default=MOST_RECALLED, ge=1)
    tokenizer_fn: Callable[[str], Sequence[Any]] = Field(default_factory=get_tokenizer, exclude=True)

    async def _aget(
        self, messages: list[ChatMessage] | None = None, session_id: str | None = None, **_ignored: Any
    ) -> str:
        session = asdict(session_of(session_id, self.user_id))
        question = _question(messages or [])
        shapes = {_shape(message) for message in messages or []}
        rows = await self._recall(session, question, shapes) if question else []
        return "\n".join(_line(row) for row in rows)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Store nothing: the memory's store has archived what the block recalls."""

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Return *content* without so many of its last lines that so many tokens go; None when none is left."""
        lines = content.split("\n")
        room = self._tokens(content) - tokens_to_truncate
        while lines and self._tokens("\n".join(lines)) > room:
            lines.pop()
        return "\n".join(lines) or None

    async def _recall(
        self, session: dict[str, Any], question: str, shapes: Collection[tuple[MessageRole, str | None]]
    ) -> list[Message]:
        """Return what answers *question* best, but for what is active, or of *shapes* that are shown already.

        Messages that the memory has read may have been archived since, so that both are asked.
        """
        active = {row.seq for row in await self.manager.aslice_messages(status="active", **session)}
        limit = self.limit + len(active) + len(shapes)
        results = await self.manager.asearch_memory(question, limit=limit, **session)
        answers = [result.message for result in results if result.message is not None]
        archived = [row for row in answers if row.seq not in active and row.content.strip()]
        return [row for row in archived if _shape(from_row(row)) not in shapes][: self.limit]

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer_fn(text))


def _question(messages: Sequence[ChatMessage]) -> str:
    """Return the newest text of the user."""
    texts = (message.content for message in reversed(messages) if message.role == MessageRole.USER)
    return next((text for text in texts if text and text.strip()), "")


def _shape(message: ChatMessage) -> tuple[MessageRole, str | None]:
    return message.role, message.content


def _line(message: Message) -> str:
    """Return *message* on one line, its text escaped."""
    text = html.escape(" ".join(message.content.split()), quote=False)
    return f"{message.created_at:%Y-%m-%d} {message.role_type}: {text}"
