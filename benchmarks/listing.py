"""Listing all of very many sessions in chunks, and those of one user."""

import time
from collections.abc import AsyncIterator

from zep_memory_plugin import SessionManager

from . import bulk
from .harness import Entry, interleaved, quartiles
from .places import Kind
from .plans import scans
from .report import Count, Figure, Goal, Table
from .run import Run, setting

CHUNK = 100
EACH_USER = 100


async def measured(run: Run) -> AsyncIterator[Table]:
    """List on every database."""
    for kind in run.places.kinds:
        place = run.places.make(kind)
        bulk.add_sessions(place, run.scale.rows, each_user=EACH_USER)
        with SessionManager(place.url) as manager:
            yield _all(run, kind, manager)
            yield await _of_user(run, kind, manager)


def _all(run: Run, kind: Kind, manager: SessionManager) -> Table:
    """List everything once, and compare the chunks at the start with those at the end."""
    times: list[float] = []
    start = time.perf_counter()
    for _ in manager.list_all_sessions(CHUNK):
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
    part = max(3, len(times) // 20)
    first, last = times[1 : part + 1], times[-part:]
    figures = [
        _chunks(f"zep_memory_plugin, the first {len(first):,} chunks", first),
        _chunks(f"zep_memory_plugin, the last {len(last):,} chunks", last),
    ]
    goal = Goal("last chunks to first chunks", figures[1].value / figures[0].value, 1.2)
    title = f"List all of {run.scale.rows:,} sessions in chunks of {CHUNK}"
    return Table("listing", title, setting(kind), "seconds", figures, [goal])


def _chunks(name: str, times: list[float]) -> Figure:
    low, median, high = quartiles(times)
    return Figure(name, "ours", median, low, high)


async def _of_user(run: Run, kind: Kind, manager: SessionManager) -> Table:
    entries = [
        Entry(
            f"zep_memory_plugin, {EACH_USER} sessions of a user", "ours", lambda: manager.get_user_sessions("user-7")
        ),
        Entry(f"zep_memory_plugin, {EACH_USER} sessions of all", "ours", lambda: manager.list_sessions(EACH_USER)),
    ]
    figures = await interleaved(entries, run.scale.rounds)
    found = scans(manager, lambda: manager.get_user_sessions("user-7"))
    counts = [
        Count("tables or indexes that are read", len(found), 1),
        Count("of them by a range of an index", sum(scan.by_index for scan in found), 1),
    ]
    title = f"List one user's {EACH_USER} of {run.scale.rows:,} sessions"
    return Table("listing", title, setting(kind), "seconds", figures, counts=counts)
