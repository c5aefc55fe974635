"""A memory for chat engines and agents that lives in a session."""

from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.llm import LLM
from llama_index.core.memory.types import BaseMemory
from pydantic import ConfigDict, Field

from ..context import CurrentSession, current_session
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message
from .messages import from_messages, to_messages
from .ownership import acheck_owner, check_owner
from .registry import DEFAULT_NAME, ManagerField, registered_manager

TOKEN_LIMIT = 30_000
"""Tokens of history that a model is given when nothing else is said, as many as LlamaIndex's own memory gives."""

SHARE_OF_CONTEXT = 0.75
"""How much of a model's context window its history may fill."""


class ZepMemory(BaseMemory):
    """Keeps a conversation in the session *session_id*, by default that of the `use_session` block around the call.

    *manager* is a `SessionManager` or the name under which one is registered. *user_id*, by default the user of that
    block, owns the session; one of someone else is out of reach. `get` returns the newest whole turns of at most
    *token_limit* tokens, counted by the manager, tool calls and thoughts included; a system message at the head of the
    session stays.

    `to_dict` holds the names of session and manager instead of messages, so an agent's context keeps the conversation
    from one run to the next, as text too, and in a process that has registered a manager under the same name.
    Messages are copies: changing one changes nothing that is stored.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    manager: ManagerField = Field(default_factory=registered_manager)
    session_id: str | None = None
    user_id: str | None = None
    token_limit: int = Field(default=TOKEN_LIMIT, ge=1)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in what is serialised."""
        return "ZepMemory"

    @classmethod
    def from_defaults(
        cls,
        chat_history: list[ChatMessage] | None = None,
        llm: LLM | None = None,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        manager: SessionManager | str = DEFAULT_NAME,
        token_limit: int | None = None,
        **unknown: Any,
    ) -> "ZepMemory":
        """Make a memory; the token limit is three quarters of the context window of *llm* when only that is given.

        A *chat_history* with messages replaces what the session holds, which is the only I/O; an empty one does not.
        """
        if unknown:
            raise InvalidInput(", ".join(unknown), "is no option of ZepMemory.from_defaults")
        if token_limit is None:
            token_limit = TOKEN_LIMIT if llm is None else int(llm.metadata.context_window * SHARE_OF_CONTEXT)
        fields: dict[str, Any] = {"manager": manager, "session_id": session_id, "user_id": user_id}
        memory = cls(**fields, token_limit=token_limit)
        if chat_history:
            memory.set(chat_history)
        return memory

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)

    def tokenizer_fn(self, text: str) -> range:
        """Return as many items as *text* has tokens: chat engines count their prompts with this."""
        return range(self.manager.token_counter(text))

    def get(
        self,
        input: str | None = None,  # noqa: A002 - LlamaIndex's name
        initial_token_count: int = 0,
        **_ignored: Any,
    ) -> list[ChatMessage]:
        """Return what the model is shown of the session, beside a prompt of *initial_token_count* tokens."""
        session = self._session()
        check_owner(self.manager, session.session_id, session.user_id)
        return from_messages(self.manager.prompt_messages(session.session_id, self._room(initial_token_count)))

    async def aget(
        self,
        input: str | None = None,  # noqa: A002 - LlamaIndex's name
        initial_token_count: int = 0,
        **_ignored: Any,
    ) -> list[ChatMessage]:
        """Return what the model is shown of the session. See `get`."""
        session = self._session()
        await acheck_owner(self.manager, session.session_id, session.user_id)
        return from_messages(await self.manager.aprompt_messages(session.session_id, self._room(initial_token_count)))

    def get_all(self) -> list[ChatMessage]:
        """Return all messages of the session."""
        session = self._session()
        check_owner(self.manager, session.session_id, session.user_id)
        return from_messages(self.manager.list_messages(session.session_id))

    async def aget_all(self) -> list[ChatMessage]:
        """Return all messages of the session. See `get_all`."""
        session = self._session()
        await acheck_owner(self.manager, session.session_id, session.user_id)
        return from_messages(await self.manager.alist_messages(session.session_id))

    def put(self, message: ChatMessage) -> None:
        """Append a message to the session."""
        self.put_messages([message])

    async def aput(self, message: ChatMessage) -> None:
        """Append a message to the session. See `put`."""
        await self.aput_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Append messages to the session, all or none."""
        session = self._session()
        self.manager.add_memory(session.session_id, self._rows(messages), user_id=session.user_id)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Append messages to the session, all or none. See `put_messages`."""
        session = self._session()
        await self.manager.aadd_memory(session.session_id, self._rows(messages), user_id=session.user_id)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace all messages of the session, in one transaction."""
        session = self._session()
        self.manager.replace_memory(session.session_id, self._rows(messages), user_id=session.user_id)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Replace all messages of the session, in one transaction. See `set`."""
        session = self._session()
        await self.manager.areplace_memory(session.session_id, self._rows(messages), user_id=session.user_id)

    def reset(self) -> None:
        """Soft-delete all messages of the session, and keep the session."""
        self.set([])

    async def areset(self) -> None:
        """Soft-delete all messages of the session, and keep the session. See `reset`."""
        await self.aset([])

    def _session(self) -> CurrentSession:
        around = current_session()
        user_id = around.user_id if around is not None and self.user_id is None else self.user_id
        if self.session_id is not None:
            return CurrentSession(self.session_id, user_id)
        if around is None:
            raise InvalidInput("session_id", "is not given; give one, or call the memory inside use_session")
        return CurrentSession(around.session_id, user_id)

    def _room(self, initial_token_count: int) -> int:
        return max(1, self.token_limit - initial_token_count)

    def _rows(self, messages: list[ChatMessage]) -> list[Message]:
        return to_messages(messages, self.manager.token_counter)
