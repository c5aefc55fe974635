"""A run: how much is measured, where, and the contenders at work."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .harness import settled
from .peers import Contender, Entrant, installed
from .places import Durability, Kind, Places
from .workload import Scale

DATABASES: dict[Kind, str] = {"sqlite": "SQLite file", "postgres": "Postgres"}


@dataclass(frozen=True, slots=True)
class Run:
    """What every piece of work is handed."""

    scale: Scale
    places: Places

    @asynccontextmanager
    async def contenders(
        self, entrants: Sequence[Entrant], kind: Kind, durability: Durability = "full"
    ) -> AsyncIterator[list[Contender]]:
        """Open everybody who is installed, each on a database of its own, and close them at the end."""
        made = [contender(self.places.make(kind, durability)) for contender in installed(entrants, kind)]
        try:
            yield made
        finally:
            for contender in made:
                await settled(contender.close())


def setting(kind: Kind, durability: Durability = "full") -> str:
    """Say what holds for every contender on a database."""
    if kind == "sqlite":
        return f"{DATABASES[kind]}, WAL, synchronous={durability.upper()} for all"
    return f"{DATABASES[kind]} on loopback, the server's own settings, fsync on"
