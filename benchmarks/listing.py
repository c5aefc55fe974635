"""Listing all of very many sessions in chunks, those of one user, and those of one user by their activity."""

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
USERS = 10
"""Users among whom all sessions are, where they are listed by activity."""

FEW = 1_000
"""Sessions of a user of whom Postgres may as well read all, and put them in order."""

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
        active = run.places.make(kind)
        bulk.add_sessions(active, run.scale.rows, each_user=run.scale.rows // USERS)
        with SessionManager(active.url) as manager:
            yield await _by_activity(run, kind, manager)


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


async def _by_activity(run: Run, kind: Kind, manager: SessionManager) -> Table:
    """List a user's first page and the page at the end, newest activity first, in turn."""
    near_end = manager.get_session(bulk.session_id(7 + USERS * CHUNK)).activity_cursor
    pages = {
        "the first page": lambda: manager.list_sessions(CHUNK, user_id="user-7", order="active"),
        "the last page": lambda: manager.list_sessions(CHUNK, near_end, user_id="user-7", order="active"),
    }
    entries = [Entry(f"zep_memory_plugin, {name}", "ours", call) for name, call in pages.items()]
    figures = await interleaved(entries, run.scale.rounds)
    found = [scans(manager, call) for call in pages.values()]
    counts = [Count("tables or indexes that a page reads", max(map(len, found)), 1)]
    if run.scale.rows // USERS > FEW:
        ranges = sum(scan.by_index for scans_of_page in found for scan in scans_of_page)
        counts.append(Count("pages that are a range of an index", ranges, len(pages)))
    goal = Goal("last page to first page", figures[1].value / figures[0].value, 1.2)
    title = f"List {CHUNK} of one user's {run.scale.rows // USERS:,} among {run.scale.rows:,} sessions by activity"
    return Table("listing", title, setting(kind), "seconds", figures, [goal], counts=counts)
