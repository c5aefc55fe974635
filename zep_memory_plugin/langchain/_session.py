"""The messages of one session, as LangChain's."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from langchain_core.messages import BaseMessage

from ..errors import SessionNotFound, SessionOwnedByAnotherUser
from ..manager import SessionManager
from ..models import Message, Metadata, SearchResult, Session
from ._messages import from_row, from_rows, to_rows, uuid_of


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a session a model is shown: the newest messages, as `SessionManager.last_messages` takes it."""

    limit: int | None = None
    max_tokens: int | None = None
    whole_turns: bool = True

    def whole(self, rows: list[Message]) -> list[Message]:
        """Return *rows* without tool results at their start, whose call lies before the window."""
        if not self.whole_turns or (self.limit is None and self.max_tokens is None):
            return rows
        start = next((index for index, row in enumerate(rows) if row.role_type != "tool"), len(rows))
        return rows[start:]


@dataclass(frozen=True, slots=True)
class SessionMessages:
    """Reads and writes one session for one user, or for nobody in particular."""

    manager: SessionManager
    session_id: str
    user_id: str | None = None

    def read(self, window: Window, until_seq: int | None = None) -> list[BaseMessage]:
        """Return the messages inside *window*, oldest first; with *until_seq* as if later ones were not there."""
        rows = self.manager.last_messages(
            self.session_id,
            window.limit,
            max_tokens=window.max_tokens,
            whole_turns=window.whole_turns,
            until_seq=until_seq,
        )
        return from_rows(window.whole(rows))

    async def aread(self, window: Window, until_seq: int | None = None) -> list[BaseMessage]:
        """Return the messages inside *window*, oldest first. See `read`."""
        rows = await self.manager.alast_messages(
            self.session_id,
            window.limit,
            max_tokens=window.max_tokens,
            whole_turns=window.whole_turns,
            until_seq=until_seq,
        )
        return from_rows(window.whole(rows))

    def search(self, query: str, k: int) -> list[SearchResult]:
        """Return the *k* messages that best answer *query*, best first; an empty query finds nothing."""
        self.check_owner()
        return self.manager.search_memory(query, session_id=self.session_id, limit=k) if query.strip() else []

    async def asearch(self, query: str, k: int) -> list[SearchResult]:
        """Return the *k* messages that best answer *query*, best first. See `search`."""
        await self.acheck_owner()
        return await self.manager.asearch_memory(query, session_id=self.session_id, limit=k) if query.strip() else []

    def check_owner(self) -> None:
        """Refuse a session of another user, where a user is named.

        Raises:
            SessionOwnedByAnotherUser: the session belongs to someone else.
        """
        if self.user_id is None:
            return
        try:
            self._check_owner_of(self.manager.get_session(self.session_id))
        except SessionNotFound:
            return

    async def acheck_owner(self) -> None:
        """Refuse a session of another user, where a user is named. See `check_owner`."""
        if self.user_id is None:
            return
        try:
            self._check_owner_of(await self.manager.aget_session(self.session_id))
        except SessionNotFound:
            return

    def _check_owner_of(self, session: Session) -> None:
        if self.user_id is not None and session.user_id not in (None, self.user_id):
            raise SessionOwnedByAnotherUser(self.session_id, self.user_id)

    def add(self, messages: Iterable[BaseMessage], metadata: Metadata | None = None, *, anew: bool = False) -> None:
        """Append *messages*; one whose id the session knows gets the new content and keeps its place.

        A message whose id was deleted, as by `clear`, is appended anew; with *anew* one whose id is known, too, as of
        an answer that comes from a cache of the model's.

        Raises:
            SessionOwnedByAnotherUser: the session belongs to someone else, even when there is nothing to append.
        """
        rows = to_rows(messages, metadata)
        if not rows:
            self.check_owner()
            return
        stored = self.manager.add_memory(self.session_id, rows, user_id=self.user_id)
        refused = _Refused.among(rows, stored, anew=anew)
        if refused is not None:
            live = [] if anew else self.manager.list_messages(self.session_id)
            self.manager.delete_messages(self.session_id, refused.added)
            self.manager.add_memory(self.session_id, refused.renewed(live), user_id=self.user_id)

    async def aadd(
        self, messages: Iterable[BaseMessage], metadata: Metadata | None = None, *, anew: bool = False
    ) -> None:
        """Append *messages*; one whose id the session knows gets the new content and keeps its place. See `add`."""
        rows = to_rows(messages, metadata)
        if not rows:
            await self.acheck_owner()
            return
        stored = await self.manager.aadd_memory(self.session_id, rows, user_id=self.user_id)
        refused = _Refused.among(rows, stored, anew=anew)
        if refused is not None:
            live = [] if anew else await self.manager.alist_messages(self.session_id)
            await self.manager.adelete_messages(self.session_id, refused.added)
            await self.manager.aadd_memory(self.session_id, refused.renewed(live), user_id=self.user_id)

    def clear(self) -> None:
        """Delete all messages and summaries; a session that does not exist has none."""
        self.check_owner()
        with suppress(SessionNotFound):
            self.manager.clear_memory(self.session_id)

    async def aclear(self) -> None:
        """Delete all messages and summaries; a session that does not exist has none. See `clear`."""
        await self.acheck_owner()
        with suppress(SessionNotFound):
            await self.manager.aclear_memory(self.session_id)

    def replace(self, messages: Iterable[BaseMessage]) -> None:
        """Make *messages* all that the session holds; when one of them is not accepted, nothing happens."""
        self.manager.replace_memory(self.session_id, to_rows(messages), user_id=self.user_id)


@dataclass(frozen=True, slots=True)
class _Refused:
    """The end of a batch, from the first message on whose uuid was there already, and whose place is another.

    It is that of a deleted message, which was not stored, or of one said before, where each is to be new.
    """

    rows: list[Message]
    added: list[UUID]
    """Under which uuids messages of that end are new in the session: before their turn, so they have to go again."""

    @classmethod
    def among(cls, rows: list[Message], stored: list[Message], *, anew: bool) -> Self | None:
        """Return the end of *rows* that has to be sent again, if any; *stored* is what came of them."""
        accepted = {row.uuid for row in stored if not anew or row.updated_at is None}
        first = next((index for index, row in enumerate(rows) if row.uuid and row.uuid not in accepted), None)
        if first is None:
            return None
        before = len({row.uuid or index for index, row in enumerate(rows[:first])})
        return cls(rows[first:], [row.uuid for row in stored[before:] if row.uuid and row.updated_at is None])

    def renewed(self, live: list[Message]) -> list[Message]:
        """Return the messages under the uuids that they have among *live*, and new ones where they have none."""
        known = {uuid_of(from_row(row).id): row.uuid for row in live if row.uuid not in self.added}
        return [row.model_copy(update={"uuid": known.get(row.uuid) if row.uuid else None}) for row in self.rows]
