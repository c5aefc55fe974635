"""What a web server's worker pays in processor time: many sessions at once, four reads for each append."""

import asyncio
import time
from collections.abc import AsyncIterator

from .harness import at_once, figure_of, heap_set_aside, settled
from .peers import AWAITING, INDEXED_AWAITING, Contender
from .places import Kind
from .report import Figure, Goal, Table, ratio_goal
from .run import Run, setting
from .workload import session_id

SESSIONS = 200
"""Sessions that are read from and written to at once."""

READS = 4
"""Reads of the newest messages for each append."""

LENGTH = 100
"""Messages of each session at the start."""

AT_MOST = 2
"""Most times what the driver takes."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Serve on every database."""
    for kind in run.places.kinds:
        yield await _table(run, kind)


async def _table(run: Run, kind: Kind) -> Table:
    entrants = [entrant for entrant in (*AWAITING, *INDEXED_AWAITING) if entrant.module in ("zep", *_DRIVERS)]
    async with run.contenders(entrants, kind) as contenders:
        sessions = min(SESSIONS, run.scale.session // 10)
        for contender in contenders:
            for number in range(sessions):
                await settled(contender.fill(session_id(number), LENGTH))
            await _seconds(contender, sessions)
        run.places.settle()
        taken: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        with heap_set_aside():
            for _ in range(run.scale.fewer_rounds):
                for contender in contenders:
                    taken[contender.name].append(await _seconds(contender, sessions))
    figures = [figure_of(contender, taken[contender.name]) for contender in contenders]
    title = f"Processor time of this process per call, {sessions} sessions at once, {READS} reads of 20 to an append"
    return Table("web", title, setting(kind), "seconds", figures, _goals(figures))


_DRIVERS = ("bare_sqlite", "bare_postgres")


async def _seconds(contender: Contender, sessions: int) -> float:
    """Return the processor time of a call, of all threads, when every session has its reads and its append."""

    async def served(number: int) -> None:
        for _ in range(READS):
            await contender.read_newest(session_id(number))
            await asyncio.sleep(0)
        await contender.append_turn(session_id(number))

    start = time.process_time()
    await at_once(sessions, served)
    return (time.process_time() - start) / (sessions * (READS + 1))


def _goals(figures: list[Figure]) -> list[Goal]:
    ours = next(figure for figure in figures if figure.kind == "ours")
    return [
        goal
        for figure in figures
        if figure.kind == "limit"
        for goal in ratio_goal(f"to {figure.name}", ours, figure, AT_MOST)
    ]
