"""The session manager: every operation of the library, for blocking and for async callers."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from . import core, tenants
from .blocks import Block
from .errors import InvalidInput, ZepMemoryError
from .flows import application, asking, chores, searching, states, writing
from .models import (
    BeforeStore,
    Branch,
    Changes,
    ChangeState,
    ErasureCheck,
    ErasureReceipt,
    Feedback,
    Hold,
    LedgerReport,
    Memory,
    Message,
    PurgeProgress,
    PurgeReport,
    RetentionProgress,
    RetentionReport,
    RetentionRule,
    SearchResult,
    Session,
    SessionResult,
    State,
    Stats,
    Summarizer,
    Summary,
    Titler,
    TransferReport,
    Usage,
    User,
)
from .running.background import Chores
from .running.replicas import runner_of
from .types import (
    DEFAULT_MAX_TOKENS,
    Durability,
    Embedder,
    JsonScalar,
    KnownRule,
    LentConnection,
    MessageStatus,
    Metadata,
    Pooler,
    RebuildProgress,
    SearchMode,
    SearchOptions,
    SessionOrder,
    SummaryAs,
    TokenCounter,
    TransferFormat,
    TransferProgress,
    TransferSource,
    TransferTarget,
    UsageKey,
    Watcher,
)
from .units import Flow

logger = logging.getLogger(__name__)


def manager_of(value: object) -> "SessionManager":
    """Return *value*, which an adapter was given as its manager.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(value, SessionManager):
        return value
    kind = "None" if value is None else f"a class, {value.__name__}" if isinstance(value, type) else None
    raise InvalidInput(
        "manager",
        f"is {kind or f'of type {type(value).__name__}'}, not a SessionManager; make one, "
        'manager = SessionManager("sqlite:///app.db"), and give that',
    )


class SessionManager:
    """Keeps conversations in sessions, in a database of the application.

    *database* is a URL (`sqlite:///file.db`, `sqlite://` for memory, `postgresql://…`, `sqlite+aiosqlite://…`,
    `postgresql+asyncpg://…`), the path of an SQLite file, or an engine of the application, which is used as it is and
    never disposed of. The tables are created on first use; making a manager does no I/O.

    *message_window* is how many messages `get_memory` returns at most when it is not told. *token_counter* counts the
    tokens of a text, once, when it is stored: a function, or the name of a model or an encoding that the package
    `tiktoken` knows, or "tiktoken" itself; by default they are estimated. *summarizer*, a chat model of LangChain's, a
    LlamaIndex `LLM`, or a function, is called with the latest summary and the messages to add to it, whenever a write
    leaves more than *message_window* messages behind that summary. *titler*, likewise, names a session without a title
    after its first turn. *embedder*, a LangChain `Embeddings`, a LlamaIndex `BaseEmbedding`, a function from texts to
    vectors, or "static" for the word vectors of the extra `static`, lets messages be searched by what they mean; it is
    called after each write, and its failure is logged and made up for at the next write to the session. With
    *background* a write returns before any of them is called: for blocking callers threads of the manager do that, for
    async ones tasks on the event loop; `flush` waits for them, and so does `close`. Without it the write waits.
    *before_store* is asked before messages are stored, those of an import too, with the session id and the messages,
    and returns those to store, redacted or tagged; what it raises refuses them all. *summary_as* says how all adapters
    show a model the summary of a session: as a system message, or with "user", for models that take no second one, at
    the beginning of the first message of the user. *durability* "full" means that what
    was acknowledged survives a power loss; with "normal" SQLite may then lose the writes of the last moments, though
    not in a crash of the program, and writes about four times faster. *pooler* says whether something like PgBouncer
    stands before Postgres that gives each transaction another server: "auto" finds that out, at one round trip for each
    new connection; "transaction" and "none" tell, as `?pooler=` in the URL does. Behind one, no statement is prepared
    by name. *schema*, on Postgres, is the schema that the tables are in, by default that of the engine's
    `schema_translate_map`, else the first of the `search_path`; *table_prefix* begins their names in the place of
    "zep_". Both may stand in the URL as well. *replica*, a URL or an engine, is a standby of the Postgres database that
    searches, listings of sessions and users, counts of all, and exports are read from, as soon as it has what this
    manager has written; else, and where it does not answer, from *database*.

    A session belongs to at most one user. Every method that names a session takes *user_id*: with it, a session of
    another user is refused with `SessionOwnedByAnotherUser`, and nothing is read or written; a session of nobody is in
    reach of all.

    A method that takes the uuid of a message takes the id, too, that LangChain knows it by, whatever that looks like.

    Every method that asks the database has an async twin with an `a` in front. One manager serves any number of threads
    and event loops.
    """

    def __init__(
        self,
        database: str | URL | PathLike[str] | Engine | AsyncEngine = "sqlite:///zep_memory.db",
        *,
        message_window: int = 12,
        token_counter: TokenCounter | str | None = None,
        summarizer: Summarizer | None = None,
        titler: Titler | None = None,
        embedder: Embedder | None = None,
        before_store: BeforeStore | None = None,
        summary_as: SummaryAs = "system",
        background: bool = True,
        durability: Durability = "full",
        pooler: Pooler = "auto",
        schema: str | None = None,
        table_prefix: str | None = None,
        replica: str | URL | Engine | AsyncEngine | None = None,
    ) -> None:
        self._app = application.Application(
            core.tokens.counter_of(token_counter),
            core.checks.positive("message_window", message_window),
            asking.summarizer_of(summarizer),
            asking.titler_of(titler),
            application.embedding_of(embedder),
            background,
            core.checks.before_store(before_store),
            core.checks.summary_as(summary_as),
        )
        self._runner = runner_of(
            database,
            replica,
            chores=Chores(partial(chores.of_session, self._app), partial(chores.left_undone, self._app)),
            durability=durability,
            pooler=pooler,
            schema=schema,
            table_prefix=table_prefix,
        )

    def __repr__(self) -> str:
        return f"SessionManager({self._runner.shown_url!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __enter__(self) -> Self:
        self._runner.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._runner.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def using(self, connection: LentConnection) -> Block[LentConnection]:
        """Let what is done in the block be a part of the transaction of *connection*, which is the application's.

        That is a `Connection` or a `Session` of SQLAlchemy's, or one that is awaited, for calls that are awaited. What
        is stored is committed or rolled back with the application's own rows, and seen by nobody else before. Each call
        is a savepoint, so that one that fails leaves the transaction as it was; none is tried again. A connection in
        autocommit has no transaction, and each call commits.

        It holds where `use_session` would, and for the tasks that are started in the block: a connection does one thing
        at a time.

        Raises:
            InvalidInput: *connection* is none.
        """
        return self._runner.using(connection)

    def as_user(self, user_id: str) -> Self:
        """Return a manager for the user *user_id* alone: for whatever takes a manager, adapters too.

        Only the user's own sessions are there, and new ones are theirs. One of another user, or of nobody, is as if it
        were not there: a read finds nothing, a write raises `SessionNotFound`. Ids are shared by all, so that a new
        session cannot have one that is taken. What concerns more than one user, such as `purge`, raises
        `NotForOneUser`. The connections are this manager's, which closes them.

        Raises:
            InvalidInput: *user_id* is none, or this manager is already for someone else.
        """
        return tenants.of_one_user(self, user_id)

    def watch(self, watcher: Watcher | None) -> None:
        """Have what *watcher* returns around each unit of work from now on, as a trace or a log does; None ends that.

        It is told what is done, on what kind of database and how, in one `Operation`: neither whose it is nor what is
        in it. What it raises is raised where the unit was asked for. `zep_memory_plugin.otel` is one.
        """
        self._runner.watch(watcher)

    @property
    def token_counter(self) -> TokenCounter:
        """The function that counts the tokens of a text."""
        return self._app.token_counter

    @property
    def summary_as(self) -> SummaryAs:
        """Who tells a model the summary of a session."""
        return self._app.summary_as

    def close(self) -> None:
        """Do what `flush` waits for, and close the connections that the manager made.

        An engine of the application stays open. Further calls are refused, until a `with` or `async with` opens the
        manager again.
        """
        self._runner.close()

    async def aclose(self) -> None:
        """Do what `flush` waits for, and close the connections that the manager made. See `close`."""
        await self._runner.aclose()

    def flush(self) -> None:
        """Wait until what was acknowledged is summarised, named and embedded, so that a search by meaning sees it.

        That goes on in the background; also what a process that crashed has left undone is made up for, in the sessions
        that were active last. Where a model fails, that is logged, and the next write to the
        session makes up for it. What was written on a connection that was lent by `using` counts from its commit on.
        """
        self._runner.flush()

    async def aflush(self) -> None:
        """Wait until what was acknowledged is summarised, named and embedded, so that a search by meaning sees it.

        See `flush`.
        """
        await self._runner.aflush()

    def add_session(self, session: Session, *, exist_ok: bool = False, create_user: bool = False) -> Session:
        """Store a new session and return it.

        One that began with its first message, before anybody added it, is completed: title and metadata are merged
        into it. With *exist_ok* so is any other, as by `update_session`, but never one of another user. Moments that
        are given are kept. With *create_user* a user who is unknown is added.

        Raises:
            SessionExists: the id is taken, by a live or a soft-deleted session.
            SessionOwnedByAnotherUser: the session that is there belongs to someone other than it names.
            UserNotFound: the session names a user who was not added.
        """
        return self._runner.write(core.sessions.add, session, exist_ok, create_user)

    async def aadd_session(self, session: Session, *, exist_ok: bool = False, create_user: bool = False) -> Session:
        """Store a new session and return it. See `add_session`."""
        return await self._runner.awrite(core.sessions.add, session, exist_ok, create_user)

    def get_session(self, session_id: str, *, user_id: str | None = None, with_state: bool = False) -> Session:
        """Return the live session *session_id*, *with_state* also its state and the uuid of its last message.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.read(core.sessions.get, session_id, user_id, with_state)

    async def aget_session(self, session_id: str, *, user_id: str | None = None, with_state: bool = False) -> Session:
        """Return the live session *session_id*, *with_state* also its state and the uuid of its last message.

        See `get_session`.
        """
        return await self._runner.aread(core.sessions.get, session_id, user_id, with_state)

    def update_session(
        self, session: Session, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> Session:
        """Merge what *session* gives into what is stored, and return the session.

        Metadata: objects are merged at any depth; other values, lists too, are replaced, and None takes its key out.
        `{}` and no metadata change nothing but `updated_at`. A title that is given becomes the title, "" takes it
        away. A user who is given becomes the owner, as by `move_session`. A soft-deleted session comes back to life.

        With *expected_revision* the session is changed only while it is of that revision.

        Raises:
            SessionChanged: it is of another revision.
            SessionNotFound: there is no such session.
        """
        return self._runner.write(core.sessions.merge, session, user_id, expected_revision)

    async def aupdate_session(
        self, session: Session, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> Session:
        """Merge what *session* gives into what is stored, and return the session. See `update_session`."""
        return await self._runner.awrite(core.sessions.merge, session, user_id, expected_revision)

    def move_session(self, session_id: str, user_id: str, *, from_user_id: str | None = None) -> Session:
        """Give a session to the user *user_id*, who is added when unknown, and return it.

        With *from_user_id* only a session of that user, or of nobody, is given.

        Raises:
            SessionNotFound: there is none, or it is deleted.
            SessionOwnedByAnotherUser: it belongs to someone other than *from_user_id*.
            Held: its user is held, and it would be so no longer.
        """
        return self._runner.write(core.sessions.move, session_id, user_id, from_user_id)

    async def amove_session(self, session_id: str, user_id: str, *, from_user_id: str | None = None) -> Session:
        """Give a session to the user *user_id*, who is added when unknown, and return it. See `move_session`."""
        return await self._runner.awrite(core.sessions.move, session_id, user_id, from_user_id)

    def delete_session(
        self, session_id: str, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> None:
        """Soft-delete a session and everything in it, with *expected_revision* only while it is of that revision.

        `restore_session` brings it back until a purge.

        Raises:
            Held: it is held, or its user is.
            SessionChanged: it is of another revision.
            SessionNotFound: there is none, or it is deleted already.
        """
        self._runner.write(core.sessions.delete, session_id, user_id, expected_revision)

    async def adelete_session(
        self, session_id: str, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> None:
        """Soft-delete a session and everything in it, with *expected_revision* only while it is of that revision.

        See `delete_session`.
        """
        await self._runner.awrite(core.sessions.delete, session_id, user_id, expected_revision)

    def expire_sessions(
        self,
        older_than: timedelta,
        *,
        since: SessionOrder = "active",
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        batch_size: int = 100,
        dry_run: bool = False,
    ) -> int:
        """Soft-delete the sessions in which nothing was said for *older_than*, and return how many they are.

        With *since* "added" it goes by when they were created. *user_id* and *metadata* are as in `list_sessions`. What
        is held stays. Works in transactions of at most *batch_size* sessions; with *dry_run* they are only counted.
        `restore_session` brings any of them back until a purge, whose own *older_than* is the time of grace.
        """
        wanted = core.expiry.request(older_than, since, user_id, metadata, batch_size)
        return self._runner.run(core.expiry.expire(wanted, dry_run))

    async def aexpire_sessions(
        self,
        older_than: timedelta,
        *,
        since: SessionOrder = "active",
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        batch_size: int = 100,
        dry_run: bool = False,
    ) -> int:
        """Soft-delete the sessions in which nothing was said for *older_than*, and return how many they are.

        See `expire_sessions`.
        """
        wanted = core.expiry.request(older_than, since, user_id, metadata, batch_size)
        return await self._runner.arun(core.expiry.expire(wanted, dry_run))

    def hold_session(self, session_id: str, *, user_id: str | None = None) -> None:
        """Keep a session, live or soft-deleted, from being deleted, purged or erased until `release_session`.

        What is written to it meanwhile is written; what is soft-deleted in it stays in reach of a release.

        Raises:
            SessionNotFound: there is no such session, or it was purged.
        """
        self._runner.write(core.holding.hold_session, session_id, user_id)

    async def ahold_session(self, session_id: str, *, user_id: str | None = None) -> None:
        """Keep a session, live or soft-deleted, from being deleted, purged or erased until `release_session`.

        See `hold_session`.
        """
        await self._runner.awrite(core.holding.hold_session, session_id, user_id)

    def release_session(self, session_id: str, *, user_id: str | None = None) -> None:
        """Let a session go again; one that is not held is left as it is.

        Raises:
            SessionNotFound: there is no such session.
        """
        self._runner.write(core.holding.release_session, session_id, user_id)

    async def arelease_session(self, session_id: str, *, user_id: str | None = None) -> None:
        """Let a session go again; one that is not held is left as it is. See `release_session`."""
        await self._runner.awrite(core.holding.release_session, session_id, user_id)

    def hold_user(self, user_id: str) -> None:
        """Keep a user from being erased, and all sessions that are or will be theirs from going, until `release_user`.

        Raises:
            UserNotFound: there is no such user.
        """
        self._runner.write(core.holding.hold_user, user_id)

    async def ahold_user(self, user_id: str) -> None:
        """Keep a user from being erased, and all sessions that are or will be theirs from going, until `release_user`.

        See `hold_user`.
        """
        await self._runner.awrite(core.holding.hold_user, user_id)

    def release_user(self, user_id: str) -> None:
        """Let a user go again; sessions of theirs that are held themselves stay so.

        Raises:
            UserNotFound: there is no such user.
        """
        self._runner.write(core.holding.release_user, user_id)

    async def arelease_user(self, user_id: str) -> None:
        """Let a user go again; sessions of theirs that are held themselves stay so. See `release_user`."""
        await self._runner.awrite(core.holding.release_user, user_id)

    def list_holds(self) -> list[Hold]:
        """Return all that is held: sessions, then users."""
        return self._runner.read(core.holds.listed)

    async def alist_holds(self) -> list[Hold]:
        """Return all that is held: sessions, then users. See `list_holds`."""
        return await self._runner.aread(core.holds.listed)

    def restore_session(self, session_id: str, *, user_id: str | None = None) -> Session:
        """Bring back a soft-deleted session with exactly what its deletion took along.

        A session that a write has revived since gets back, in their places, the messages that its last deletion took;
        any other live session is returned as it is.

        Raises:
            SessionNotFound: there is no such session, or it was purged.
        """
        return self._runner.write(core.sessions.restore, session_id, user_id)

    async def arestore_session(self, session_id: str, *, user_id: str | None = None) -> Session:
        """Bring back a soft-deleted session with exactly what its deletion took along. See `restore_session`."""
        return await self._runner.awrite(core.sessions.restore, session_id, user_id)

    def list_sessions(
        self,
        limit: int | None = None,
        cursor: int | str | None = None,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        order: SessionOrder = "added",
        with_preview: bool = False,
        with_state: bool = False,
    ) -> list[Session]:
        """Return live sessions in the order in which they were added, or those that were active last first.

        *cursor* is the `id` of the last session already seen, in the *order* "active" its `activity_cursor`; there a
        session that gets a message moves to the head, and all that did not move are listed once. *metadata* keeps
        sessions whose metadata has each of these keys with an equal value of the same type. *deleted* lists the
        soft-deleted sessions instead. *start_date* and *end_date* bound `last_active_at`. *with_preview* counts the
        messages of each and shows the beginning of its last one, and *with_state* adds the state of each and the uuid
        of its last message, in the same statement.
        """
        wanted = core.sessions.filtered(user_id, metadata, deleted, with_preview, with_state, start_date, end_date)
        return self._runner.run(core.sessions.listed(limit, cursor, order, wanted, self._app.sessions_horizon))

    async def alist_sessions(
        self,
        limit: int | None = None,
        cursor: int | str | None = None,
        *,
        user_id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
        deleted: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        order: SessionOrder = "added",
        with_preview: bool = False,
        with_state: bool = False,
    ) -> list[Session]:
        """Return live sessions in the order in which they were added, or those that were active last first.

        See `list_sessions`.
        """
        wanted = core.sessions.filtered(user_id, metadata, deleted, with_preview, with_state, start_date, end_date)
        return await self._runner.arun(core.sessions.listed(limit, cursor, order, wanted, self._app.sessions_horizon))

    def find_session(self, uuid: UUID | str, *, user_id: str | None = None) -> Session:
        """Return the live session that has the message *uuid*, on any branch; of several the one added first.

        All sessions are looked through, or those of *user_id*: what knows the session asks that.

        Raises:
            MessageNotFound: no session has it.
        """
        return self._runner.read(core.sessions.of_message, uuid, user_id)

    async def afind_session(self, uuid: UUID | str, *, user_id: str | None = None) -> Session:
        """Return the live session that has the message *uuid*, on any branch; of several the one added first.

        See `find_session`.
        """
        return await self._runner.aread(core.sessions.of_message, uuid, user_id)

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

    def activity(self, days: int = 30, *, user_id: str | None = None) -> dict[date, int]:
        """Count the live messages of each of the last *days* in UTC, today last, perhaps of one user's sessions.

        Every message is looked at, so that it takes a while where there are millions.
        """
        return self._runner.read_late(core.activity.by_day, days, user_id)

    async def aactivity(self, days: int = 30, *, user_id: str | None = None) -> dict[date, int]:
        """Count the live messages of each of the last *days* in UTC, today last, perhaps of one user's sessions.

        See `activity`.
        """
        return await self._runner.aread_late(core.activity.by_day, days, user_id)

    def count_messages(
        self, session_ids: Iterable[str], *, status: MessageStatus | None = None, user_id: str | None = None
    ) -> dict[str, int]:
        """Count the live messages of each of *session_ids*, in one query.

        Only those of *status*, "active" or "archived", when it is given.
        """
        return self._runner.read(
            core.sessions.message_counts, list(core.checks.several("session_ids", session_ids)), status, user_id
        )

    async def acount_messages(
        self, session_ids: Iterable[str], *, status: MessageStatus | None = None, user_id: str | None = None
    ) -> dict[str, int]:
        """Count the live messages of each of *session_ids*, in one query. See `count_messages`."""
        return await self._runner.aread(
            core.sessions.message_counts, list(core.checks.several("session_ids", session_ids)), status, user_id
        )

    def add_memory(
        self,
        session_id: str,
        messages: Iterable[Message] | Memory,
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
        known: KnownRule = "update",
        since_seq: int | None = None,
        metadata: Metadata | None = None,
        state: str | None = None,
        expected_revision: int | None = None,
        after: UUID | str | None = None,
    ) -> list[Message]:
        """Append *messages*, or those of a `Memory`, to a session and return them as stored.

        The session is created, or undeleted, when need be. All messages are stored or none, and their order holds
        even when clocks disagree. *user_id* becomes the owner of a session that has none, and is added as a user when
        unknown. *status* "archived" stores new messages where `archive_messages` would put them. *metadata* is merged
        into that of the session, and *state* becomes its state, in the same write. Without any of these nothing
        happens. With *expected_revision* all is stored only while the session is of that revision, 0 where it must not
        be there yet. *after* is the message, of any branch, that they follow, as after `switch_branch`; the nil UUID
        stands for none, so that the session begins anew.

        *known* says what becomes of a message whose uuid the session knows. "update": it gets the new content and keeps
        its seq; when it was deleted, it stays deleted and is not returned. "append" is for programs that send what was
        said before once more, with uuids or without, or the same uuid for another message: what comes before the last
        question is the conversation that is sent again as far as it is known, by its words, too; a question that the
        session ends with was asked again after a failure; all else is stored as new, under another uuid where need
        be. Within a turn that goes on, *since_seq* is the seq before its first message: of what is known by its uuid,
        what came later is updated, and all else is new.

        Raises:
            InvalidInput: a message, its metadata or an id is out of bounds.
            MessageNotFound: no branch of the session has the message *after*.
            SessionChanged: the session is of another revision.
            SessionOwnedByAnotherUser: the session belongs to someone other than *user_id*.
        """
        batch = core.batches.batch(
            messages,
            self._app.token_counter,
            status,
            known=known,
            since_seq=since_seq,
            metadata=metadata,
            state=state,
            expected_revision=expected_revision,
            after=after,
        )
        return self._runner.run(writing.add_memory(self._app, session_id, batch, user_id))

    async def aadd_memory(
        self,
        session_id: str,
        messages: Iterable[Message] | Memory,
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
        known: KnownRule = "update",
        since_seq: int | None = None,
        metadata: Metadata | None = None,
        state: str | None = None,
        expected_revision: int | None = None,
        after: UUID | str | None = None,
    ) -> list[Message]:
        """Append *messages*, or those of a `Memory`, to a session and return them as stored. See `add_memory`."""
        batch = core.batches.batch(
            messages,
            self._app.token_counter,
            status,
            known=known,
            since_seq=since_seq,
            metadata=metadata,
            state=state,
            expected_revision=expected_revision,
            after=after,
        )
        return await self._runner.arun(writing.add_memory(self._app, session_id, batch, user_id))

    def replace_memory(
        self,
        session_id: str,
        messages: Iterable[Message] | Memory,
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
        metadata: Metadata | None = None,
        state: str | None = None,
        expected_revision: int | None = None,
    ) -> list[Message]:
        """Make *messages* all that a session holds, in one transaction, and return them as stored.

        What was there, summaries too, is soft-deleted; a message whose uuid the session knows, even from a deletion,
        moves to its new seq and gets the new content. With nothing to store a session that exists is cleared. All else
        is as in `add_memory`.

        Raises:
            InvalidInput: a message, its metadata or an id is out of bounds; the session is as before.
            SessionChanged: it is of another revision than *expected_revision*.
            SessionOwnedByAnotherUser: the session belongs to someone other than *user_id*.
        """
        batch = core.batches.batch(
            messages,
            self._app.token_counter,
            status,
            metadata=metadata,
            state=state,
            expected_revision=expected_revision,
        )
        return self._runner.run(writing.replace_memory(self._app, session_id, batch, user_id))

    async def areplace_memory(
        self,
        session_id: str,
        messages: Iterable[Message] | Memory,
        *,
        user_id: str | None = None,
        status: MessageStatus = "active",
        metadata: Metadata | None = None,
        state: str | None = None,
        expected_revision: int | None = None,
    ) -> list[Message]:
        """Make *messages* all that a session holds, in one transaction, and return them as stored.

        See `replace_memory`.
        """
        batch = core.batches.batch(
            messages,
            self._app.token_counter,
            status,
            metadata=metadata,
            state=state,
            expected_revision=expected_revision,
        )
        return await self._runner.arun(writing.replace_memory(self._app, session_id, batch, user_id))

    def get_memory(
        self,
        session_id: str,
        lastn: int | None = None,
        *,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        user_id: str | None = None,
        as_of: int | datetime | None = None,
    ) -> Memory:
        """Return what a model should be shown of a session: newest messages, oldest first, and the latest summary.

        The newest *lastn* messages; with None or 0 those after the latest summary, at most the manager's message
        window. Where these have more than *max_tokens* tokens, the newest whole turns of them that have no more, and at
        least the last one; None is no bound. The memory of an unknown or deleted session is empty. *as_of* an earlier
        time it is what a model was shown then, as in `list_messages`.
        """
        if as_of is not None:
            window = self._app.message_window
            return self._runner.read(core.history.memory, session_id, as_of, lastn, window, max_tokens, user_id)
        return self._runner.read(core.memory.get, session_id, lastn, self._app.message_window, max_tokens, user_id)

    async def aget_memory(
        self,
        session_id: str,
        lastn: int | None = None,
        *,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        user_id: str | None = None,
        as_of: int | datetime | None = None,
    ) -> Memory:
        """Return what a model should be shown of a session: newest messages, oldest first, and the latest summary.

        See `get_memory`.
        """
        if as_of is not None:
            window = self._app.message_window
            return await self._runner.aread(core.history.memory, session_id, as_of, lastn, window, max_tokens, user_id)
        return await self._runner.aread(
            core.memory.get, session_id, lastn, self._app.message_window, max_tokens, user_id
        )

    def get_state(self, session_id: str, *, user_id: str | None = None) -> State | None:
        """Return the state of a session, or None where it has none.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.read(core.states.of_session, session_id, user_id)

    async def aget_state(self, session_id: str, *, user_id: str | None = None) -> State | None:
        """Return the state of a session, or None where it has none. See `get_state`."""
        return await self._runner.aread(core.states.of_session, session_id, user_id)

    def set_state(
        self, session_id: str, state: str, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> State:
        """Set the state of a session, JSON text of at most 1 MiB, and return it.

        It is stored as it is, and not searched; it goes with its session. With *expected_revision* it is set only
        while the state is of that revision, 0 where there must be none yet.

        Raises:
            SessionNotFound: there is none, or it is deleted.
            StateChanged: the state is of another revision.
        """
        return self._runner.write(core.states.set_of_session, session_id, state, user_id, expected_revision)

    async def aset_state(
        self, session_id: str, state: str, *, user_id: str | None = None, expected_revision: int | None = None
    ) -> State:
        """Set the state of a session, JSON text of at most 1 MiB, and return it. See `set_state`."""
        return await self._runner.awrite(core.states.set_of_session, session_id, state, user_id, expected_revision)

    def change_state(self, session_id: str, change: ChangeState, *, user_id: str | None = None) -> State:
        """Set the state of a session to what *change* returns, and return it.

        *change* is a function from the state as it is, or None, to the new JSON text. Where somebody else writes the
        state meanwhile it is called again, with what that one wrote, so that nobody's change is lost.

        Raises:
            SessionNotFound: there is none, or it is deleted.
            InvalidInput: what *change* returns is no JSON text of at most 1 MiB.
        """
        return self._runner.run(states.change_of_session(session_id, change, user_id))

    async def achange_state(self, session_id: str, change: ChangeState, *, user_id: str | None = None) -> State:
        """Set the state of a session to what *change* returns, and return it. See `change_state`."""
        return await self._runner.arun(states.change_of_session(session_id, change, user_id))

    def get_user_state(self, user_id: str) -> State | None:
        """Return the state of a user, or None where they have none.

        Raises:
            UserNotFound: there is no such user.
        """
        return self._runner.read(core.states.of_user, user_id)

    async def aget_user_state(self, user_id: str) -> State | None:
        """Return the state of a user, or None where they have none. See `get_user_state`."""
        return await self._runner.aread(core.states.of_user, user_id)

    def set_user_state(self, user_id: str, state: str, *, expected_revision: int | None = None) -> State:
        """Set the state of a user and return it. See `set_state`.

        Raises:
            StateChanged: the state is of another revision.
            UserNotFound: there is no such user.
        """
        return self._runner.write(core.states.set_of_user, user_id, state, expected_revision)

    async def aset_user_state(self, user_id: str, state: str, *, expected_revision: int | None = None) -> State:
        """Set the state of a user and return it. See `set_state`. See `set_user_state`."""
        return await self._runner.awrite(core.states.set_of_user, user_id, state, expected_revision)

    def change_user_state(self, user_id: str, change: ChangeState) -> State:
        """Set the state of a user to what *change* returns, and return it. See `change_state`.

        Raises:
            UserNotFound: there is none.
            InvalidInput: what *change* returns is no JSON text of at most 1 MiB.
        """
        return self._runner.run(states.change_of_user(user_id, change))

    async def achange_user_state(self, user_id: str, change: ChangeState) -> State:
        """Set the state of a user to what *change* returns, and return it. See `change_state`.

        See `change_user_state`.
        """
        return await self._runner.arun(states.change_of_user(user_id, change))

    def clear_memory(self, session_id: str, *, user_id: str | None = None) -> None:
        """Soft-delete all messages and summaries of a session, and keep the session.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        self._runner.write(core.memory.clear, session_id, user_id)

    async def aclear_memory(self, session_id: str, *, user_id: str | None = None) -> None:
        """Soft-delete all messages and summaries of a session, and keep the session. See `clear_memory`."""
        await self._runner.awrite(core.memory.clear, session_id, user_id)

    def delete_memory(self, session_id: str, *, user_id: str | None = None) -> None:
        """Soft-delete a session and everything in it: Zep's name for `delete_session`.

        Raises:
            SessionNotFound: there is none, or it is deleted already.
        """
        self.delete_session(session_id, user_id=user_id)

    async def adelete_memory(self, session_id: str, *, user_id: str | None = None) -> None:
        """Soft-delete a session and everything in it: Zep's name for `delete_session`. See `delete_memory`."""
        await self.adelete_session(session_id, user_id=user_id)

    def rewind_session(self, session_id: str, to_uuid: UUID | str, *, user_id: str | None = None) -> None:
        """Let a session end with the message *to_uuid*, and go on from there as another branch.

        What came after it is superseded: no read shows it, `list_branches` does, and `switch_branch` brings it back. It
        goes when the session is purged or cleared.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        self._runner.write(core.memory.rewind, session_id, to_uuid, user_id)

    async def arewind_session(self, session_id: str, to_uuid: UUID | str, *, user_id: str | None = None) -> None:
        """Let a session end with the message *to_uuid*, and go on from there as another branch.

        See `rewind_session`.
        """
        await self._runner.awrite(core.memory.rewind, session_id, to_uuid, user_id)

    def list_branches(self, session_id: str, *, user_id: str | None = None) -> list[Branch]:
        """Return the ways that a session went, each by the message that it ends with.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.read(core.branches.listed, session_id, user_id)

    async def alist_branches(self, session_id: str, *, user_id: str | None = None) -> list[Branch]:
        """Return the ways that a session went, each by the message that it ends with. See `list_branches`."""
        return await self._runner.aread(core.branches.listed, session_id, user_id)

    def branch_messages(
        self, session_id: str, to_uuid: UUID | str, limit: int | None = None, *, user_id: str | None = None
    ) -> list[Message]:
        """Return the messages up to *to_uuid*, of any branch, oldest first; with *limit* the newest of them.

        Raises:
            MessageNotFound: no branch of the session has the message, or the session is not there.
        """
        return self._runner.read(core.branches.read_to, session_id, to_uuid, limit, user_id)

    async def abranch_messages(
        self, session_id: str, to_uuid: UUID | str, limit: int | None = None, *, user_id: str | None = None
    ) -> list[Message]:
        """Return the messages up to *to_uuid*, of any branch, oldest first; with *limit* the newest of them.

        See `branch_messages`.
        """
        return await self._runner.aread(core.branches.read_to, session_id, to_uuid, limit, user_id)

    def switch_branch(self, session_id: str, to_uuid: UUID | str, *, user_id: str | None = None) -> None:
        """Let a session end with the message *to_uuid* of any branch, and go on from there.

        With the message that a branch ends with this undoes a `rewind_session`; nothing of the other branches is lost.

        Raises:
            MessageNotFound: no branch of the session has the message.
            SessionNotFound: there is none, or it is deleted.
        """
        self._runner.write(core.branches.switch, session_id, to_uuid, user_id)

    async def aswitch_branch(self, session_id: str, to_uuid: UUID | str, *, user_id: str | None = None) -> None:
        """Let a session end with the message *to_uuid* of any branch, and go on from there. See `switch_branch`."""
        await self._runner.awrite(core.branches.switch, session_id, to_uuid, user_id)

    def fork_session(
        self,
        session_id: str,
        new_session_id: str,
        *,
        until_uuid: UUID | str | None = None,
        user_id: str | None = None,
    ) -> Session:
        """Copy a session, up to and with the message *until_uuid*, into a new session of the same user.

        Messages keep their uuids and seqs; what was deleted stays behind.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionExists: *new_session_id* is taken.
            SessionNotFound: there is none to copy, or it is deleted.
        """
        return self._runner.write(core.memory.fork, session_id, new_session_id, until_uuid, user_id)

    async def afork_session(
        self,
        session_id: str,
        new_session_id: str,
        *,
        until_uuid: UUID | str | None = None,
        user_id: str | None = None,
    ) -> Session:
        """Copy a session, up to and with the message *until_uuid*, into a new session of the same user.

        See `fork_session`.
        """
        return await self._runner.awrite(core.memory.fork, session_id, new_session_id, until_uuid, user_id)

    def rename_session(self, session_id: str, new_session_id: str, *, user_id: str | None = None) -> Session:
        """Give a session another id, and return it; all that it holds, deleted messages too, stays as it is.

        Who goes on writing under the old id begins a new session.

        Raises:
            SessionNotFound: there is none, or it is deleted.
            SessionExists: the new id is taken, by a live or a soft-deleted session.
        """
        return self._runner.write(core.renaming.rename, session_id, new_session_id, user_id)

    async def arename_session(self, session_id: str, new_session_id: str, *, user_id: str | None = None) -> Session:
        """Give a session another id, and return it; all that it holds, deleted messages too, stays as it is.

        See `rename_session`.
        """
        return await self._runner.awrite(core.renaming.rename, session_id, new_session_id, user_id)

    def list_messages(
        self,
        session_id: str,
        limit: int | None = None,
        cursor: int | None = None,
        *,
        deleted: bool = False,
        user_id: str | None = None,
        as_of: int | datetime | None = None,
    ) -> list[Message]:
        """Return the messages of a session in order.

        *cursor* is the `seq` of the last message already seen. *deleted* lists the soft-deleted messages instead, of a
        live or a soft-deleted session, as long as no purge has taken them. *as_of* a moment, or the `seq` that was the
        last one then, lists what was there, deleted since or not; what was changed since is as it is now.
        """
        if as_of is not None:
            return self._runner.read(core.history.listed, session_id, as_of, limit, cursor, deleted, user_id)
        return self._runner.read(core.messages.listed, session_id, limit, cursor, deleted, user_id)

    async def alist_messages(
        self,
        session_id: str,
        limit: int | None = None,
        cursor: int | None = None,
        *,
        deleted: bool = False,
        user_id: str | None = None,
        as_of: int | datetime | None = None,
    ) -> list[Message]:
        """Return the messages of a session in order. See `list_messages`."""
        if as_of is not None:
            return await self._runner.aread(core.history.listed, session_id, as_of, limit, cursor, deleted, user_id)
        return await self._runner.aread(core.messages.listed, session_id, limit, cursor, deleted, user_id)

    def changes(
        self,
        session_id: str | None = None,
        limit: int | None = None,
        cursor: int | str | None = None,
        *,
        user_id: str | None = None,
    ) -> Changes:
        """Return what was committed in a session, or in all sessions of a user, after a place, and none missed.

        Messages that were appended, edited, archived, deleted, restored or superseded, by whatever process, in the
        order of commits: of a session by its revisions, and within one by seq; sessions one after the other, in the
        order in which they were added. A message comes where it was appended and where it was changed last, as it is
        now, and when it is deleted or superseded by now, as that alone. What a purge or an erasure has removed comes no
        more, nor what another user was given. Of many at most *limit* are returned.

        *cursor* is that of the call before, with which nothing comes twice; or a revision of the session; or "now",
        after all that is committed. By default it begins with the first message. A soft-deleted session is read as
        well; one that is not there has no changes.

        Raises:
            InvalidInput: neither a session nor a user is named, or *cursor* is none.
            SessionOwnedByAnotherUser: the session belongs to someone other than *user_id*.
        """
        return self._runner.read(core.changes.listed, session_id, user_id, limit, cursor)

    async def achanges(
        self,
        session_id: str | None = None,
        limit: int | None = None,
        cursor: int | str | None = None,
        *,
        user_id: str | None = None,
    ) -> Changes:
        """Return what was committed in a session, or in all sessions of a user, after a place, and none missed.

        See `changes`.
        """
        return await self._runner.aread(core.changes.listed, session_id, user_id, limit, cursor)

    def follow(
        self,
        session_id: str,
        after_seq: int | None = None,
        *,
        interval: timedelta = timedelta(milliseconds=500),
        user_id: str | None = None,
    ) -> Iterator[Message]:
        """Yield the messages of a session as they are stored, by whatever process: in order, each once, none missed.

        Begins after the seq *after_seq*, 0 being before the first message, by default after the newest one that is
        stored when the first one is asked for. Whoever was interrupted goes on after the `seq` of the last one that
        came. What is said on another branch comes as well; what is edited or deleted does not come again, and what
        `replace_memory` puts into the place of all others comes whole.

        Looks after every *interval*, by one statement that reads what is new. Ends when the manager is closed, the twin
        after the interval in which it was.

        Raises:
            SessionOwnedByAnotherUser: it is another's than of *user_id*, also where it becomes so meanwhile.
        """
        core.leases.check_interval(interval)
        seq = core.checks.limit(after_seq, "after_seq")
        if seq is None:
            seq = self._newest_seq(session_id, user_id)
        while not self._runner.closed:
            new = self.list_messages(session_id, core.messages.FOLLOWED_AT_ONCE, seq, user_id=user_id)
            for message in new:
                seq = message.seq or seq
                yield message
            if len(new) < core.messages.FOLLOWED_AT_ONCE:
                self._runner.sleep(interval.total_seconds())

    async def afollow(
        self,
        session_id: str,
        after_seq: int | None = None,
        *,
        interval: timedelta = timedelta(milliseconds=500),
        user_id: str | None = None,
    ) -> AsyncIterator[Message]:
        """Yield the messages of a session as they are stored, by whatever process: in order, each once, none missed.

        See `follow`.
        """
        core.leases.check_interval(interval)
        seq = core.checks.limit(after_seq, "after_seq")
        if seq is None:
            seq = await self._anewest_seq(session_id, user_id)
        while not self._runner.closed:
            new = await self.alist_messages(session_id, core.messages.FOLLOWED_AT_ONCE, seq, user_id=user_id)
            for message in new:
                seq = message.seq or seq
                yield message
            if len(new) < core.messages.FOLLOWED_AT_ONCE:
                await self._runner.asleep(interval.total_seconds())

    def follow_changes(
        self,
        session_id: str | None = None,
        cursor: int | str | None = "now",
        *,
        interval: timedelta = timedelta(milliseconds=500),
        user_id: str | None = None,
    ) -> Iterator[Changes]:
        """Yield what is committed in a session, or in all sessions of a user, as `changes` returns it: none missed.

        Begins after *cursor*, by default after all that is committed when the first one is asked for. Whoever was
        interrupted goes on after the `cursor` of the last ones that came. Looks after every *interval*, by one
        statement, which has nothing to do as long as no revision has grown. Ends when the manager is closed, the twin
        after the interval in which it was.

        Raises:
            InvalidInput: neither a session nor a user is named, or *cursor* is none.
            SessionOwnedByAnotherUser: it is another's than of *user_id*, also where it becomes so meanwhile.
        """
        core.leases.check_interval(interval)
        page = self.changes(session_id, core.changes.FOLLOWED_AT_ONCE, cursor, user_id=user_id)
        while not self._runner.closed:
            if page.changes:
                yield page
            if len(page.changes) < core.changes.FOLLOWED_AT_ONCE:
                self._runner.sleep(interval.total_seconds())
            if not self._runner.closed:
                page = self.changes(session_id, core.changes.FOLLOWED_AT_ONCE, page.cursor, user_id=user_id)

    async def afollow_changes(
        self,
        session_id: str | None = None,
        cursor: int | str | None = "now",
        *,
        interval: timedelta = timedelta(milliseconds=500),
        user_id: str | None = None,
    ) -> AsyncIterator[Changes]:
        """Yield what is committed in a session, or in all sessions of a user, as `changes` returns it: none missed.

        See `follow_changes`.
        """
        core.leases.check_interval(interval)
        page = await self.achanges(session_id, core.changes.FOLLOWED_AT_ONCE, cursor, user_id=user_id)
        while not self._runner.closed:
            if page.changes:
                yield page
            if len(page.changes) < core.changes.FOLLOWED_AT_ONCE:
                await self._runner.asleep(interval.total_seconds())
            if not self._runner.closed:
                page = await self.achanges(session_id, core.changes.FOLLOWED_AT_ONCE, page.cursor, user_id=user_id)

    def _newest_seq(self, session_id: str, user_id: str | None) -> int:
        newest = self.last_messages(session_id, 1, user_id=user_id)
        return newest[0].seq or 0 if newest else 0

    async def _anewest_seq(self, session_id: str, user_id: str | None) -> int:
        newest = await self.alast_messages(session_id, 1, user_id=user_id)
        return newest[0].seq or 0 if newest else 0

    def last_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        turns: int | None = None,
        max_tokens: int | None = None,
        whole_turns: bool = False,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the newest messages of a session, oldest first.

        At most *limit* messages, of at most *max_tokens* tokens together. With *whole_turns* the window starts at a
        message of the user: what comes before the first one in it is left out, and when there is none, the window
        reaches back to the start of the last turn, whatever that costs. *turns* bounds their number, and keeps them
        whole. Without a bound everything is returned. With *until_seq* what came after that seq is as if it were not
        there.
        """
        return self._runner.read(
            core.windows.newest, session_id, limit, turns, max_tokens, whole_turns, until_seq, user_id
        )

    async def alast_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        turns: int | None = None,
        max_tokens: int | None = None,
        whole_turns: bool = False,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the newest messages of a session, oldest first. See `last_messages`."""
        return await self._runner.aread(
            core.windows.newest, session_id, limit, turns, max_tokens, whole_turns, until_seq, user_id
        )

    def prompt_memory(
        self,
        session_id: str,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        *,
        limit: int | None = None,
        turns: int | None = None,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> Memory:
        """Return what a model with room for *max_tokens* tokens should be shown of a session: what all adapters show.

        The newest turns, at most *turns* of them and *limit* messages, oldest first: whole ones, so that no tool's
        answer comes without its call. A system message at the head of the session stays. The last turn is returned even
        when it is too long by itself; None is no bound. The latest summary comes with them; its tokens are not counted.
        With *until_seq* what came after that seq is as if it were not there.
        """
        return self._runner.read(core.windows.prompt, session_id, limit, turns, max_tokens, until_seq, user_id)

    async def aprompt_memory(
        self,
        session_id: str,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        *,
        limit: int | None = None,
        turns: int | None = None,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> Memory:
        """Return what a model with room for *max_tokens* tokens should be shown of a session: what all adapters show.

        See `prompt_memory`.
        """
        return await self._runner.aread(core.windows.prompt, session_id, limit, turns, max_tokens, until_seq, user_id)

    def prompt_messages(
        self,
        session_id: str,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        *,
        limit: int | None = None,
        turns: int | None = None,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the messages of `prompt_memory`, without the summary."""
        bounds = {"limit": limit, "turns": turns, "until_seq": until_seq}
        return self.prompt_memory(session_id, max_tokens, **bounds, user_id=user_id).messages

    async def aprompt_messages(
        self,
        session_id: str,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        *,
        limit: int | None = None,
        turns: int | None = None,
        until_seq: int | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the messages of `prompt_memory`, without the summary. See `prompt_messages`."""
        bounds = {"limit": limit, "turns": turns, "until_seq": until_seq}
        return (await self.aprompt_memory(session_id, max_tokens, **bounds, user_id=user_id)).messages

    def get_message(self, session_id: str, uuid: UUID | str, *, user_id: str | None = None) -> Message:
        """Return one live message.

        Raises:
            MessageNotFound: the session has no such live message.
        """
        return self._runner.read(core.messages.get, session_id, uuid, user_id)

    async def aget_message(self, session_id: str, uuid: UUID | str, *, user_id: str | None = None) -> Message:
        """Return one live message. See `get_message`."""
        return await self._runner.aread(core.messages.get, session_id, uuid, user_id)

    def update_message(
        self,
        session_id: str,
        uuid: UUID | str,
        *,
        metadata: Metadata | None = None,
        content: str | None = None,
        user_id: str | None = None,
    ) -> Message:
        """Merge metadata into a message, give it new content, and return it; its seq stays.

        New content is counted anew, and what a framework stored beside the old content goes.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.run(writing.update_message(self._app, session_id, uuid, metadata, content, user_id))

    async def aupdate_message(
        self,
        session_id: str,
        uuid: UUID | str,
        *,
        metadata: Metadata | None = None,
        content: str | None = None,
        user_id: str | None = None,
    ) -> Message:
        """Merge metadata into a message, give it new content, and return it; its seq stays. See `update_message`."""
        return await self._runner.arun(writing.update_message(self._app, session_id, uuid, metadata, content, user_id))

    def delete_messages(self, session_id: str, uuids: Iterable[UUID | str], *, user_id: str | None = None) -> None:
        """Soft-delete messages of a session: all of *uuids*, or none when one is not there.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        self._runner.write(core.messages.delete, session_id, list(core.checks.several("uuids", uuids)), user_id)

    async def adelete_messages(
        self, session_id: str, uuids: Iterable[UUID | str], *, user_id: str | None = None
    ) -> None:
        """Soft-delete messages of a session: all of *uuids*, or none when one is not there. See `delete_messages`."""
        await self._runner.awrite(core.messages.delete, session_id, list(core.checks.several("uuids", uuids)), user_id)

    def slice_messages(
        self,
        session_id: str,
        start: int | None = None,
        stop: int | None = None,
        *,
        status: MessageStatus | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the messages of a session at the positions from *start* until before *stop*, as a slice of a list.

        Positions count from 0, the oldest message, or from -1, the newest, both from the same end: `-20` to None are
        the newest 20, `-40` to `-20` those before. Only messages of *status* count when it is given.
        """
        return self._runner.read(core.archive.sliced, session_id, start, stop, status, user_id)

    async def aslice_messages(
        self,
        session_id: str,
        start: int | None = None,
        stop: int | None = None,
        *,
        status: MessageStatus | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the messages of a session at the positions from *start* until before *stop*, as a slice of a list.

        See `slice_messages`.
        """
        return await self._runner.aread(core.archive.sliced, session_id, start, stop, status, user_id)

    def delete_slice(
        self,
        session_id: str,
        start: int | None = None,
        stop: int | None = None,
        *,
        status: MessageStatus | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Soft-delete the messages that `slice_messages` would return, and return them.

        Callers at the same time take turns: each finds the positions that the one before left.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.write(core.archive.delete_slice, session_id, start, stop, status, user_id)

    async def adelete_slice(
        self,
        session_id: str,
        start: int | None = None,
        stop: int | None = None,
        *,
        status: MessageStatus | None = None,
        user_id: str | None = None,
    ) -> list[Message]:
        """Soft-delete the messages that `slice_messages` would return, and return them. See `delete_slice`."""
        return await self._runner.awrite(core.archive.delete_slice, session_id, start, stop, status, user_id)

    def archive_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        until_seq: int | None = None,
        after_seq: int = 0,
        user_id: str | None = None,
    ) -> list[Message]:
        """Archive the oldest active messages of a session and return them.

        At most *limit*, none after the seq *until_seq*, with which callers who saw the same messages archive them once,
        and none up to the seq *after_seq*, with which a system message stays at the head. An archived message is still
        live and read like any other, unless its status is asked for.

        Raises:
            SessionNotFound: there is none, or it is deleted.
        """
        return self._runner.write(core.archive.archive, session_id, limit, until_seq, after_seq, user_id)

    async def aarchive_messages(
        self,
        session_id: str,
        limit: int | None = None,
        *,
        until_seq: int | None = None,
        after_seq: int = 0,
        user_id: str | None = None,
    ) -> list[Message]:
        """Archive the oldest active messages of a session and return them. See `archive_messages`."""
        return await self._runner.awrite(core.archive.archive, session_id, limit, until_seq, after_seq, user_id)

    def add_summary(
        self,
        session_id: str,
        summary: Summary,
        *,
        until_uuid: UUID | str | None = None,
        user_id: str | None = None,
    ) -> Summary:
        """Store a summary of a session and return it.

        It covers everything up to the message *until_uuid*, else up to its `seq`, else all there is, and replaces a
        summary that covers just as much.

        Raises:
            MessageNotFound: the session has no such live message.
            SessionNotFound: there is none, or it is deleted.
        """
        row = core.summaries.written(summary, self._app.token_counter)
        return self._runner.write(core.summaries.add, session_id, row, until_uuid, user_id)

    async def aadd_summary(
        self,
        session_id: str,
        summary: Summary,
        *,
        until_uuid: UUID | str | None = None,
        user_id: str | None = None,
    ) -> Summary:
        """Store a summary of a session and return it. See `add_summary`."""
        row = core.summaries.written(summary, self._app.token_counter)
        return await self._runner.awrite(core.summaries.add, session_id, row, until_uuid, user_id)

    def list_summaries(
        self, session_id: str, limit: int | None = None, cursor: int | None = None, *, user_id: str | None = None
    ) -> list[Summary]:
        """Return the summaries of a session in order.

        *cursor* is the `seq` of the last summary already seen.
        """
        return self._runner.read(core.summaries.listed, session_id, limit, cursor, user_id)

    async def alist_summaries(
        self, session_id: str, limit: int | None = None, cursor: int | None = None, *, user_id: str | None = None
    ) -> list[Summary]:
        """Return the summaries of a session in order. See `list_summaries`."""
        return await self._runner.aread(core.summaries.listed, session_id, limit, cursor, user_id)

    def search_memory(self, text: str | None, **options: Unpack[SearchOptions]) -> list[SearchResult]:
        """Return the messages that best answer *text*, best first.

        Looks in the session *session_id*, else in all of the user *user_id*, else everywhere; with both, in that
        session if it is the user's or nobody's. *text* is plain text in any language. A message is found by its words
        and by those of the messages around it, as an answer stands next to the words of its question. Without a text
        the filters alone decide, newest first, with score 0. `SearchOptions` says what each option means.

        In *text*, `"two words"` asks for messages with just these, where there are any, `-word` for such without it in
        any form, and `role:user` for those of users. Nothing that is typed is an error.

        Raises:
            InvalidInput: a value is out of bounds, or there is neither a text nor a filter.
            SessionOwnedByAnotherUser: *session_id* is a session of someone other than *user_id*.
        """
        from .core.search import requests  # here: a program that never searches starts sooner

        return self._runner.run(searching.search_memory(self._app, requests.request(text, **options)))

    async def asearch_memory(self, text: str | None, **options: Unpack[SearchOptions]) -> list[SearchResult]:
        """Return the messages that best answer *text*, best first. See `search_memory`."""
        from .core.search import requests  # here: a program that never searches starts sooner

        return await self._runner.arun(searching.search_memory(self._app, requests.request(text, **options)))

    def search_sessions(
        self,
        text: str,
        *,
        user_id: str | None = None,
        mode: SearchMode = "lexical",
        limit: int | None = 10,
        turns: int = 3,
    ) -> list[SessionResult]:
        """Return the sessions whose turns best answer *text*, best first, each with the best *turns* of it.

        Looks in all of the user *user_id*, else everywhere. *text* is read as in `search_memory`.

        Raises:
            InvalidInput: a value is out of bounds, or there is no text.
        """
        from .core.search import requests

        request = requests.session_request(text, user_id=user_id, mode=mode, limit=limit, turns=turns)
        return self._runner.run(searching.search_sessions(self._app, request, turns))

    async def asearch_sessions(
        self,
        text: str,
        *,
        user_id: str | None = None,
        mode: SearchMode = "lexical",
        limit: int | None = 10,
        turns: int = 3,
    ) -> list[SessionResult]:
        """Return the sessions whose turns best answer *text*, best first, each with the best *turns* of it.

        See `search_sessions`.
        """
        from .core.search import requests

        request = requests.session_request(text, user_id=user_id, mode=mode, limit=limit, turns=turns)
        return await self._runner.arun(searching.search_sessions(self._app, request, turns))

    def rebuild_search(self, progress: RebuildProgress | None = None, *, embeddings: bool = False) -> int:
        """Make the search index anew from the messages, and return how many there are.

        Works in short transactions, between which others write and search, more slowly on SQLite. After each,
        *progress* is called with the number of messages done and about how many there are. Then what has no embedding
        yet is embedded, where there is an embedder; with *embeddings* every message is, for a manager that has another
        one now, and counts once more in *progress*. What the embedder raises is raised.

        Raises:
            InvalidInput: *embeddings* is True, and the manager has no embedder.
        """
        return self._runner.run(searching.rebuild_search(self._app, progress, embeddings))

    async def arebuild_search(self, progress: RebuildProgress | None = None, *, embeddings: bool = False) -> int:
        """Make the search index anew from the messages, and return how many there are. See `rebuild_search`."""
        return await self._runner.arun(searching.rebuild_search(self._app, progress, embeddings))

    def add_user(self, user: User) -> User:
        """Store a new user and return it.

        Raises:
            UserExists: the id is taken.
        """
        return self._runner.write(core.users.add, user)

    async def aadd_user(self, user: User) -> User:
        """Store a new user and return it. See `add_user`."""
        return await self._runner.awrite(core.users.add, user)

    def get_user(self, user_id: str) -> User:
        """Return the user *user_id*.

        Raises:
            UserNotFound: there is none.
        """
        return self._runner.read(core.users.get, user_id)

    async def aget_user(self, user_id: str) -> User:
        """Return the user *user_id*. See `get_user`."""
        return await self._runner.aread(core.users.get, user_id)

    def update_user(self, user: User) -> User:
        """Overwrite the fields of a user that are given and not empty, merge metadata, and return the user.

        Raises:
            UserNotFound: there is none.
        """
        return self._runner.write(core.users.merge, user)

    async def aupdate_user(self, user: User) -> User:
        """Overwrite the fields of a user that are given and not empty, merge metadata, and return the user.

        See `update_user`.
        """
        return await self._runner.awrite(core.users.merge, user)

    def erase_user(self, user_id: str) -> ErasureReceipt:
        """Erase a user and all sessions of theirs, soft-deleted ones too, with everything in them, at once.

        The receipt has counts and digests of what went, and no word of it. The ledger has it from then on, so that
        neither `import_memory` nor, with `apply_ledger`, a backup brings back what the user had until then. Who comes
        back begins anew.

        Raises:
            Held: they are held, or a session of theirs is.
            UserNotFound: there is none.
        """
        return self._runner.run(writing.erase_user(user_id))

    async def aerase_user(self, user_id: str) -> ErasureReceipt:
        """Erase a user and all sessions of theirs, soft-deleted ones too, with everything in them, at once.

        See `erase_user`.
        """
        return await self._runner.arun(writing.erase_user(user_id))

    def delete_user(self, user_id: str) -> None:
        """Do what `erase_user` does, under the name that Zep has for it."""
        self.erase_user(user_id)

    async def adelete_user(self, user_id: str) -> None:
        """Do what `erase_user` does, under the name that Zep has for it. See `delete_user`."""
        await self.aerase_user(user_id)

    def verify_erased(self, user_id: str, *, words: Iterable[str] = ()) -> ErasureCheck:
        """Look for what is left of a user whom `erase_user` has erased: in tables, the index, files and statistics.

        Looks for their id, and for *words* that were theirs, such as ids of sessions or what they said. Everything is
        read, and of an SQLite file a copy is made meanwhile, so that it takes a while.
        """
        return self._runner.read(core.leftovers.found, user_id, words)

    async def averify_erased(self, user_id: str, *, words: Iterable[str] = ()) -> ErasureCheck:
        """Look for what is left of a user whom `erase_user` has erased: in tables, the index, files and statistics.

        See `verify_erased`.
        """
        return await self._runner.aread(core.leftovers.found, user_id, words)

    def export_ledger(self, target: TransferTarget) -> int:
        """Write the ledger of erasures to *target*, a path or a file that is open for bytes, and count its entries.

        It is kept apart from backups: `apply_ledger` reads it after one is restored.
        """
        from . import transfer

        return self._runner.run(transfer.export_ledger(target))

    async def aexport_ledger(self, target: TransferTarget) -> int:
        """Write the ledger of erasures to *target*, a path or a file that is open for bytes, and count its entries.

        See `export_ledger`.
        """
        from . import transfer

        return await self._runner.arun(transfer.export_ledger(target))

    def apply_ledger(self, source: TransferSource | None = None) -> LedgerReport:
        """Erase again who is in the ledger, with the entries of *source*, which `export_ledger` has written.

        Of each, the user and sessions that were created until the moment of their erasure go; newer ones are of who
        came back, and stay. To do it twice changes nothing.

        Raises:
            InvalidInput: *source* is no ledger, or a line of it is not accepted; nothing is erased.
        """
        from . import transfer

        return self._runner.run(transfer.apply_ledger(source))

    async def aapply_ledger(self, source: TransferSource | None = None) -> LedgerReport:
        """Erase again who is in the ledger, with the entries of *source*, which `export_ledger` has written.

        See `apply_ledger`.
        """
        from . import transfer

        return await self._runner.arun(transfer.apply_ledger(source))

    def list_users(
        self, limit: int | None = None, cursor: int | None = None, *, metadata: dict[str, JsonScalar] | None = None
    ) -> list[User]:
        """Return users in the order in which they were added.

        *cursor* is the `id` of the last user already seen. *metadata* filters as in `list_sessions`.
        """
        wanted = core.checks.metadata_filter(metadata)
        return self._runner.run(core.users.listed(limit, cursor, wanted, self._app.users_horizon))

    async def alist_users(
        self, limit: int | None = None, cursor: int | None = None, *, metadata: dict[str, JsonScalar] | None = None
    ) -> list[User]:
        """Return users in the order in which they were added. See `list_users`."""
        wanted = core.checks.metadata_filter(metadata)
        return await self._runner.arun(core.users.listed(limit, cursor, wanted, self._app.users_horizon))

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

    def get_user_sessions(self, user_id: str, limit: int | None = None, cursor: int | None = None) -> list[Session]:
        """Return the live sessions of a user in the order in which they were added.

        An unknown user has none.
        """
        return self.list_sessions(limit, cursor, user_id=core.checks.user_id(user_id))

    async def aget_user_sessions(
        self, user_id: str, limit: int | None = None, cursor: int | None = None
    ) -> list[Session]:
        """Return the live sessions of a user in the order in which they were added. See `get_user_sessions`."""
        return await self.alist_sessions(limit, cursor, user_id=core.checks.user_id(user_id))

    def usage(
        self,
        by: UsageKey = "day",
        *,
        user_id: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> list[Usage]:
        """Sum the tokens, the cost and the feedback of messages *by* session, user or day in UTC, with one statement.

        That is what a message has in its metadata, `{"usage": {"input_tokens": 9, "output_tokens": 3, "cost": 0.01}}`,
        put there by an adapter whose framework reports it, or by the application, also later, by `update_message`. What
        is soft-deleted counts until it is purged, and so does what a fork has copied.
        """
        return self._runner.read_late(core.usage.summed, by, user_id, start_date, end_date)

    async def ausage(
        self,
        by: UsageKey = "day",
        *,
        user_id: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> list[Usage]:
        """Sum the tokens, the cost and the feedback of messages *by* session, user or day in UTC, with one statement.

        See `usage`.
        """
        return await self._runner.aread_late(core.usage.summed, by, user_id, start_date, end_date)

    def add_feedback(
        self,
        session_id: str,
        uuid: UUID | str,
        score: float,
        *,
        comment: str | None = None,
        user_id: str | None = None,
    ) -> Message:
        """Keep what somebody thinks of a message, in the place of what they thought before, and return the message.

        *score* is a number of the application's choice, such as 1 and -1. It is in the message's metadata, as
        `{"feedback": {"score": 1, "comment": "right"}}`; `usage` sums it.

        Raises:
            MessageNotFound: the session has no such message.
            SessionNotFound: there is no such session.
        """
        told = core.usage.feedback(score, comment)
        return self._runner.run(writing.update_message(self._app, session_id, uuid, told, None, user_id))

    async def aadd_feedback(
        self,
        session_id: str,
        uuid: UUID | str,
        score: float,
        *,
        comment: str | None = None,
        user_id: str | None = None,
    ) -> Message:
        """Keep what somebody thinks of a message, in the place of what they thought before, and return the message.

        See `add_feedback`.
        """
        told = core.usage.feedback(score, comment)
        return await self._runner.arun(writing.update_message(self._app, session_id, uuid, told, None, user_id))

    def list_feedback(
        self,
        limit: int | None = None,
        *,
        user_id: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> list[Feedback]:
        """Return what people think of live messages, the newest message first, of a user and of some time if told."""
        return self._runner.read_late(core.usage.listed, limit, user_id, start_date, end_date)

    async def alist_feedback(
        self,
        limit: int | None = None,
        *,
        user_id: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> list[Feedback]:
        """Return what people think of live messages, the newest message first, of a user and of some time if told.

        See `list_feedback`.
        """
        return await self._runner.aread_late(core.usage.listed, limit, user_id, start_date, end_date)

    def stats(self) -> Stats:
        """Count users, sessions, messages and summaries, live and deleted, and say how much space they take.

        Every row is looked at: it takes a while where there are millions.
        """
        return self._runner.read_late(core.stats.counted)

    async def astats(self) -> Stats:
        """Count users, sessions, messages and summaries, live and deleted, and say how much space they take.

        See `stats`.
        """
        return await self._runner.aread_late(core.stats.counted)

    def export_memory(
        self,
        target: TransferTarget,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        deleted: bool = False,
        file_format: TransferFormat = "jsonl",
        progress: TransferProgress | None = None,
    ) -> TransferReport:
        """Write one session, all of one user, or everything to *target*, a path or a file that is open for bytes.

        As JSON Lines nothing is lost, and `import_memory` reads it: ids, order, times, metadata, a framework's own
        form; with *deleted* also what is soft-deleted. Markdown and CSV are for people. Memory is needed for a page of
        rows. A file of that name is there once it is complete. *progress* is called with the messages done and all.

        Raises:
            SessionNotFound: there is none, or it is deleted.
            UserNotFound: there is neither the user nor a session of theirs.
        """
        from . import transfer  # here: a program that never exports starts sooner

        what = core.exporting.wanted(session_id, user_id, deleted)
        return self._runner.run(transfer.export(what, target, file_format, progress))

    async def aexport_memory(
        self,
        target: TransferTarget,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        deleted: bool = False,
        file_format: TransferFormat = "jsonl",
        progress: TransferProgress | None = None,
    ) -> TransferReport:
        """Write one session, all of one user, or everything to *target*, a path or a file that is open for bytes.

        See `export_memory`.
        """
        from . import transfer  # here: a program that never exports starts sooner

        what = core.exporting.wanted(session_id, user_id, deleted)
        return await self._runner.arun(transfer.export(what, target, file_format, progress))

    def import_memory(self, source: TransferSource, *, progress: TransferProgress | None = None) -> TransferReport:
        """Store what `export_memory` has written as JSON Lines, and report how much of it is new.

        What is there already stays as it is, so that to import twice, or again after an interruption, doubles nothing.
        A session whose id another session has is left out, and named in the report. Works in short transactions.

        Raises:
            InvalidInput: *source* is no such export, or a line of it is not accepted; those before it are stored.
        """
        from . import transfer  # here: a program that never imports starts sooner

        return self._runner.run(transfer.import_lines(self._app, source, progress))

    async def aimport_memory(
        self, source: TransferSource, *, progress: TransferProgress | None = None
    ) -> TransferReport:
        """Store what `export_memory` has written as JSON Lines, and report how much of it is new.

        See `import_memory`.
        """
        from . import transfer  # here: a program that never imports starts sooner

        return await self._runner.arun(transfer.import_lines(self._app, source, progress))

    def purge(
        self,
        older_than: timedelta = timedelta(0),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: PurgeProgress | None = None,
    ) -> PurgeReport:
        """Remove for good what was soft-deleted at least *older_than* ago, and report how much went.

        Works in transactions of at most *batch_size* rows, after each of which *progress* is called with the report so
        far. With *dry_run* rows are counted and nothing goes. SQLite gives the space back to the file system.
        """
        return self._runner.run(core.purge.purge(core.purge.request(older_than, batch_size, dry_run, progress)))

    async def apurge(
        self,
        older_than: timedelta = timedelta(0),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: PurgeProgress | None = None,
    ) -> PurgeReport:
        """Remove for good what was soft-deleted at least *older_than* ago, and report how much went. See `purge`."""
        return await self._runner.arun(core.purge.purge(core.purge.request(older_than, batch_size, dry_run, progress)))

    def purge_every(
        self,
        interval: timedelta,
        older_than: timedelta = timedelta(days=30),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: PurgeProgress | None = None,
    ) -> None:
        """Purge now and then after every *interval*, what was deleted *older_than* ago: the purge process.

        It runs in a thread of its own, the twin as a task, on any number of machines: one of them purges in each
        interval, after which *progress* is called with its report. Ends when the manager is closed, the twin after the
        interval in which it was. A purge that fails, as where the database is away, is logged and tried again at the
        next interval. Other arguments as of `purge`.
        """
        self._in_turns("purge", interval, core.purge.turn(interval, older_than, batch_size, dry_run, progress))

    async def apurge_every(
        self,
        interval: timedelta,
        older_than: timedelta = timedelta(days=30),
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        progress: PurgeProgress | None = None,
    ) -> None:
        """Purge now and then after every *interval*, what was deleted *older_than* ago: the purge process.

        See `purge_every`.
        """
        await self._ain_turns("purge", interval, core.purge.turn(interval, older_than, batch_size, dry_run, progress))

    def retain(
        self, rules: Iterable[RetentionRule], grace: timedelta = timedelta(days=30), *, dry_run: bool = False
    ) -> RetentionReport:
        """Soft-delete what the *rules* let expire, purge what was deleted *grace* ago, and report how much it was.

        What is held stays. Works in short transactions beside readers and writers. With *dry_run* all is counted and
        nothing changes.
        """
        return self._runner.run(core.retention.retain(core.retention.request(rules, grace, dry_run)))

    async def aretain(
        self, rules: Iterable[RetentionRule], grace: timedelta = timedelta(days=30), *, dry_run: bool = False
    ) -> RetentionReport:
        """Soft-delete what the *rules* let expire, purge what was deleted *grace* ago, and report how much it was.

        See `retain`.
        """
        return await self._runner.arun(core.retention.retain(core.retention.request(rules, grace, dry_run)))

    def retain_every(
        self,
        interval: timedelta,
        rules: Iterable[RetentionRule],
        grace: timedelta = timedelta(days=30),
        *,
        dry_run: bool = False,
        progress: RetentionProgress | None = None,
    ) -> None:
        """Do what `retain` does now and then after every *interval*: the retention process.

        On any number of machines one does so in each interval, as of `purge_every`, which need not run beside it. After
        each turn *progress* is called with the report of it.
        """
        turn = core.retention.turn(interval, core.retention.request(rules, grace, dry_run), progress)
        self._in_turns("retention", interval, turn)

    async def aretain_every(
        self,
        interval: timedelta,
        rules: Iterable[RetentionRule],
        grace: timedelta = timedelta(days=30),
        *,
        dry_run: bool = False,
        progress: RetentionProgress | None = None,
    ) -> None:
        """Do what `retain` does now and then after every *interval*: the retention process. See `retain_every`."""
        turn = core.retention.turn(interval, core.retention.request(rules, grace, dry_run), progress)
        await self._ain_turns("retention", interval, turn)

    def _in_turns(self, what: str, interval: timedelta, turn: Callable[[], Flow[timedelta]]) -> None:
        while not self._runner.closed:
            pause = interval
            try:
                pause = self._runner.run(turn())
            except ZepMemoryError as error:
                if self._runner.closed:  # between two batches, which is no failure
                    return
                logger.warning("%s failed, next try in %s: %s", what, interval, error)
            self._runner.sleep(pause.total_seconds())

    async def _ain_turns(self, what: str, interval: timedelta, turn: Callable[[], Flow[timedelta]]) -> None:
        while not self._runner.closed:
            pause = interval
            try:
                pause = await self._runner.arun(turn())
            except ZepMemoryError as error:
                if self._runner.closed:  # between two batches, which is no failure
                    return
                logger.warning("%s failed, next try in %s: %s", what, interval, error)
            await self._runner.asleep(pause.total_seconds())
