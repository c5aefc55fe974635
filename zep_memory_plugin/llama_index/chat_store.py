"""A chat store whose keys are sessions."""

from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base import BaseChatStore
from llama_index.core.storage.chat_store.loading import RECOGNIZED_CHAT_STORES
from pydantic import ConfigDict, Field

from ..errors import SessionNotFound
from ..models import Message
from .messages import from_messages, to_messages
from .ownership import acheck_owner, check_owner
from .registry import ManagerField, registered_manager


class ZepChatStore(BaseChatStore):
    """Keeps the messages of each key in the session of that id.

    *manager* is a `SessionManager` or the name under which one is registered. With *user_id* the sessions that are
    written to are that user's, those of others are out of reach, and `get_keys` returns the user's own.

    Messages are copies: changing one changes nothing that is stored. What is deleted or replaced is soft-deleted.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    manager: ManagerField = Field(default_factory=registered_manager)
    user_id: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in what is serialised."""
        return "ZepChatStore"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Replace all messages of *key*, in one transaction."""
        self.manager.replace_memory(key, self._rows(messages), user_id=self.user_id)

    async def aset_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Replace all messages of *key*, in one transaction. See `set_messages`."""
        await self.manager.areplace_memory(key, self._rows(messages), user_id=self.user_id)

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of *key* in order; an unknown key has none."""
        check_owner(self.manager, key, self.user_id)
        return from_messages(self.manager.list_messages(key))

    async def aget_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of *key* in order; an unknown key has none. See `get_messages`."""
        await acheck_owner(self.manager, key, self.user_id)
        return from_messages(await self.manager.alist_messages(key))

    def add_message(self, key: str, message: ChatMessage) -> None:
        """Append a message to *key*."""
        self.manager.add_memory(key, self._rows([message]), user_id=self.user_id)

    async def async_add_message(self, key: str, message: ChatMessage) -> None:
        """Append a message to *key*. See `add_message`."""
        await self.manager.aadd_memory(key, self._rows([message]), user_id=self.user_id)

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Soft-delete the session of *key* and return its messages; None when there is none.

        The next message brings the session back, empty; `restore_session` brings it back as it was.
        """
        messages = self.get_messages(key)
        try:
            self.manager.delete_session(key)
        except SessionNotFound:
            return None
        return messages

    async def adelete_messages(self, key: str) -> list[ChatMessage] | None:
        """Soft-delete the session of *key* and return its messages; None when there is none. See `delete_messages`."""
        messages = await self.aget_messages(key)
        try:
            await self.manager.adelete_session(key)
        except SessionNotFound:
            return None
        return messages

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete the message at the position *idx*, from 0, and return it; None when there is none."""
        return None if idx < 0 else self._deleted(key, idx, idx + 1)

    async def adelete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete the message at the position *idx*, from 0, and return it; None when there is none.

        See `delete_message`.
        """
        return None if idx < 0 else await self._adeleted(key, idx, idx + 1)

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Soft-delete the newest message and return it; None when there is none."""
        return self._deleted(key, -1, None)

    async def adelete_last_message(self, key: str) -> ChatMessage | None:
        """Soft-delete the newest message and return it; None when there is none. See `delete_last_message`."""
        return await self._adeleted(key, -1, None)

    def get_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added."""
        return [session.session_id for session in self.manager.list_sessions(user_id=self.user_id)]

    async def aget_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added. See `get_keys`."""
        return [session.session_id for session in await self.manager.alist_sessions(user_id=self.user_id)]

    def _rows(self, messages: list[ChatMessage]) -> list[Message]:
        return to_messages(messages, self.manager.token_counter)

    def _deleted(self, key: str, start: int, stop: int | None) -> ChatMessage | None:
        check_owner(self.manager, key, self.user_id)
        try:
            deleted = self.manager.delete_slice(key, start, stop)
        except SessionNotFound:
            return None
        return next(iter(from_messages(deleted)), None)

    async def _adeleted(self, key: str, start: int, stop: int | None) -> ChatMessage | None:
        await acheck_owner(self.manager, key, self.user_id)
        try:
            deleted = await self.manager.adelete_slice(key, start, stop)
        except SessionNotFound:
            return None
        return next(iter(from_messages(deleted)), None)


# `ChatMemoryBuffer.from_dict` makes only stores that stand in this table.
RECOGNIZED_CHAT_STORES[ZepChatStore.class_name()] = ZepChatStore  # type: ignore[assignment]  # typed as of one class
