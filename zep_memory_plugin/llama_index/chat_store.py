"""A chat store whose keys are sessions."""

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base import BaseChatStore
from llama_index.core.storage.chat_store.loading import RECOGNIZED_CHAT_STORES

from ..errors import NotFound, SessionNotFound
from .messages import from_rows, shown, uuid_at
from .registry import OnManager


class ZepChatStore(OnManager, BaseChatStore):
    """Keeps the messages of each key in the session of that id.

    *manager* is a `SessionManager` or the name under which one is registered. With *user_id*, else that of the
    surrounding `use_session`, the sessions that are written to are that user's, those of others raise
    `SessionOwnedByAnotherUser`, and `get_keys` returns the user's own.

    What is read has every tool call with its results, as models want it: one that was interrupted gets a note for one,
    and a result without a call is left out. Messages are copies: changing one changes nothing that is stored. What is
    deleted or replaced is soft-deleted.
    """

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Replace all messages of *key*, in one transaction."""
        self.manager.replace_memory(key, self._rows(messages), user_id=self._user)

    async def aset_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Replace all messages of *key*, in one transaction. See `set_messages`."""
        await self.manager.areplace_memory(key, self._rows(messages), user_id=self._user)

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of *key* in order; an unknown key has none."""
        return from_rows(shown(self.manager.list_messages(key, user_id=self._user)))

    async def aget_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of *key* in order; an unknown key has none. See `get_messages`."""
        return from_rows(shown(await self.manager.alist_messages(key, user_id=self._user)))

    def add_message(self, key: str, message: ChatMessage) -> None:
        """Append a message to *key*."""
        self.manager.add_memory(key, self._rows([message]), user_id=self._user, known="append")

    async def async_add_message(self, key: str, message: ChatMessage) -> None:
        """Append a message to *key*. See `add_message`."""
        await self.manager.aadd_memory(key, self._rows([message]), user_id=self._user, known="append")

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Soft-delete the session of *key* and return its messages; None when there is none.

        The next message brings the session back, empty; `restore_session` brings it back as it was.
        """
        messages = self.get_messages(key)
        try:
            self.manager.delete_session(key, user_id=self._user)
        except SessionNotFound:
            return None
        return messages

    async def adelete_messages(self, key: str) -> list[ChatMessage] | None:
        """Soft-delete the session of *key* and return its messages; None when there is none. See `delete_messages`."""
        messages = await self.aget_messages(key)
        try:
            await self.manager.adelete_session(key, user_id=self._user)
        except SessionNotFound:
            return None
        return messages

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete and return the message at position *idx* of `get_messages`, or None when there is none."""
        rows = shown(self.manager.list_messages(key, user_id=self._user))
        uuid = uuid_at(rows, idx)
        if uuid is None:
            return None
        try:
            self.manager.delete_messages(key, [uuid], user_id=self._user)
        except NotFound:
            return None
        return from_rows(rows)[idx]

    async def adelete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete and return the message at position *idx* of `get_messages`, or None when there is none.

        See `delete_message`.
        """
        rows = shown(await self.manager.alist_messages(key, user_id=self._user))
        uuid = uuid_at(rows, idx)
        if uuid is None:
            return None
        try:
            await self.manager.adelete_messages(key, [uuid], user_id=self._user)
        except NotFound:
            return None
        return from_rows(rows)[idx]

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Soft-delete the newest message and return it; None when there is none."""
        try:
            deleted = self.manager.delete_slice(key, -1, user_id=self._user)
        except SessionNotFound:
            return None
        return next(iter(from_rows(deleted)), None)

    async def adelete_last_message(self, key: str) -> ChatMessage | None:
        """Soft-delete the newest message and return it; None when there is none. See `delete_last_message`."""
        try:
            deleted = await self.manager.adelete_slice(key, -1, user_id=self._user)
        except SessionNotFound:
            return None
        return next(iter(from_rows(deleted)), None)

    def get_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added."""
        return [session.session_id for session in self.manager.list_sessions(user_id=self._user)]

    async def aget_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added. See `get_keys`."""
        return [session.session_id for session in await self.manager.alist_sessions(user_id=self._user)]


# `ChatMemoryBuffer.from_dict` makes only stores that stand in this table.
RECOGNIZED_CHAT_STORES[ZepChatStore.class_name()] = ZepChatStore  # type: ignore[assignment]  # typed as of one class
