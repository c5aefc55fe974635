"""Listings by cursor, in which nothing is missed: sessions and users in the order in which they were added.

Ids are drawn before a transaction commits. So where writers run side by side, an id may appear after a larger one, and
who asks on from the larger one would never see it. A page whose newest row might be overtaken so is read once more,
when the writers that were under way have come to their end. In steps:

1. The page is read. Up to the `Horizon` ids were looked after before: with nothing newer in it, that is all.
2. The writers of the table that are under way now are named, and waited for.
3. The page is read again, up to the last id of the first reading: nothing can appear below that any more.

Where one writer at a time draws its ids and commits (SQLite), the first step is all. A replica may take it, if it shows
the moment up to which the `Horizon` was looked after; the primary takes the others.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table

from .. import units
from ..databases import database_of
from ..databases.protocol import Rows
from ..units import Ask, Flow
from . import checks

PATIENCE = 5.0
"""Seconds that a listing waits for writers; who is under way for longer holds a transaction of the application open."""

PAUSE = 0.002
"""Seconds between two looks at the writers that are under way."""

T = TypeVar("T")
Restrict = Callable[[Connection, Select[Any]], Select[Any]]
"""Adds to a query what its rows have to meet."""


@dataclass(slots=True)
class Horizon:
    """The last id below which nothing can appear any more, as far as one process knows."""

    id: int = 0
    moment: float = units.NEVER
    """The moment, by the monotonic clock, after which that was so."""


def page(
    table: Table, limit: int | None, cursor: int | None, horizon: Horizon, restrict: Restrict, made: Callable[[Any], T]
) -> Flow[list[T]]:
    """Return the rows of *table* after the id *cursor*, in the order of their ids, each as *made* of it."""
    count, after = checks.limit(limit), checks.cursor(cursor)
    known = horizon.id  # before its moment, which another thread may raise, and sets first
    first = units.read(_read, table, count, after, restrict)
    rows, overtakable = yield units.late(first, since=horizon.moment)
    last = rows[-1].id if rows else 0
    if overtakable and last > known and (yield from _settled(table)):
        rows, _ = yield units.read(_read, table, count, after, restrict, until=last)
        horizon.moment = time.monotonic()
        horizon.id = max(horizon.id, last)
    return [made(row) for row in rows]


def _read(
    connection: Connection, table: Table, limit: int | None, cursor: int, restrict: Restrict, until: int | None = None
) -> tuple[Rows, bool]:
    """Return rows, and whether in such a database others may appear among them."""
    query = restrict(connection, table.select()).where(table.c.id > cursor).order_by(table.c.id).limit(limit)
    rows = connection.execute(query if until is None else query.where(table.c.id <= until)).all()
    return rows, not database_of(connection).one_writer


def _settled(table: Table) -> Flow[bool]:
    """Wait until those who write to *table* now have come to their end, and tell whether they all have."""
    deadline = time.monotonic() + PATIENCE
    waiting: set[str] = yield units.read(_writers, table)
    while waiting and time.monotonic() < deadline:
        yield Ask(time.sleep, (PAUSE,), asyncio.sleep)
        waiting &= yield units.read(_writers, table)
    return not waiting


def _writers(connection: Connection, table: Table) -> set[str]:
    return database_of(connection).writers(connection, table)
