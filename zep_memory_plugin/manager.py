"""The session manager: every operation of the library, for blocking and for async callers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID

from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from . import core
from .core.batches import TokenCounter, estimated_tokens
from .database import Database
from .dialects import JsonScalar
from .embedding import Embedder, aasking, aembed, aembed_all, asking, embed, embed_all, embedding_of
from .errors import DatabaseUnavailable
from .models import (
    Memory,
    Message,
    MessageStatus,
    Metadata,
    PurgeReport,
    SearchMode,
    SearchResult,
    SearchScope,
    Session,
    Summary,
    User,
)
from .summarizing import Summarizer, asummarize, summarize

if TYPE_CHECKING:
    from .core.purge import Progress
    from .core.search._protocol import Progress as SearchProgress

logger = logging.getLogger(__name__)


class SessionManager:
    """Keeps conversations in sessions, in a database of the application.

    *database* is a URL (`sqlite:///file.db`, `sqlite://` for memory, `postgresql://…`, `sqlite+aiosqlite://…`,
    `postgresql+asyncpg://…`) or an engine of the application, which is used as it is and never disposed of. The tables
    are created on first use; making a manager does no I/O.

    *message_window* is how many messages `get_memory` returns at most when it is not told. *token_counter* counts the
    tokens of a text, once, when it is stored; by default a quarter of its characters. *summarizer* is called with the
    latest summary and the messages to add to it, whenever a write leaves more than *message_window* messages behind
    that summary. *embedder*, a LangChain `Embeddings`, a LlamaIndex `BaseEmbedding` or a function from texts to
    vectors, lets messages be searched by what they mean; it is called after each write, and its failure is logged and
    made up for at the next write to the session. *durability* "full" means that what was acknowledged survives a power
    loss; with "normal" SQLite may then lose the writes of the last moments, though not in a crash of the program, and
    writes about four times faster.

    Every method has an async twin with an `a` in front, and one manager serves any number of threads and event loops.
    """

    def __init__(
        self,
        database: str | URL | Engine | AsyncEngine = "sqlite:///zep_memory.db",
        *,
        message_window: int = 12,
        token_counter: TokenCounter | None = None,
        summarizer: Summarizer | None = None,
        embedder: Embedder | None = None,
        durability: str = "full",
    ) -> None:
        self._database = Database(database, durability=durability)
        self._message_window = core.checks.positive("message_window", message_window)
        self._token_counter = token_counter or estimated_tokens
        self._summarizer = summarizer
        self._embedding = embedding_of(embedder)

    def __repr__(self) -> str:
        return f"SessionManager({self._database.shown_url!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def token_counter(self) -> TokenCounter:
        """The function that counts the tokens of a text."""
        return self._token_counter

    def close(self) -> None:
        """Close the connections that the manager made; an engine of the application stays open."""
        self._database.close()

    async def aclose(self) -> None:
        """Close the connections that the manager made; an engine of the application stays open. See `close`."""
        await self._database.aclose()

    def add_session(self, session: Session) -> Session:
        """Store a new session and return it.

        Raises:
            SessionExists: the id is taken, by a live or a soft-deleted session.
            UserNotFound: the session names a user who was not added.
        """
        return self._database.write(core.sessions.add, session)

    async def aadd_session(self, session: Session) -> Session:
        """Store a new session and return it. See `add_session`."""
        return await self._database.awrite(core.sessions.add, session)

    def get_session(self, session_id: str) -> Session:
        """Return the live session *session_id*.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._database.read(core.sessions.get, session_id)

    async def aget_session(self, session_id: str) -> Session:
        """Return the live session *session_id*. See `get_session`."""
        return await self._database.aread(core.sessions.get, session_id)

    def update_session(self, session: Session) -> Session:
        """Merge the metadata of *session* into what is stored, and return the session.

        Objects are merged at any depth; other values, lists too, are replaced, by None as well. `{}` and no metadata
        change nothing but `updated_at`. A soft-deleted session comes back to life. The user stays as it is.

        Raises:
            SessionNotFound: there is no such session.
        """
        return self._database.write(core.sessions.merge, session)

    async def aupdate_session(self, session: Session) -> Session:
        """Merge the metadata of *session* into what is stored, and return the session. See `update_session`."""
        return await self._database.awrite(core.sessions.merge, session)

    def delete_session(self, session_id: str) -> None:
        """Soft-delete a session and everything in it.

        `restore_session` brings it back until a purge.

        Raises:
            SessionNotFound: there is none, or it is deleted already.
        """
        self._database.write(core.sessions.delete, session_id)

    async def adelete_session(self, session_id: str) -> None:
        """Soft-delete a session and everything in it. See `delete_session`."""
        await self._database.awrite(core.sessions.delete, session_id)

    def restore_session(self, session_id: str) -> Session:
        """Bring back a soft-deleted session with exactly what its deletion took along.

        A live session is returned as it is.

        Raises:
            SessionNotFound: there is no such session, or it was purged.
        """
        return self._database.write(core.sessions.restore, session_id)

    async def arestore_session(self, session_id: str) -> Session:
        """Bring back a soft-deleted session with exactly what its deletion took along. See `restore_session`."""
        return await self._database.awrite(core.sessions.restore, session_id)

    def list_sessions(
        self,
        limit: int | None = None,
        cursor: int = 0,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
    ) -> list[Session]:
        """Return live sessions in the order in which they were added.

        *cursor* is the `id` of the last session already seen. *metadata* keeps sessions whose metadata has each of
        these keys with an equal value of the same type. *deleted* lists the soft-deleted sessions instead.
        """
        return self._database.read(
            core.sessions.listed, limit, cursor, core.sessions.filtered(user_id, metadata, deleted)
        )

    async def alist_sessions(
        self,
        limit: int | None = None,
        cursor: int = 0,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
    ) -> list[Session]:
        """Return live sessions in the order in which they were added. See `list_sessions`."""
        return await self._database.aread(
            core.sessions.listed, limit, cursor, core.sessions.filtered(user_id, metadata, deleted)
        )

    def list_all_sessions(
        self,
        chunk_size: int = 100,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
    ) -> Iterator[list[Session]]:
        """Yield all live sessions in lists of at most *chunk_size*, each exactly once, whatever is deleted meanwhile.

        Filters as in `list_sessions`.
        """
        size, cursor = core.checks.positive("chunk_size", chunk_size), 0
        while chunk := self.list_sessions(size, cursor, user_id=user_id, metadata=metadata, deleted=deleted):
            yield chunk
            cursor = chunk[-1].id or cursor

    async def alist_all_sessions(
        self,
        chunk_size: int = 100,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
    ) -> AsyncIterator[list[Session]]:
        """Yield all live sessions in lists of at most *chunk_size*, each exactly once, whatever is deleted meanwhile.

        See `list_all_sessions`.
        """
        size, cursor = core.checks.positive("chunk_size", chunk_size), 0
        while chunk := await self.alist_sessions(size, cursor, user_id=user_id, metadata=metadata, deleted=deleted):
            yield chunk
            cursor = chunk[-1].id or cursor

    def count_messages(self, session_ids: Iterable[str], *, status: MessageStatus | None = None) -> dict[str, int]:
        """Count the live messages of each of *session_ids*, in one query.

        Only those of *status*, "active" or "archived", when it is given.
        """
        return self._database.read(
            core.sessions.message_counts, list(core.checks.several("session_ids", session_ids)), status
        )

    async def acount_messages(
        self, session_ids: Iterable[str], *, status: MessageStatus | None = None
    ) -> dict[str, int]:
        """Count the live messages of each of *session_ids*, in one query. See `count_messages`."""
        return await self._database.aread(
            core.sessions.message_counts, list(core.checks.several("session_ids", session_ids)), status
        )

    def add_memory(
        self,
        session_id: str,
        messages: Iterable[Message],
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
    ) -> list[Message]:
        """Append *messages* to a session and return them as stored.

        The session is created, or undeleted, when need be. All messages are stored or none, and their order holds
        even when clocks disagree. A message whose uuid the session knows already gets the new content and keeps its
        place; when it was deleted, it stays deleted and is not returned. *user_id* becomes the owner of a session that
        has none, and is added as a user when unknown. *status* "archived" stores new messages where `archive_messages`
        would put them. Without messages nothing happens.

        Raises:
            InvalidInput: a message, its metadata or an id is out of bounds.
            SessionOwnedByAnotherUser: the session belongs to someone other than *user_id*.
        """
        batch = core.batches.batch(messages, self._token_counter, status)
        stored = self._database.write_alone(core.messages.append, session_id, batch, user_id)
        if self._summarizer is not None and stored:
            summarize(self._database, self._summarizer, session_id, self._message_window, self._token_counter)
        if self._embedding is not None and stored:
            embed(self._database, self._embedding, session_id)
        return stored

    async def aadd_memory(
        self,
        session_id: str,
        messages: Iterable[Message],
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
    ) -> list[Message]:
        """Append *messages* to a session and return them as stored. See `add_memory`."""
        batch = core.batches.batch(messages, self._token_counter, status)
        stored = await self._database.awrite_alone(core.messages.append, session_id, batch, user_id)
        if self._summarizer is not None and stored:
            await asummarize(self._database, self._summarizer, session_id, self._message_window, self._token_counter)
        if self._embedding is not None and stored:
            await aembed(self._database, self._embedding, session_id)
        return stored

    def replace_memory(
        self,
        session_id: str,
        messages: Iterable[Message],
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
    ) -> list[Message]:
        """Make *messages* all that a session holds, in one transaction, and return them as stored.

        What was there, summaries too, is soft-deleted; a message whose uuid the session knows, even from a deletion,
        moves to its new place and gets the new content. Without messages a session that exists is cleared. All else is
        as in `add_memory`.

        Raises:
            InvalidInput: a message, its metadata or an id is out of bounds; the session is as before.
            SessionOwnedByAnotherUser: the session belongs to someone other than *user_id*.
        """
        batch = core.batches.batch(messages, self._token_counter, status)
        stored = self._database.write(core.replacement.replace, session_id, batch, user_id)
        if self._summarizer is not None and stored:
            summarize(self._database, self._summarizer, session_id, self._message_window, self._token_counter)
        if self._embedding is not None and stored:
            embed(self._database, self._embedding, session_id)
        return stored

    async def areplace_memory(
        self,
        session_id: str,
        messages: Iterable[Message],
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
    ) -> list[Message]:
        """Make *messages* all that a session holds, in one transaction, and return them as stored.

        See `replace_memory`.
        """
        batch = core.batches.batch(messages, self._token_counter, status)
        stored = await self._database.awrite(core.replacement.replace, session_id, batch, user_id)
        if self._summarizer is not None and stored:
            await asummarize(self._database, self._summarizer, session_id, self._message_window, self._token_counter)
        if self._embedding is not None and stored:
            await aembed(self._database, self._embedding, session_id)
        return stored

    def get_memory(self, session_id: str, lastn: int | None = None) -> Memory:
        """Return what a model should be shown of a session: newest messages, oldest first, and the latest summary.

        The newest *lastn* messages; with None or 0 those after the latest summary, at most the manager's message
        window. The memory of an unknown or deleted session is empty.
        """
        return self._database.read(core.memory.get, session_id, lastn, self._message_window)

    async def aget_memory(self, session_id: str, lastn: int | None = None) -> Memory:
        """Return what a model should be shown of a session: newest messages, oldest first, and the latest summary.

        See `get_memory`.
        """
        return await self._database.aread(core.memory.get, session_id, lastn, self._message_window)

    def clear_memory(self, session_id: str) -> None:
        """Soft-delete all messages and summaries of a session, and keep the session.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        self._database.write(core.memory.clear, session_id)

    async def aclear_memory(self, session_id: str) -> None:
        """Soft-delete all messages and summaries of a session, and keep the session. See `clear_memory`."""
        await self._database.awrite(core.memory.clear, session_id)

    def rewind_session(self, session_id: str, to_uuid: UUID | str) -> None:
        """Soft-delete everything after the message *to_uuid*.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        self._database.write(core.memory.rewind, session_id, to_uuid)

    async def arewind_session(self, session_id: str, to_uuid: UUID | str) -> None:
        """Soft-delete everything after the message *to_uuid*. See `rewind_session`."""
        await self._database.awrite(core.memory.rewind, session_id, to_uuid)

    def fork_session(self, session_id: str, new_session_id: str, *, until_uuid: UUID | str | None = None) -> Session:
        """Copy a session, up to and with the message *until_uuid*, into a new session of the same user.

        Messages keep their uuids and places; what was deleted stays behind.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionExists: *new_session_id* is taken.
            SessionNotFound: there is none to copy, or it is deleted.
        """
        return self._database.write(core.memory.fork, session_id, new_session_id, until_uuid)

    async def afork_session(
        self, session_id: str, new_session_id: str, *, until_uuid: UUID | str | None = None
    ) -> Session:
        """Copy a session, up to and with the message *until_uuid*, into a new session of the same user.

        See `fork_session`.
        """
        return await self._database.awrite(core.memory.fork, session_id, new_session_id, until_uuid)

    def list_messages(self, session_id: str, limit: int | None = None, cursor: int = 0) -> list[Message]:
        """Return the messages of a session in order.

        *cursor* is the `seq` of the last message already seen.
        """
        return self._database.read(core.messages.listed, session_id, limit, cursor)

    async def alist_messages(self, session_id: str, limit: int | None = None, cursor: int = 0) -> list[Message]:
        """Return the messages of a session in order. See `list_messages`."""
        return await self._database.aread(core.messages.listed, session_id, limit, cursor)

    def last_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        max_tokens: int | None = None,
        whole_turns: bool = False,
        until_seq: int | None = None,
    ) -> list[Message]:
        """Return the newest messages of a session, oldest first.

        At most *limit* messages, of at most *max_tokens* tokens together. With *whole_turns* the window starts at a
        message of the user: what comes before the first one in it is left out, and when there is none, the window
        reaches back to the start of the last turn, whatever that costs. Without a bound everything is returned. With
        *until_seq* what came after that place is as if it were not there.
        """
        return self._database.read(core.windows.newest, session_id, limit, max_tokens, whole_turns, until_seq)

    async def alast_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        max_tokens: int | None = None,
        whole_turns: bool = False,
        until_seq: int | None = None,
    ) -> list[Message]:
        """Return the newest messages of a session, oldest first. See `last_messages`."""
        return await self._database.aread(core.windows.newest, session_id, limit, max_tokens, whole_turns, until_seq)

    def prompt_messages(self, session_id: str, max_tokens: int) -> list[Message]:
        """Return what a model with room for *max_tokens* tokens should be shown of a session, oldest first.

        The newest messages, from the start of a turn on, so that no tool's answer comes without its call; a system
        message at the head of the session stays. The last turn is returned even when it is too long by itself.
        """
        return self._database.read(core.prompts.fitting, session_id, max_tokens)

    async def aprompt_messages(self, session_id: str, max_tokens: int) -> list[Message]:
        """Return what a model with room for *max_tokens* tokens should be shown of a session, oldest first.

        See `prompt_messages`.
        """
        return await self._database.aread(core.prompts.fitting, session_id, max_tokens)

    def get_message(self, session_id: str, uuid: UUID | str) -> Message:
        """Return one live message.

        Raises:
            MessageNotFound: the session has no such live message.
        """
        return self._database.read(core.messages.get, session_id, uuid)

    async def aget_message(self, session_id: str, uuid: UUID | str) -> Message:
        """Return one live message. See `get_message`."""
        return await self._database.aread(core.messages.get, session_id, uuid)

    def update_message(
        self, session_id: str, uuid: UUID | str, *, metadata: Metadata | None = None, content: str | None = None
    ) -> Message:
        """Merge metadata into a message, give it new content, and return it; its place stays.

        New content is counted anew, and what a framework stored beside the old content goes.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        steps = core.messages.change_steps(session_id, uuid, metadata, content, self._token_counter)
        stored = self._database.drive(steps)
        if self._embedding is not None and content is not None:
            embed(self._database, self._embedding, session_id)
        return stored

    async def aupdate_message(
        self, session_id: str, uuid: UUID | str, *, metadata: Metadata | None = None, content: str | None = None
    ) -> Message:
        """Merge metadata into a message, give it new content, and return it; its place stays.

        See `update_message`.
        """
        steps = core.messages.change_steps(session_id, uuid, metadata, content, self._token_counter)
        stored = await self._database.adrive(steps)
        if self._embedding is not None and content is not None:
            await aembed(self._database, self._embedding, session_id)
        return stored

    def delete_messages(self, session_id: str, uuids: Iterable[UUID | str]) -> None:
        """Soft-delete messages of a session: all of *uuids*, or none when one is not there.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        self._database.write(core.messages.delete, session_id, list(core.checks.several("uuids", uuids)))

    async def adelete_messages(self, session_id: str, uuids: Iterable[UUID | str]) -> None:
        """Soft-delete messages of a session: all of *uuids*, or none when one is not there.

        See `delete_messages`.
        """
        await self._database.awrite(core.messages.delete, session_id, list(core.checks.several("uuids", uuids)))

    def slice_messages(
        self, session_id: str, start: int | None = None, stop: int | None = None, *, status: MessageStatus | None = None
    ) -> list[Message]:
        """Return the messages of a session at the positions from *start* until before *stop*, as a slice of a list.

        Positions count from 0, the oldest message, or from -1, the newest, both from the same end: `-20` to None are
        the newest 20, `-40` to `-20` those before. Only messages of *status* count when it is given.
        """
        return self._database.read(core.archive.sliced, session_id, start, stop, status)

    async def aslice_messages(
        self, session_id: str, start: int | None = None, stop: int | None = None, *, status: MessageStatus | None = None
    ) -> list[Message]:
        """Return the messages of a session at the positions from *start* until before *stop*, as a slice of a list.

        See `slice_messages`.
        """
        return await self._database.aread(core.archive.sliced, session_id, start, stop, status)

    def delete_slice(
        self, session_id: str, start: int | None = None, stop: int | None = None, *, status: MessageStatus | None = None
    ) -> list[Message]:
        """Soft-delete the messages that `slice_messages` would return, and return them.

        Callers at the same time take turns: each finds the positions that the one before left.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._database.write(core.archive.delete_slice, session_id, start, stop, status)

    async def adelete_slice(
        self, session_id: str, start: int | None = None, stop: int | None = None, *, status: MessageStatus | None = None
    ) -> list[Message]:
        """Soft-delete the messages that `slice_messages` would return, and return them. See `delete_slice`."""
        return await self._database.awrite(core.archive.delete_slice, session_id, start, stop, status)

    def archive_messages(
        self, session_id: str, limit: int | None = None, *, until_seq: int | None = None
    ) -> list[Message]:
        """Archive the oldest active messages of a session and return them.

        At most *limit*, and none after the place *until_seq*: with it, callers who saw the same messages archive them
        once. An archived message is still live and read like any other, unless its status is asked for.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._database.write(core.archive.archive, session_id, limit, until_seq)

    async def aarchive_messages(
        self, session_id: str, limit: int | None = None, *, until_seq: int | None = None
    ) -> list[Message]:
        """Archive the oldest active messages of a session and return them. See `archive_messages`."""
        return await self._database.awrite(core.archive.archive, session_id, limit, until_seq)

    def add_summary(self, session_id: str, summary: Summary, *, until_uuid: UUID | str | None = None) -> Summary:
        """Store a summary of a session and return it.

        It covers everything up to the message *until_uuid*, else up to its `seq`, else all there is, and replaces a
        summary that covers just as much.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        row = core.summaries.written(summary, self._token_counter)
        return self._database.write(core.summaries.add, session_id, row, until_uuid)

    async def aadd_summary(self, session_id: str, summary: Summary, *, until_uuid: UUID | str | None = None) -> Summary:
        """Store a summary of a session and return it. See `add_summary`."""
        row = core.summaries.written(summary, self._token_counter)
        return await self._database.awrite(core.summaries.add, session_id, row, until_uuid)

    def list_summaries(self, session_id: str, limit: int | None = None, cursor: int = 0) -> list[Summary]:
        """Return the summaries of a session in order.

        *cursor* is the `seq` of the last summary already seen.
        """
        return self._database.read(core.summaries.listed, session_id, limit, cursor)

    async def alist_summaries(self, session_id: str, limit: int | None = None, cursor: int = 0) -> list[Summary]:
        """Return the summaries of a session in order. See `list_summaries`."""
        return await self._database.aread(core.summaries.listed, session_id, limit, cursor)

    def search_memory(
        self,
        text: str | None,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        where: Mapping[str, object] | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        scope: SearchScope = "messages",
        mode: SearchMode = "lexical",
        mmr_lambda: float | None = None,
        limit: int | None = 10,
        context: int = 0,
    ) -> list[SearchResult]:
        """Return the messages that best answer *text*, best first.

        Looks in one session, else in all of a user, else everywhere; with both, in that session if it is the user's.
        *text* is plain text in any language, never query syntax. A message is found by its words and by those of the
        messages around it, as an answer stands next to the words of its question. Without a text the filters alone
        decide, newest first, with score 0.

        *metadata* filters as in `list_sessions`, *start_date* and *end_date* bound `created_at`, inclusively. *where*
        is a node `{"jsonpath": path, "and": [nodes], "or": [nodes]}`, all parts of which have to hold; a path, in
        Postgres' SQL/JSON language, holds when it leads to something: `$.mood ? (@ == "glad")`. Beware: a comparison
        outside of a filter, `$.mood == "glad"`, always leads to its own truth, and so keeps all that has metadata.

        *scope* "summary" searches summaries instead. *mode* "semantic" finds by meaning, "hybrid" by both; they need
        the manager's embedder. *mmr_lambda* makes the results differ from each other, the more the nearer it is to 0.
        *context* asks for so many neighbours of each message, before and after it.

        Raises:
            InvalidInput: a value is out of bounds, or there is neither a text nor a filter.
        """
        from .core.search import finding, requests  # here: a program that never searches starts sooner

        request = requests.request(
            text,
            session_id=session_id,
            user_id=user_id,
            metadata=metadata,
            where=where,
            start_date=start_date,
            end_date=end_date,
            scope=scope,
            mode=mode,
            mmr_lambda=mmr_lambda,
            limit=limit,
            context=context,
        )
        return self._database.read(finding.find, asking(request, self._embedding))

    async def asearch_memory(
        self,
        text: str | None,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        where: Mapping[str, object] | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        scope: SearchScope = "messages",
        mode: SearchMode = "lexical",
        mmr_lambda: float | None = None,
        limit: int | None = 10,
        context: int = 0,
    ) -> list[SearchResult]:
        """Return the messages that best answer *text*, best first. See `search_memory`."""
        from .core.search import finding, requests  # here: a program that never searches starts sooner

        request = requests.request(
            text,
            session_id=session_id,
            user_id=user_id,
            metadata=metadata,
            where=where,
            start_date=start_date,
            end_date=end_date,
            scope=scope,
            mode=mode,
            mmr_lambda=mmr_lambda,
            limit=limit,
            context=context,
        )
        return await self._database.aread(finding.find, await aasking(request, self._embedding))

    def rebuild_search(self, progress: "SearchProgress | None" = None) -> int:
        """Make the search index anew from the messages, and return how many there are.

        Works in short transactions, between which others write and search, more slowly on SQLite. After each,
        *progress* is called with the number of messages done and about how many there are. Then what has no embedding
        yet is embedded, where there is an embedder; what that raises is raised.
        """
        from .core.search import rebuilding

        done = self._database.drive(rebuilding.steps(progress))
        if self._embedding is not None:
            embed_all(self._database, self._embedding)
        return done

    async def arebuild_search(self, progress: "SearchProgress | None" = None) -> int:
        """Make the search index anew from the messages, and return how many there are. See `rebuild_search`."""
        from .core.search import rebuilding

        done = await self._database.adrive(rebuilding.steps(progress))
        if self._embedding is not None:
            await aembed_all(self._database, self._embedding)
        return done

    def add_user(self, user: User) -> User:
        """Store a new user and return it.

        Raises:
            UserExists: the id is taken.
        """
        return self._database.write(core.users.add, user)

    async def aadd_user(self, user: User) -> User:
        """Store a new user and return it. See `add_user`."""
        return await self._database.awrite(core.users.add, user)

    def get_user(self, user_id: str) -> User:
        """Return the user *user_id*.

        Raises:
            UserNotFound: there is none.
        """
        return self._database.read(core.users.get, user_id)

    async def aget_user(self, user_id: str) -> User:
        """Return the user *user_id*. See `get_user`."""
        return await self._database.aread(core.users.get, user_id)

    def update_user(self, user: User) -> User:
        """Overwrite the fields of a user that are given and not empty, merge metadata, and return the user.

        Raises:
            UserNotFound: there is none.
        """
        return self._database.write(core.users.merge, user)

    async def aupdate_user(self, user: User) -> User:
        """Overwrite the fields of a user that are given and not empty, merge metadata, and return the user.

        See `update_user`.
        """
        return await self._database.awrite(core.users.merge, user)

    def delete_user(self, user_id: str) -> None:
        """Erase a user and all sessions of theirs, soft-deleted ones too, with everything in them, at once.

        Raises:
            UserNotFound: there is none.
        """
        self._database.write(core.users.erase, user_id)
        self._database.drive(core.purge.reclaim_steps())

    async def adelete_user(self, user_id: str) -> None:
        """Erase a user and all sessions of theirs, soft-deleted ones too, with everything in them, at once.

        See `delete_user`.
        """
        await self._database.awrite(core.users.erase, user_id)
        await self._database.adrive(core.purge.reclaim_steps())

    def list_users(
        self, limit: int | None = None, cursor: int = 0, *, metadata: dict[str, JsonScalar] | None = None
    ) -> list[User]:
        """Return users in the order in which they were added.

        *cursor* is the `id` of the last user already seen. *metadata* filters as in `list_sessions`.
        """
        return self._database.read(core.users.listed, limit, cursor, core.checks.metadata_filter(metadata))

    async def alist_users(
        self, limit: int | None = None, cursor: int = 0, *, metadata: dict[str, JsonScalar] | None = None
    ) -> list[User]:
        """Return users in the order in which they were added. See `list_users`."""
        return await self._database.aread(core.users.listed, limit, cursor, core.checks.metadata_filter(metadata))

    def list_all_users(
        self, chunk_size: int = 100, *, metadata: dict[str, JsonScalar] | None = None
    ) -> Iterator[list[User]]:
        """Yield all users in lists of at most *chunk_size*, each exactly once, whatever is deleted meanwhile.

        Filters as in `list_users`.
        """
        size, cursor = core.checks.positive("chunk_size", chunk_size), 0
        while chunk := self.list_users(size, cursor, metadata=metadata):
            yield chunk
            cursor = chunk[-1].id or cursor

    async def alist_all_users(
        self, chunk_size: int = 100, *, metadata: dict[str, JsonScalar] | None = None
    ) -> AsyncIterator[list[User]]:
        """Yield all users in lists of at most *chunk_size*, each exactly once, whatever is deleted meanwhile.

        See `list_all_users`.
        """
        size, cursor = core.checks.positive("chunk_size", chunk_size), 0
        while chunk := await self.alist_users(size, cursor, metadata=metadata):
            yield chunk
            cursor = chunk[-1].id or cursor

    def get_user_sessions(self, user_id: str, limit: int | None = None, cursor: int = 0) -> list[Session]:
        """Return the live sessions of a user in the order in which they were added.

        An unknown user has none.
        """
        return self._database.read(
            core.sessions.listed, limit, cursor, core.sessions.filtered(core.checks.user_id(user_id))
        )

    async def aget_user_sessions(self, user_id: str, limit: int | None = None, cursor: int = 0) -> list[Session]:
        """Return the live sessions of a user in the order in which they were added. See `get_user_sessions`."""
        return await self._database.aread(
            core.sessions.listed, limit, cursor, core.sessions.filtered(core.checks.user_id(user_id))
        )

    def purge(
        self,
        older_than: timedelta = timedelta(0),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: "Progress | None" = None,
    ) -> PurgeReport:
        """Remove for good what was soft-deleted at least *older_than* ago, and report how much went.

        Works in transactions of at most *batch_size* rows, after each of which *progress* is called with the report so
        far. With *dry_run* rows are counted and nothing goes. SQLite gives the space back to the file system.
        """
        return self._database.drive(core.purge.steps(core.purge.request(older_than, batch_size, dry_run, progress)))

    async def apurge(
        self,
        older_than: timedelta = timedelta(0),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: "Progress | None" = None,
    ) -> PurgeReport:
        """Remove for good what was soft-deleted at least *older_than* ago, and report how much went. See `purge`."""
        request = core.purge.request(older_than, batch_size, dry_run, progress)
        return await self._database.adrive(core.purge.steps(request))

    async def apurge_every(
        self,
        interval: timedelta,
        older_than: timedelta = timedelta(0),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: "Progress | None" = None,
    ) -> None:
        """Purge now and then after every *interval*: the purge process, as a task.

        Ends when it is cancelled, and after the interval in which the manager was closed. A database that is away is
        logged and tried again at the next interval. Arguments as of `purge`.
        """
        pause = core.purge.checked_interval(interval)
        while not self._database.closed:
            try:
                await self.apurge(older_than, batch_size=batch_size, dry_run=dry_run, progress=progress)
            except DatabaseUnavailable as error:
                logger.warning("purge failed, next try in %s: %s", interval, error)
            await asyncio.sleep(pause)
