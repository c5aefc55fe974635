"""Purging very many soft-deleted messages while others write."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psycopg

from zep_memory_plugin import PurgeReport, SessionManager

from . import bulk
from .harness import heap_set_aside, percentile
from .peers.bare import drop_search, keep_words
from .peers.bare_sqlite import connect
from .peers.zep import turn
from .places import Kind, Place
from .report import Figure, Goal, Table
from .run import Run, setting
from .workload import session_id

EACH = 1_000
"""Messages of each soft-deleted session."""

PAUSE = 0.02
"""Seconds between two appends of a writer."""

WRITING = 0x10000000
"""Number from which the sessions of the writers count."""

LARGEST_GROWTH = 16.0
"""MiB by which the process may grow during a purge."""

_DELETE = (
    "DELETE FROM zep_messages WHERE deleted_at IS NOT NULL",
    "DELETE FROM zep_sessions WHERE deleted_at IS NOT NULL",
)


async def measured(run: Run) -> AsyncIterator[Table]:
    """Purge on every database."""
    for kind in run.places.kinds:
        yield await _table(run, kind)


async def _table(run: Run, kind: Kind) -> Table:
    places = _copies(run, kind)
    run.places.settle()
    bare, indexed = (_bare_delete(place) for place in (places[0], places[3]))
    with heap_set_aside():
        async with SessionManager(places[1].url) as manager:
            alone, _ = await _purged(manager)
        async with SessionManager(places[2].url) as manager:
            before = await written(run, manager, asyncio.create_task(asyncio.sleep(run.scale.writing)))
            purge = asyncio.create_task(_purged(manager))
            during = await written(run, manager, purge)
            beside, growth = await purge
    rows = run.scale.rows
    figures = [
        rate("zep_memory_plugin", "ours", rows / alone),
        rate("zep_memory_plugin, beside writers", "ours", rows / beside),
        rate("one bare DELETE", "limit", rows / bare),
        rate("one DELETE with an index of words", "limit", rows / indexed),
    ]
    goals = [
        Goal("rate to one bare DELETE", bare / alone, 0.7, at_least=True),
        Goal("rate to one DELETE with an index of words", indexed / alone, 0.6, at_least=True),
        Goal("p99 of the writers to that without a purge", percentile(during, 99) / percentile(before, 99), 4),
        Goal("MiB by which the process grew", growth, LARGEST_GROWTH),
    ]
    notes = [
        f"writers without a purge: {tail(before)}",
        f"writers beside the purge: {tail(during)}",
    ]
    title = f"Purge {rows:,} messages, while {run.scale.writers} writers append every {PAUSE * 1e3:.0f} ms"
    return Table("purge", title, setting(kind), "per second", figures, goals, notes=notes)


def rate(name: str, kind: str, value: float) -> Figure:
    """Return a figure of one measurement."""
    return Figure(name, kind, value, value, value)  # type: ignore[arg-type]


def tail(times: list[float]) -> str:
    """Say how long appends took, in the middle and at the worst."""
    median, worst = (f"{percentile(times, percent) * 1e3:,.2f} ms" for percent in (50, 99))
    return f"median {median}, p99 {worst}, {len(times):,} appends"


def _copies(run: Run, kind: Kind) -> list[Place]:
    """Return databases with the same to purge: for the bare driver, us alone, us beside writers, the driver's index."""
    places = [run.places.make(kind) for _ in range(4)]
    bulk.add_deleted(places[0], run.scale.rows, each=EACH)
    for place in places[1:]:
        if kind == "sqlite":
            shutil.copyfile(places[0].path, place.path)
        else:
            bulk.add_deleted(place, run.scale.rows, each=EACH)
    drop_search(places[3])
    keep_words(places[3])
    return places


def _bare_delete(place: Place) -> float:
    """Delete everything at once and return the seconds that it took."""
    start = time.perf_counter()
    if place.kind == "postgres":
        with psycopg.connect(place.url) as connection:
            for statement in _DELETE:
                connection.execute(statement)
        return time.perf_counter() - start
    connection = connect(place)
    for statement in ("BEGIN IMMEDIATE", *_DELETE, "COMMIT"):
        connection.execute(statement)
    connection.close()
    return time.perf_counter() - start


async def _purged(manager: SessionManager) -> tuple[float, float]:
    """Purge, and return the seconds that it took and the MiB by which the process grew."""
    await manager.alist_sessions(1)
    sizes = [resident()]
    start = time.perf_counter()

    def watch(report: PurgeReport) -> None:
        sizes.append(resident())

    await manager.apurge(timedelta(0), progress=watch)
    return time.perf_counter() - start, max(sizes) - sizes[0]


def resident() -> float:
    """Return the MiB of memory that this process holds; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 2**20 if status.exists() else 0.0


async def written(run: Run, manager: SessionManager, meanwhile: "asyncio.Task[object]") -> list[float]:
    """Let the writers append until *meanwhile* is done, and return the seconds of each append."""
    times: list[float] = []

    async def write(number: int) -> None:
        while not meanwhile.done():
            start = time.perf_counter()
            await manager.aadd_memory(session_id(WRITING + number), turn())
            times.append(time.perf_counter() - start)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(write(number) for number in range(run.scale.writers)))
    return times
