"""The protocol that a database's module fulfils."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import URL, ColumnElement, Connection, Table
from sqlalchemy.engine.interfaces import DBAPICursor

JsonScalar = str | int | float | bool | None
Row = dict[str, Any]
Send = Callable[..., Any]
"""Sends a statement as it is, with its parameters or once for each of a `map` of such; returns what has its rows."""

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    UpsertInsert = postgresql.Insert | sqlite.Insert


@dataclass(frozen=True, slots=True)
class Append:
    """Messages to append to a session, checked and complete but for their `seq`."""

    session_id: str
    user_id: str | None
    rows: Sequence[Row]
    now: datetime
    fresh: bool
    """Whether no row can be stored already: no uuid is the caller's, and nothing of this was sent before."""


class Appended(NamedTuple):
    """Where one message of an append went: its own place, or the one it had already."""

    uuid: UUID
    seq: int
    created_at: datetime
    updated_at: datetime | None
    metadata: str | None


def filled(rows: Sequence[Row], before: int) -> list[Appended]:
    """Return the places of new messages in a row, those after *before*."""
    return [
        Appended(row["uuid"], seq, row["created_at"], None, row["metadata"])
        for seq, row in enumerate(rows, start=before + 1)
    ]


class SqlDialect(Protocol):
    """One kind of database."""

    one_writer: bool
    """Whether the database lets one connection write at a time, so that writers had better queue in the process."""

    def in_memory(self, url: URL) -> bool:
        """Tell whether *url* names a database that lives only as long as its connection."""
        ...

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Return keyword arguments for `create_engine`."""
        ...

    def configure(self, cursor: DBAPICursor, url: URL, durability: str) -> None:
        """Run, through *cursor*, what every new connection has to run first."""
        ...

    def autocommit(self, connection: Connection) -> AbstractContextManager[None]:
        """Put a connection of the application into autocommit for the block, and back afterwards."""
        ...

    def keep_logs_clean(self) -> None:
        """Keep drivers from logging what is stored, unless the application has told them to log."""
        ...

    def begin(self, connection: Connection, send: Send) -> None:
        """Begin a transaction that may write, with a statement that *send* sends."""
        ...

    def roll_back(self, connection: Connection) -> None:
        """Roll back the transaction, unless the database has done that already."""
        ...

    def impatient(self, connection: Connection, patience: float) -> AbstractContextManager[None]:
        """Wait no longer than *patience*, in seconds, for any lock in the block."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from creating the tables until the transaction ends."""
        ...

    def insert(self, table: Table) -> "UpsertInsert":
        """Return an INSERT that knows ON CONFLICT."""
        ...

    def listing_id(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """Return the values that give a new row of *table* its place in listings."""
        ...

    def metadata_contains(self, column: ColumnElement[Any], wanted: Mapping[str, JsonScalar]) -> ColumnElement[bool]:
        """Match rows whose JSON object in *column* has every key of *wanted* with a value of the same type."""
        ...

    def fill(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        """Store new messages, any number of them, in the places of their session after *before*."""
        ...

    def append_at_once(self, connection: Connection, append: Append) -> list[Appended] | None:
        """Append to a session that is there, in the fastest way that the database has.

        That is in the open transaction, or in one of its own.

        Return None, with nothing changed, where there is no such way, the session is new, or its owner is not settled.
        """
        ...

    def first_rows(
        self, table: Table, condition: ColumnElement[bool], order: ColumnElement[Any], count: int
    ) -> ColumnElement[bool]:
        """Match the first *count* rows of *table*, in an *order*, that meet *condition*."""
        ...

    def release_space(self, connection: Connection) -> bool:
        """Give some of the space of deleted rows back, in a transaction, and tell whether there is more."""
        ...

    def forget_deleted(self, connection: Connection) -> None:
        """Leave nothing of deleted rows in the files, outside a transaction."""
        ...
