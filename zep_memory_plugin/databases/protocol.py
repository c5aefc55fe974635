"""The protocol that a database fulfils, and the values that pass through it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from sqlalchemy import URL, ColumnElement, Connection, FromClause, Table
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from ..errors import InvalidInput, ZepMemoryError
from ..moments import hour_of
from ..types import Durability, JsonScalar, Pooler, RebuildProgress
from ..units import Flow
from .naming import PLAIN, Names
from .postings import Postings, Span

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    UpsertInsert = postgresql.Insert | sqlite.Insert

Row = dict[str, Any]
"""Columns of a message that is to be stored, by name."""

Rows = Sequence[Any]
"""Rows of a query, read by name."""

Send = Callable[..., Any]
"""Sends a statement as it is, with its parameters or once for each of a `map` of such; returns what has its rows."""

Key = tuple[str, int]
"""The session and seq of a message or summary."""

FileId = tuple[int, int]
"""Which file it is, whatever its path: its device, and its number there."""

DriverConnection: TypeAlias = Any
"""A connection as its driver knows it: of sqlite3, aiosqlite, psycopg or asyncpg."""


@dataclass(frozen=True, slots=True)
class Append:
    """Messages to append to a session, checked and complete but for their `seq`."""

    session_id: str
    user_id: str | None
    rows: list[Row]
    now: datetime
    fresh: bool
    """Whether no row can be stored already: no uuid is the caller's, and nothing of this was sent before."""

    only_unknown: bool = False
    """Whether the database's fastest way is none for this append when the session knows one of its uuids."""

    question: str | None = None
    """A question with which the session must not end, so that the database's fastest way is one for this append."""

    unchanged: set[UUID] = field(default_factory=set)
    """The uuids of messages that an attempt has found to be stored as they are."""

    expected_revision: int | None = None
    """The revision that the session must have, 0 where it must not be there; None is any."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `statements.take_seqs`, and of `statements.ENDS_WITH_QUESTION`."""
        active_at = self.active_at
        return {
            "session": self.session_id,
            "count": len(self.rows),
            "now": self.now,
            "active": active_at,
            "hour": None if active_at is None else hour_of(active_at),
            "owner": self.user_id,
            "expected": self.expected_revision,
            "question": self.question,
        }

    @property
    def active_at(self) -> datetime | None:
        """When the newest of the messages was written: an import is no activity of today, nor is the future."""
        newest: datetime | None = max((row["created_at"] for row in self.rows), default=None)
        return newest if newest is None else min(newest, self.now)


class Appended(NamedTuple):
    """What became of one message of an append: its new seq, or the one it had already."""

    uuid: UUID
    seq: int
    created_at: datetime
    updated_at: datetime | None
    metadata: str | None


def filled(rows: Iterable[tuple[int, Row]]) -> list[Appended]:
    """Return what became of new messages, each with its seq."""
    return [Appended(row["uuid"], seq, row["created_at"], None, row["metadata"]) for seq, row in rows]


INTEGRITY = "integrity"
"""The check whether what is stored can be read at all."""


class Finding(NamedTuple):
    """What a check of a database came to, in words for an operator."""

    check: str
    is_good: bool
    says: str


class Trace(NamedTuple):
    """What a look for words came to, in one place beside the rows."""

    place: str
    found: int
    says: str
    """What was found, in words for an operator."""

    holds_rows: bool = False
    """Whether what stands in a row stands there, too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a caller has chosen for every connection."""

    url: URL
    durability: Durability
    pooler: Pooler = "auto"
    names: Names = PLAIN


@dataclass(frozen=True, slots=True)
class Failure:
    """What a driver's error means."""

    error: ZepMemoryError
    """What the caller gets, without the driver's error, whose words may hold some of the conversation."""

    retryable: bool = False
    """Whether the same unit of work, sent again on a fresh connection, may succeed."""

    locked_out: bool = False
    """Whether a lock was waited for in vain."""

    unprepared: bool = False
    """Whether the tables may be others by now, and are to be looked at before anything else is tried."""

    away: bool = False
    """Whether the server is not there for now, as amid a failover or a restart, and may be in some seconds."""

    outlived: bool = False
    """Whether connections that are open may be worse than new ones, as after a failover."""

    replaced: bool = False
    """Whether the file that connections have open is no longer the database."""

    garbled: bool = False
    """Whether something that is stored cannot be read, or only on a connection that is made `tolerant`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: in one session, in all of a user, or everywhere."""

    session_id: str | None = None
    user_id: str | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The scope as the parameters `session` and `user` of a statement."""
        return {"session": self.session_id, "user": self.user_id}


class Indexing(Protocol):
    """What search notes of each write, embeddings included, in the transaction of the write.

    A database inherits what it has nothing to do for.
    """

    def columns(self, name: str | None, content: str) -> dict[str, str]:
        """Return what a message's own row has to hold for the index, made before anything is locked."""
        return {}

    def add(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        """Take in new messages, which are stored by now in their session after the seq *before*."""
        return

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Take in that messages are about to get another name and content, and their columns for the index."""
        ...

    def drop(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Take in that messages are about to leave their seqs."""
        ...

    def tend(self, connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
        """Do now and then, after an append, what appends have left for later, outside a transaction."""
        return

    def copy(self, connection: Connection, source: str, target: str) -> None:
        """Take in the messages of *target*, which are a copy of *source*'s."""
        ...

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        """Remove the messages that meet *condition* for good, with all that was derived from them.

        Their sessions are locked meanwhile, as what is derived from a message is stored under that lock.
        *condition* becomes part of a statement that is kept, so what it compares with comes as *parameters*. Return how
        many messages there were, and when the last one was soft-deleted.
        """
        ...

    def rebuild(self, progress: RebuildProgress) -> Flow[int]:
        """Make the index anew from the messages while others go on writing, and count them."""
        ...

    def forget_removed(self, connection: Connection) -> bool:
        """Rid the index of what it holds of removed messages, a part at a time, and tell whether there is more."""
        return False

    def index_vectors(self, connection: Connection, dimensions: int) -> None:
        """Make the index for embeddings of so many dimensions, where the database can have one."""
        return


class Searching(Protocol):
    """What a search reads. It may find messages that are deleted; the caller reads them, and keeps what is live."""

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        """Return messages of *scope* that have one of *terms*."""
        ...

    def passages(
        self, connection: Connection, postings: Postings, spans: Sequence[Span], terms: Sequence[str], scope: Scope
    ) -> Rows:
        """Return what is ranked of the live messages of *scope* in *spans*, by span and seq.

        A sequence each: position in *spans*, session_id, seq, when it was created in seconds since 1970, bytes of its
        name and content, whether a user said it, name, and its content where it has any of the *terms*, else None.
        """
        ...

    def nearest(self, connection: Connection, vector: bytes, scope: Scope, count: int) -> dict[Key, float]:
        """Return the *count* live messages of *scope* whose embeddings are nearest to *vector*, with the cosine."""
        ...

    def dimensions(self) -> ColumnElement[int]:
        """Build how many numbers an embedding has: none where its message points nowhere."""
        ...

    def keys(self) -> FromClause:
        """Return a table, with columns `session_id` and `seq`, of the keys that `key_parameters` is given."""
        ...

    def key_parameters(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Return the parameters of a statement that reads from `keys`."""
        ...


class SearchIndex(Indexing, Searching, Protocol):
    """What a database keeps of messages so that they are found by their words and by what they mean."""


class Database(Protocol):
    """One kind of database. It inherits what it has nothing to do for."""

    index: SearchIndex

    one_writer: bool
    """Whether the database lets one connection write at a time, so that writers had better queue in the process."""

    has_replicas: bool
    """Whether there may be replicas of it that answer reads."""

    bound_to_process: bool
    """Whether no connection may be open while the process forks, so that the parent's and the child's go wrong."""

    def in_memory(self, url: URL) -> bool:
        """Tell whether *url* names a database that lives only as long as its connection."""
        return False

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Return keyword arguments for `create_engine`."""
        return {}

    def configure(self, cursor: DBAPICursor, record: ConnectionPoolEntry, settings: Settings) -> None:
        """Run, through *cursor*, what every new connection, that of *record*, has to run first."""
        return

    def located(self, url: URL) -> URL:
        """Return *url* so that it leads to the same database wherever the process goes."""
        return url

    def path_of(self, url: URL) -> str | None:
        """Return the path of the file that *url* leads to, whether or not it exists, None where it leads to none."""
        return None

    def file_of(self, url: URL) -> FileId | None:
        """Return which file *url* leads to, where that is one and it exists."""
        return None

    def open_file_of(self, driver: DriverConnection) -> FileId | None:
        """Return which file a driver's connection has open, where it was opened here."""
        return None

    def not_closed(self, file: FileId) -> bool:
        """Tell whether this process has *file* open by a connection of ours, or is just opening or closing one."""
        return False

    def keep_parents(self) -> None:
        """Keep, in a process that was forked, its copies of the parent's connections from being closed."""
        return

    def confirm(self, connection: Connection) -> None:
        """Make sure that what was committed on a connection of the application's is where others will find it."""
        return

    def clean(self, driver: DriverConnection) -> bool:
        """Tell whether a driver's connection has no transaction open."""
        ...

    def guard(self, driver: DriverConnection) -> None:
        """Keep interrupts from what a driver's new connection, on an event loop, would do wrong about them."""
        return

    def undo(self, driver: DriverConnection) -> None:
        """Roll back what an interrupted unit has left, at once and waiting for nobody, where closing would not."""
        return

    def invalidated(self, connection: DBAPIConnection, record: ConnectionPoolEntry, error: object) -> None:
        """Undo what is left on a connection that SQLAlchemy is about to close in the middle of its work."""
        self.undo(record.driver_connection)

    def end(self, driver: DriverConnection) -> None:
        """Roll back and close a driver's connection that its owner uses no more, in a thread without an event loop."""
        ...

    def autocommit(self, connection: Connection, settings: Settings) -> AbstractContextManager[None]:
        """Put a connection of the application into autocommit for the block, and back afterwards."""
        ...

    def joined(self, connection: Connection, settings: Settings) -> AbstractContextManager[None]:
        """Make the settings of a connection that the application lends for the block, and take them back afterwards."""
        ...

    def joins(self, connection: Connection) -> bool:
        """Tell whether what is sent on a connection of the application is a part of a transaction of its."""
        ...

    def begin_joined(self, connection: Connection) -> None:
        """Begin the application's transaction, where a savepoint that is released would else be the end of it."""
        return

    def tolerant(self, connection: Connection) -> AbstractContextManager[None]:
        """Read what is garbled as well as that goes in the block, which costs more than to read what is not."""
        return nullcontext()

    def keep_logs_clean(self) -> None:
        """Keep drivers from logging what is stored, unless the application has told them to log."""
        return

    @staticmethod
    def failure(error: BaseException) -> Failure:
        """Return what an *error* of the driver, or of SQLAlchemy around it, means."""
        ...

    def begin(self, connection: Connection, send: Send) -> None:
        """Begin a transaction that may write, with a statement that *send* sends."""
        ...

    def held_to(self, connection: Connection, user_id: str, *, reads: bool) -> AbstractContextManager[None]:
        """Let the database itself hold the block, which only *reads* or not, to what is the user's, if it can."""
        return nullcontext()

    def roll_back(self, connection: Connection) -> None:
        """Roll back the transaction, unless the database has done that already."""
        ...

    def impatient(self, connection: Connection, patience: float) -> AbstractContextManager[None]:
        """Wait no longer than *patience*, in seconds, for any lock in the block."""
        ...

    def present(self, connection: Connection, names: Sequence[str]) -> set[str]:
        """Return those of *names* that are tables, as a statement that does not say where would find them."""
        ...

    def make_schema(self, connection: Connection) -> None:
        """Make the schema that the tables are to be in, where there is none of that name."""
        return

    def is_whole(self, connection: Connection) -> bool:
        """Tell whether what stands beside the tables is there."""
        return True

    def mend(self, connection: Connection) -> None:
        """Make right again, in a transaction, what stands beside tables that were dropped or emptied."""
        return

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from creating the tables until the transaction ends, unless `begin` does."""
        return

    def insert(self, table: Table) -> "UpsertInsert":
        """Return an INSERT that knows ON CONFLICT."""
        ...

    def writers(self, connection: Connection, table: Table) -> set[str]:
        """Return names of the transactions, other than this one, that are writing to *table*."""
        return set()

    def listing_id(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """Return the values that give a new row of *table* its position in listings."""
        return {}

    def down_from(
        self, owner: ColumnElement[str], value: str, place: ColumnElement[int], at: int | None
    ) -> tuple[ColumnElement[bool], list[ColumnElement[Any]]]:
        """Match the rows whose *owner* is *value* from *place* *at* down, and return what their order begins with.

        That may say more than it has to, so that only the index by *owner* and *place* fits.
        """
        of_owner = owner == value
        return (of_owner if at is None else of_owner & (place <= at)), []

    def metadata_contains(
        self, connection: Connection, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]
    ) -> ColumnElement[bool]:
        """Match rows whose JSON object in *column* has every key of *wanted* with a value of the same type."""
        ...

    def metadata_number(
        self, connection: Connection, column: ColumnElement[Any], path: Sequence[str]
    ) -> ColumnElement[float]:
        """Return the number at *path* in the JSON object of *column*, None where there is none."""
        ...

    def day_number(self, moment: ColumnElement[datetime]) -> ColumnElement[int]:
        """Return the number of the day, in UTC, in which a *moment* lies; that of 1970-01-01 is 0."""
        ...

    def fill(
        self, connection: Connection, session_id: str, rows: Iterable[tuple[int, Row]], revision: int | None
    ) -> None:
        """Store new messages, any number of them, in their session, each at its seq, appended with its *revision*."""
        ...

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append to a session that exists, in the database's fastest way, in an open transaction or one of its own.

        Return None, with nothing changed, where there is no such way, the session is new, or its owner is not settled.
        """
        ...

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        """Match the first *count* rows of *table*, in an *order*, that meet *condition*."""
        ...

    def back_up(self, connection: Connection, path: str, progress: RebuildProgress) -> None:
        """Copy all to a new file at *path* as it is at one moment, while others go on writing.

        *progress* is called with the pages that are copied and all there are.

        Raises:
            InvalidInput: the database is no file; its own tools make copies of it.
        """
        raise InvalidInput("database", "is on a server; let the server's own tools, as pg_dump, make the copy")

    def examine(self, connection: Connection) -> Iterable[Finding]:
        """Return what an operator should know of the database; nothing is changed."""
        return ()

    def traces(self, connection: Connection, words: Sequence[str]) -> Iterable[Trace]:
        """Return what there is of *words*, or of messages that are gone, beside the rows."""
        return ()

    def forget_words(self, connection: Connection, words: Sequence[str]) -> None:
        """Rid what is kept beside the rows of *words* that stand in no row any more, outside a transaction."""
        return

    def log_position(self, connection: Connection) -> int | None:
        """Return where the log of a primary ends, None on what is none."""
        return None

    def replayed(self, connection: Connection, pause: float) -> int | None:
        """Return up to where a replica has replayed its primary's log, after a *pause*; None on what is no replica."""
        return None

    def size(self, connection: Connection) -> int | None:
        """Return the bytes that our tables take with their indexes; of a file, all that is in it."""
        return None

    def release_space(self, connection: Connection) -> bool:
        """Give some of the space of deleted rows back, in a transaction, and tell whether there is more."""
        return False

    def forget_deleted(self, connection: Connection) -> Sequence[str]:
        """Leave nothing of deleted rows in the files, outside a transaction.

        Return where something of them is kept for now all the same, in words for the operator.
        """
        return []
