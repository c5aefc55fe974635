"""Listing all of very many sessions in chunks, and those of one user."""

import time
from collections.abc import AsyncIterator
from itertools import cycle

from zep_memory_plugin import SessionManager

from . import bulk
from .harness import Entry, interleaved
from .places import Kind
from .plans import scans
from .report import Count, Goal, Table
from .run import Run, setting

CHUNK = 100
EACH_USER = 100
PARTS = 15
"""Chunks that are timed at either end."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """List on every database."""
    for kind in run.places.kinds:
        place = run.places.make(kind)
        bulk.add_sessions(place, run.scale.rows, each_user=EACH_USER)
        with SessionManager(place.url) as manager:
            yield await _all(run, kind, manager)
            yield await _of_user(run, kind, manager)


async def _all(run: Run, kind: Kind, manager: SessionManager) -> Table:
    """List everything once, and then chunks of the start and of the end in turn."""
    start = time.perf_counter()
    ends = [chunk[-1].id or 0 for chunk in manager.list_all_sessions(CHUNK)]
    seconds = time.perf_counter() - start
    first, last = cycle([0, *ends[:PARTS]]), cycle(ends[-PARTS - 2 : -1])
    entries = [
        Entry("zep_memory_plugin, the first chunks", "ours", lambda: manager.list_sessions(CHUNK, next(first))),
        Entry("zep_memory_plugin, the last chunks", "ours", lambda: manager.list_sessions(CHUNK, next(last))),
    ]
    figures = await interleaved(entries, run.scale.rounds)
    goal = Goal("last chunks to first chunks", figures[1].value / figures[0].value, 1.2)
    title = f"List all of {run.scale.rows:,} sessions in chunks of {CHUNK}"
    note = f"all {len(ends):,} chunks together: {seconds:,.1f} s"
    return Table("listing", title, setting(kind), "seconds", figures, [goal], notes=[note])


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
