"""The protocol that the index of a database fulfils."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, Table

from ...database import Steps
from ...dialects import Appended, Row
from ...tables import ROWID_SEQ_BITS

if TYPE_CHECKING:
    from .ranking import Statistics

Progress = Callable[[int, int], None]
"""Is told how many messages are done, and about how many there are."""

POSTINGS = 20_000
"""Most messages that are taken from an index for one term: those that are newest, where it can tell."""

SEQ_BITS = ROWID_SEQ_BITS
"""A place, a message's name in this package, is the number of its session, shifted left by so much, and its seq."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: in one session, in all of a user, or everywhere."""

    session_id: str | None = None
    user_id: str | None = None


@dataclass(slots=True)
class Postings:
    """Which messages have which term, deleted ones too, and how common each term is in the scope."""

    places: dict[str, list[int]]
    statistics: "Statistics"
    session_ids: dict[int, str] = field(default_factory=dict)
    """The sessions behind the numbers in places, where those are not the sessions' own."""


Rows = Sequence[Any]
"""Rows of a query, read by name."""

Key = tuple[str, int]
"""The session and seq of a message or summary."""

Span = tuple[int, int]
"""The first and last place of messages of one session."""


class SearchIndex(Protocol):
    """What one kind of database keeps of messages so that they are found by their words.

    It may name messages that are deleted; the caller reads them, and only what is read and live is a result.
    """

    def __hash__(self) -> int: ...

    def columns(self, name: str | None, content: str) -> dict[str, str]:
        """Return what a message's own row has to hold for it, made before anything is locked."""
        ...

    def add(self, connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
        """Take in new messages, which are stored by now in the places of their session after *before*."""
        ...

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Take in that messages are about to get another name and content, and their columns for it."""
        ...

    def drop(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        """Take in that messages are about to leave their places."""
        ...

    def tend(self, connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
        """Do now and then, after an append, what appends have left for later, outside a transaction."""
        ...

    def copy(self, connection: Connection, source: str, target: str) -> None:
        """Take in the messages of *target*, which are a copy of *source*'s."""
        ...

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        """Remove messages for good, from their table, from here and from the embeddings.

        Return how many there were, and when the last one was soft-deleted.
        """
        ...

    def rebuild(self, progress: Progress) -> Steps[int]:
        """Make the index anew from the messages while others go on writing, and count them."""
        ...

    def forget_removed(self, connection: Connection) -> bool:
        """Rid the index of what it holds of removed messages, a part at a time, and tell whether there is more."""
        ...

    def postings(self, connection: Connection, terms: Sequence[str], scope: Scope) -> Postings:
        """Return messages of *scope* that have one of *terms*."""
        ...

    def keys(self) -> FromClause:
        """Return a table, with columns `session_id` and `seq`, of the keys that `named` makes parameters of."""
        ...

    def named(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Return the parameters of a statement that reads from `keys`."""
        ...

    def delete(self, connection: Connection, table: Table, keys: Sequence[Key]) -> None:
        """Delete the rows of *table* with these keys."""
        ...

    def nearest(self, connection: Connection, question: bytes, scope: Scope, count: int) -> dict[Key, float]:
        """Return the *count* live messages of *scope* whose embeddings are nearest to *question*, with the cosine."""
        ...

    def index_vectors(self, connection: Connection, dimensions: int) -> None:
        """Make the index for embeddings of so many dimensions, where the database can have one."""
        ...

    def passages(self, connection: Connection, postings: Postings, spans: Sequence[Span], user_id: str | None) -> Rows:
        """Return what is ranked and filtered of the live messages in *spans*, by span and seq.

        Columns: `span` (its position in *spans*), `session_id`, `seq`, `created_at`, `name`, `content`, `metadata`.
        """
        ...
