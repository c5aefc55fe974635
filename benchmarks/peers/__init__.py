"""Everybody who takes part: this package, its peers and the bare drivers, behind one small protocol.

A peer is a module here. One whose package is not installed is left out, with a line that says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from ..places import Place
from ..report import Kind


class Contender(Protocol):
    """A store of conversations on one database. What *awaits* returns awaitables, the others block."""

    name: str
    kind: Kind
    awaits: bool
    keeps_order: bool

    def __init__(self, place: Place) -> None: ...

    def fill(self, session_id: str, count: int) -> Any:
        """Append *count* messages, creating the tables when need be."""
        ...

    def append_turn(self, session_id: str) -> Any:
        """Append the two messages of a turn in the fastest way that the contender offers."""
        ...

    def read_newest(self, session_id: str) -> Any:
        """Return the newest 20 messages, oldest first, as the contender's framework has them."""
        ...

    def close(self) -> Any:
        """Let go of the database."""
        ...


@dataclass(frozen=True, slots=True)
class Entrant:
    """Where a contender is, and on which databases it can take part."""

    module: str
    name: str
    databases: tuple[str, ...] = ("sqlite", "postgres")

    def load(self) -> Callable[[Place], Contender]:
        """Import the contender."""
        contender: Callable[[Place], Contender] = getattr(import_module(f".{self.module}", __package__), self.name)
        return contender


_SQLITE, _POSTGRES = ("sqlite",), ("postgres",)

BLOCKING = (
    Entrant("zep", "ZepBlocking"),
    Entrant("zep_langchain", "ZepHistoryBlocking"),
    Entrant("langchain_community", "SqlHistory"),
    Entrant("langchain_postgres", "PostgresHistory", _POSTGRES),
    Entrant("bare_sqlite", "BareSqlite", _SQLITE),
    Entrant("bare_postgres", "BarePsycopg", _POSTGRES),
)

AWAITING = (
    Entrant("zep", "Zep"),
    Entrant("zep_langchain", "ZepHistory"),
    Entrant("langchain_community", "AsyncSqlHistory"),
    Entrant("langchain_postgres", "AsyncPostgresHistory", _POSTGRES),
    Entrant("llama_index", "SqlChatStore"),
    Entrant("openai_agents", "SqlSession"),
    Entrant("google_adk", "SessionService"),
    Entrant("bare_sqlite", "BareSqliteInThread", _SQLITE),
    Entrant("bare_postgres", "BareAsyncpg", _POSTGRES),
)

INDEXED_BLOCKING = (
    Entrant("bare_sqlite", "IndexedSqlite", _SQLITE),
    Entrant("bare_postgres", "IndexedPsycopg", _POSTGRES),
)
"""The drivers doing what we do: what they append can be searched at once, by an index that the database keeps."""

INDEXED_AWAITING = (
    Entrant("bare_sqlite", "IndexedSqliteInThread", _SQLITE),
    Entrant("bare_postgres", "IndexedAsyncpg", _POSTGRES),
)


def installed(entrants: Sequence[Entrant], database: str) -> Iterator[Callable[[Place], Contender]]:
    """Yield those of *entrants* that take part on *database* and are installed."""
    for entrant in entrants:
        if database in entrant.databases:
            try:
                yield entrant.load()
            except ImportError:
                continue


def missing() -> list[str]:
    """Return who cannot take part, and for want of what."""
    lines = {}
    for entrant in (*BLOCKING, *AWAITING):
        try:
            entrant.load()
        except ImportError as error:
            lines[entrant.module] = f"left out: {entrant.module} ({str(error).partition(' (')[0]})"
    return list(lines.values())
