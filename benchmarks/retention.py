"""Letting very many sessions expire, and purging them, while others write."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from zep_memory_plugin import RetentionRule, SessionManager

from . import bulk
from .harness import heap_set_aside, percentile
from .places import Kind
from .purge import LARGEST_GROWTH, PAUSE, rate, resident, tail, written
from .report import Goal, Table
from .run import Run, setting

EACH_USER = 100
RULES = [RetentionRule(older_than=timedelta(days=90))]
"""By which everything expires but what the writers write to."""

SAMPLED = 0.05
"""Seconds between two looks at the size of the process."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Let sessions expire on every database."""
    for kind in run.places.kinds:
        yield await _table(run, kind)


async def _table(run: Run, kind: Kind) -> Table:
    place = run.places.make(kind)
    bulk.add_sessions(place, run.scale.rows, each_user=EACH_USER)
    run.places.settle()
    with heap_set_aside():
        async with SessionManager(place.url) as manager:
            before = await written(run, manager, asyncio.create_task(asyncio.sleep(run.scale.writing)))
            retention = asyncio.create_task(_retained(manager))
            during = await written(run, manager, retention)
            expired, seconds, growth = await retention
    figures = [rate("zep_memory_plugin, beside writers", "ours", expired / seconds)]
    goals = [
        Goal("p99 of the writers to that without a retention", percentile(during, 99) / percentile(before, 99), 4),
        Goal("MiB by which the process grew", growth, LARGEST_GROWTH),
    ]
    notes = [
        f"writers without a retention: {tail(before)}",
        f"writers beside it: {tail(during)}",
    ]
    writers = f"{run.scale.writers} writers append every {PAUSE * 1e3:.0f} ms"
    title = f"Let {expired:,} sessions expire and purge them, while {writers}"
    return Table("retention", title, setting(kind), "per second", figures, goals, notes=notes)


async def _retained(manager: SessionManager) -> tuple[int, float, float]:
    """Let everything expire and purge it; return the sessions, the seconds, and the MiB by which the process grew."""
    sizes = [resident()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(SAMPLED)
            sizes.append(resident())

    watching = asyncio.create_task(watch())
    start = time.perf_counter()
    report = await manager.aretain(RULES, timedelta(0))
    seconds = time.perf_counter() - start
    watching.cancel()
    return sum(report.expired), seconds, max(sizes) - sizes[0]
