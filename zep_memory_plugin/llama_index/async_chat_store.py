"""The store behind LlamaIndex's `Memory`: a queue of active messages in front of an archive."""

import asyncio
from typing import Any, Self
from weakref import WeakKeyDictionary

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from pydantic import ConfigDict, Field, PrivateAttr

from .. import models
from ..errors import SessionNotFound
from .messages import from_messages, to_messages
from .ownership import acheck_owner
from .registry import ManagerField, registered_manager


class ZepAsyncChatStore(AsyncDBChatStore):
    """Keeps the messages of each key in the session of that id, active or archived.

    Made for `Memory.from_defaults(session_id=…, chat_store=…)`. *manager* is a `SessionManager` or the name under which
    one is registered. With *user_id* the sessions that are written to are that user's, those of others are out of
    reach, and `get_keys` returns the user's own.

    Messages are copies: changing one changes nothing that is stored. What is deleted or replaced is soft-deleted.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    manager: ManagerField = Field(default_factory=registered_manager)
    user_id: str | None = None

    # `Memory` reads the queue and then says how many of it to archive. Two of them at once would archive what both
    # saw twice over, so each task's number is taken to mean the messages that this task saw.
    _seen: WeakKeyDictionary["asyncio.Task[Any]", tuple[str, list[int]]] = PrivateAttr(
        default_factory=WeakKeyDictionary
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in what is serialised."""
        return "ZepAsyncChatStore"

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """Return the name of the manager and the user, from which `from_dict` makes the store again."""
        return {**self.model_dump(**options), "class_name": self.class_name()}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **overrides: Any) -> Self:
        """Make the store that `to_dict` described.

        Raises:
            ManagerNotRegistered: this process has no manager of that name.
        """
        return cls(**{key: value for key, value in (data | overrides).items() if key != "class_name"})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return messages of one status, of any when it is None, oldest first; an unknown key has none.

        The newest *limit* messages, after leaving out the newest *offset*: pages lead from the newest end back.
        """
        await acheck_owner(self.manager, key, self.user_id)
        if limit == 0:
            return []
        skipped = offset or 0
        start = None if limit is None else -(limit + skipped)
        rows = await self.manager.aslice_messages(key, start, -skipped or None, status=_status(status))
        if status == MessageStatus.ACTIVE and limit is None and not skipped:
            self._see(key, [row.seq for row in rows if row.seq is not None])
        return from_messages(rows)

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Count messages of one status, of any when it is None."""
        await acheck_owner(self.manager, key, self.user_id)
        counts = await self.manager.acount_messages([key], status=_status(status))
        return counts[key]

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Append a message."""
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Append messages, all or none."""
        rows = to_messages(messages, self.manager.token_counter)
        await self.manager.aadd_memory(key, rows, user_id=self.user_id, status=status.value)

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Replace all messages, whatever their status, in one transaction."""
        rows = to_messages(messages, self.manager.token_counter)
        await self.manager.areplace_memory(key, rows, user_id=self.user_id, status=status.value)

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete the active message at the position *idx*, from 0, and return it; None when there is none."""
        deleted = [] if idx < 0 else await self._deleted(key, idx, idx + 1, "active")
        return deleted[0] if deleted else None

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Soft-delete the messages of one status, or the session of *key* with all that it holds."""
        if status is not None:
            await self._deleted(key, None, None, _status(status))
            return
        await acheck_owner(self.manager, key, self.user_id)
        try:
            await self.manager.adelete_session(key)
        except SessionNotFound:
            return

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Soft-delete the oldest *n* active messages and return them."""
        return await self._deleted(key, 0, n, "active") if n > 0 else []

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest *n* active messages and return those that nobody else has archived meanwhile.

        After the same task has read the whole queue, these are the oldest *n* that it saw there.
        """
        await acheck_owner(self.manager, key, self.user_id)
        if n <= 0:
            return []
        try:
            rows = await self.manager.aarchive_messages(key, n, until_seq=self._take_seen(key, n))
        except SessionNotFound:
            return []
        return from_messages(rows)

    async def get_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added."""
        return [session.session_id for session in await self.manager.alist_sessions(user_id=self.user_id)]

    async def _deleted(
        self, key: str, start: int | None, stop: int | None, status: models.MessageStatus | None
    ) -> list[ChatMessage]:
        await acheck_owner(self.manager, key, self.user_id)
        try:
            return from_messages(await self.manager.adelete_slice(key, start, stop, status=status))
        except SessionNotFound:
            return []

    def _see(self, key: str, places: list[int]) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._seen[task] = (key, places)

    def _take_seen(self, key: str, n: int) -> int | None:
        """Return the place of the last of the oldest *n* messages that this task saw; None when it saw fewer."""
        task = asyncio.current_task()
        seen_key, places = self._seen.pop(task, (key, [])) if task is not None else (key, [])
        if seen_key != key or len(places) < n:
            return None
        self._see(key, places[n:])
        return places[n - 1]


def _status(status: MessageStatus | None) -> models.MessageStatus | None:
    return None if status is None else status.value
