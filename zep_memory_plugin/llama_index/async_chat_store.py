"""The store behind LlamaIndex's `Memory`: a queue of active messages in front of an archive."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any
from weakref import WeakKeyDictionary

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from pydantic import PrivateAttr

from .. import types
from ..errors import NotFound, SessionNotFound
from ..models import Message
from .messages import from_rows, shown, uuid_at
from .registry import OnManager


@dataclass(frozen=True, slots=True)
class Queue:
    """The active messages of a session, as a task has read them."""

    key: str
    heads: int = 0
    """How many system messages the queue begins with, which are none of the others."""

    head_seq: int = 0
    """The seq of the last of them."""

    stored: Sequence[int] = ()
    """The seqs of all others."""

    shown: Sequence[int] = ()
    """The seqs of those that the task was shown, in that order; 0 for what stands for a result that there is not."""

    @classmethod
    def of(cls, key: str, rows: Sequence[Message], shown: Sequence[Message]) -> "Queue":
        """Return what a task knows of the queue that has *rows*, of which it was *shown* some."""
        heads = list(takewhile(lambda row: row.role_type == "system", shown))
        head_seq = (heads[-1].seq or 0) if heads else 0
        seqs = [row.seq or 0 for row in shown[len(heads) :]]
        return cls(key, len(heads), head_seq, [row.seq or 0 for row in rows], seqs)

    def until(self, count: int) -> int:
        """Return the last seq until which all that was shown is among the first *count* of it.

        A result that came after another call was shown before that.
        """
        left = min((seq for seq in self.shown[count:] if seq), default=sys.maxsize)
        return max((seq for seq in self.shown[:count] if seq < left), default=0)

    def between(self, until: int) -> int:
        """Count what is stored after the head and not after the seq *until*."""
        return sum(self.head_seq < seq <= until for seq in self.stored)

    def after(self, count: int) -> "Queue":
        """Return the queue without the first *count* of what was shown."""
        return replace(self, shown=self.shown[count:])


class ZepAsyncChatStore(OnManager, AsyncDBChatStore):
    """Keeps the messages of each key in the session of that id, active or archived.

    Made for `Memory.from_defaults(session_id=…, chat_store=…)`. *manager* is a `SessionManager` or the name under which
    one is registered. With *user_id*, else that of the surrounding `use_session`, the sessions that are written to are
    that user's, those of others raise `SessionOwnedByAnotherUser`, and `get_keys` returns the user's own.

    Messages are copies: changing one changes nothing that is stored. What is deleted or replaced is soft-deleted.
    """

    # `Memory` reads the queue and then says how many of it to archive. Two of them at once would archive what both
    # saw twice over, so each task's number is taken to mean the messages that this task saw.
    _seen: WeakKeyDictionary["asyncio.Task[Any]", Queue] = PrivateAttr(default_factory=WeakKeyDictionary)

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return messages of one status, of any when it is None, oldest first; an unknown key has none.

        At most *limit* messages, after leaving out the oldest *offset*, as LlamaIndex's own store counts. Without these
        bounds, active messages come with every tool call's results, as models want them: a call that was interrupted
        gets a note for one, and a result without a call is left out.
        """
        start = offset or 0
        stop = None if limit is None else start + limit
        rows = await self.manager.aslice_messages(key, start, stop, status=_status(status), user_id=self._user)
        if status == MessageStatus.ARCHIVED or limit is not None or start:
            return from_rows(rows)
        whole = shown(rows)
        if status == MessageStatus.ACTIVE:
            self._see(Queue.of(key, rows, whole))
        return from_rows(whole)

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Count messages of one status, of any when it is None."""
        counts = await self.manager.acount_messages([key], status=_status(status), user_id=self._user)
        return counts[key]

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Append a message."""
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Append messages, all or none."""
        rows = self._rows(messages)
        await self.manager.aadd_memory(key, rows, user_id=self._user, status=status.value, known="append")

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Replace all messages, whatever their status, in one transaction."""
        await self.manager.areplace_memory(key, self._rows(messages), user_id=self._user, status=status.value)

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Soft-delete the active message at position *idx* of `get_messages`, and return it; None if there is none."""
        rows = shown(await self.manager.aslice_messages(key, status="active", user_id=self._user))
        uuid = uuid_at(rows, idx)
        if uuid is None:
            return None
        try:
            await self.manager.adelete_messages(key, [uuid], user_id=self._user)
        except NotFound:
            return None
        return from_rows(rows)[idx]

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Soft-delete the messages of one status, or the session of *key* with all that it holds."""
        if status is not None:
            await self._delete(key, None, None, _status(status))
            return
        with suppress(SessionNotFound):
            await self.manager.adelete_session(key, user_id=self._user)

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Soft-delete the oldest *n* active messages and return them."""
        return await self._delete(key, 0, n, "active") if n > 0 else []

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest *n* active messages and return those that nobody else has archived meanwhile.

        After the same task has read the whole queue, these are the oldest *n* that it saw there. System messages
        at the head of the queue are among these, but stay.
        """
        task = asyncio.current_task()
        queue = self._seen.pop(task, Queue(key)) if task is not None else Queue(key)
        queue = queue if queue.key == key else Queue(key)
        count = n - queue.heads
        if count <= 0:
            return []
        bounds: dict[str, Any] = {"limit": count, "after_seq": queue.head_seq}
        if count <= len(queue.shown):
            until_seq = queue.until(count)
            bounds |= {"limit": queue.between(until_seq), "until_seq": until_seq}
        self._see(queue.after(count))
        try:
            return from_rows(await self.manager.aarchive_messages(key, **bounds, user_id=self._user))
        except SessionNotFound:
            return []

    async def get_keys(self) -> list[str]:
        """Return the ids of all live sessions, in the order in which they were added."""
        return [session.session_id for session in await self.manager.alist_sessions(user_id=self._user)]

    async def _delete(
        self, key: str, start: int | None, stop: int | None, status: types.MessageStatus | None
    ) -> list[ChatMessage]:
        try:
            return from_rows(await self.manager.adelete_slice(key, start, stop, status=status, user_id=self._user))
        except SessionNotFound:
            return []

    def _see(self, queue: Queue) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._seen[task] = queue


def _status(status: MessageStatus | None) -> types.MessageStatus | None:
    return None if status is None else status.value
