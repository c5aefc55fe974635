"""Importing very many messages."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import asyncpg
import psycopg

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.uuids import new_uuid

from .harness import quartiles, settled
from .peers.bare import COLUMNS, create_tables, drop_search, keep_words, microseconds, rows, uuid_bytes
from .peers.bare_sqlite import INSERT, connect
from .places import Kind, Place
from .report import Figure, Goal, Table, named, ratio_goal
from .run import Run, setting
from .workload import conversation, session_id

BATCH = 10_000
"""Messages of a session, imported in one call."""

Load = Callable[[str, int], object]
"""Stores a session of so many messages."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Import on every database."""
    for kind in run.places.kinds:
        yield await _table(run, kind)


async def _table(run: Run, kind: Kind) -> Table:
    batch = min(BATCH, run.scale.rows)
    ours, bare, indexed = (run.places.make(kind) for _ in range(3))
    for place in (bare, indexed):
        create_tables(place, [session_id(number) for number in range(run.scale.rows // batch)])
        drop_search(place)
    keep_words(indexed)
    with SessionManager(ours.url) as manager:
        loads: dict[str, Load] = {"zep_memory_plugin": _ours(manager), **_bare(bare), **_indexed(indexed)}
        rates: dict[str, list[float]] = {name: [] for name in loads}
        for number in range(run.scale.rows // batch):
            for name, load in loads.items():
                start = time.perf_counter()
                await settled(load(session_id(number), batch))
                rates[name].append(batch / (time.perf_counter() - start))
    figures = [_figure(name, reached) for name, reached in rates.items()]
    title = f"Import {run.scale.rows:,} messages, in batches of {batch:,}"
    return Table("load", title, setting(kind), "per second", figures, _goals(figures))


def _ours(manager: SessionManager) -> Load:
    def load(session: str, count: int) -> object:
        now = datetime.now(UTC)
        new = (Message(role=role, content=content, created_at=now) for role, content in conversation(count))
        return manager.add_memory(session, new)

    return load


def _bare(place: Place) -> dict[str, Load]:
    if place.kind == "sqlite":
        return {"sqlite3, executemany": _sqlite(place)}
    return {"psycopg, executemany": _executemany(place), "asyncpg, COPY": _copy(place)}


def _indexed(place: Place) -> dict[str, Load]:
    """Return who fills the same tables with an index of words beside them."""
    if place.kind == "sqlite":
        return {"sqlite3, executemany, with FTS5": _sqlite(place)}
    return {"psycopg, executemany, with GIN": _executemany(place), "asyncpg, COPY, with GIN": _copy(place)}


def _sqlite(place: Place) -> Load:
    connection = connect(place)

    def load(session: str, count: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows(session, 1, conversation(count), uuid_bytes, microseconds()))
        connection.execute("COMMIT")

    return load


def _executemany(place: Place) -> Load:
    connection = psycopg.connect(place.url)
    insert = f"INSERT INTO zep_messages ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"

    def load(session: str, count: int) -> None:
        new = rows(session, 1, conversation(count), new_uuid, datetime.now(UTC))
        connection.cursor().executemany(insert, new)
        connection.commit()

    return load


def _copy(place: Place) -> Load:
    async def load(session: str, count: int) -> None:
        connection = await asyncpg.connect(place.url)
        new = rows(session, 1_000_000, conversation(count), new_uuid, datetime.now(UTC))
        await connection.copy_records_to_table("zep_messages", records=new, columns=COLUMNS)
        await connection.close()

    return load


def _figure(name: str, rates: list[float]) -> Figure:
    low, median, high = quartiles(rates)
    return Figure(name, "ours" if name == "zep_memory_plugin" else "limit", median, low, high)


def _goals(figures: list[Figure]) -> list[Goal]:
    ours = named(figures, "zep_memory_plugin")
    return [
        goal
        for figure in figures
        if figure.kind == "limit"
        for goal in ratio_goal(f"rate to {figure.name}", ours, figure, 0.5, at_least=True)
    ]
