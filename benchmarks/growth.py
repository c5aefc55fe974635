"""How the cost of a read and of an append grows with the session."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from .harness import Entry, interleaved, settled
from .peers import AWAITING, Contender
from .report import Figure, Goal, Table
from .run import Run, setting
from .workload import SESSION

PATIENCE = 1.0
"""Seconds that a read may take; who needs more does not go on to the next size."""

Work = Callable[[Contender], Any]
WORKS: dict[str, Work] = {
    "read the newest 20": lambda contender: contender.read_newest(SESSION),
    "append a turn": lambda contender: contender.append_turn(SESSION),
}


async def measured(run: Run) -> AsyncIterator[Table]:
    """Measure at every size, on every database."""
    for kind in run.places.kinds:
        figures: dict[str, list[Figure]] = {work: [] for work in WORKS}
        async with run.contenders(AWAITING, kind) as contenders:
            await _grow(run, contenders, figures)
        for work, reached in figures.items():
            title = f"How the cost grows: {work}"
            yield Table("growth", title, setting(kind), "seconds", reached, _goals(reached))


async def _grow(run: Run, contenders: Sequence[Contender], figures: dict[str, list[Figure]]) -> None:
    patient = list(contenders)
    for before, size in pairwise((0, *run.scale.sizes)):
        for contender in patient:
            await settled(contender.fill(SESSION, size - before))
        run.places.settle()
        for work, reached in figures.items():
            reached += await _at_size(run, patient, WORKS[work], size)
        reads = figures["read the newest 20"]
        slow = {figure.name for figure in reads if figure.size == size and figure.value > PATIENCE}
        patient = [contender for contender in patient if contender.name not in slow]


async def _at_size(run: Run, contenders: Sequence[Contender], work: Work, size: int) -> list[Figure]:
    entries = [Entry(each.name, each.kind, partial(work, each), each.awaits) for each in contenders]
    found = await interleaved(entries, run.scale.rounds // 4)
    by_name = {figure.name: replace(figure, size=size) for figure in found}
    return [by_name[contender.name] for contender in contenders]


def _goals(figures: Sequence[Figure]) -> list[Goal]:
    ours = [figure for figure in figures if figure.name == "zep_memory_plugin"]
    return [Goal(f"at {ours[-1].size:,} messages to {ours[0].size:,}", ours[-1].value / ours[0].value, 1.5)]
