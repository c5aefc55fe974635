"""Whole turns, read the window and append, by many coroutines at once."""

import time
from collections.abc import AsyncIterator, Sequence

from .harness import at_once, figure_of, heap_set_aside, percentile, settled
from .peers import AWAITING, Contender
from .places import Kind
from .report import Figure, Goal, Table, best_peer, named, ratio_goal
from .run import Run, setting
from .workload import session_id

LENGTH = 100
"""Messages of each coroutine's session at the start."""


class _Taken:
    """What one contender's turns took."""

    def __init__(self) -> None:
        self.turns: list[float] = []
        self.throughputs: list[float] = []


async def measured(run: Run) -> AsyncIterator[Table]:
    """Take turns on every database."""
    for kind in run.places.kinds:
        yield await _table(run, kind)


async def _table(run: Run, kind: Kind) -> Table:
    async with run.contenders(AWAITING, kind) as contenders:
        for contender in contenders:
            for number in range(run.scale.coroutines):
                await settled(contender.fill(session_id(number), LENGTH))
            await _round(run, contender, _Taken())
        run.places.settle()
        taken = {contender.name: _Taken() for contender in contenders}
        with heap_set_aside():
            for _ in range(run.scale.fewer_rounds // 2 + 1):
                for contender in contenders:
                    await _round(run, contender, taken[contender.name])
    figures = [figure_of(contender, taken[contender.name].throughputs) for contender in contenders]
    title = f"A whole turn, read 20 and append 2, by {run.scale.coroutines} coroutines, each on a session of {LENGTH}"
    goals = [*_goals(figures), _waiting(taken)]
    notes = [_latencies(name, latencies.turns) for name, latencies in taken.items()]
    return Table("turns", title, setting(kind), "per second", figures, goals, notes=notes)


async def _round(run: Run, contender: Contender, taken: _Taken) -> None:
    async def turns(number: int) -> None:
        for _ in range(run.scale.turns):
            start = time.perf_counter()
            await contender.read_newest(session_id(number))
            await contender.append_turn(session_id(number))
            taken.turns.append(time.perf_counter() - start)

    start = time.perf_counter()
    await at_once(run.scale.coroutines, turns)
    taken.throughputs.append(run.scale.coroutines * run.scale.turns / (time.perf_counter() - start))


def _goals(figures: Sequence[Figure]) -> list[Goal]:
    ours, best = named(figures, "zep_memory_plugin"), best_peer(figures, unit="per second")
    pool = named(figures, "bare asyncpg")
    return [
        *ratio_goal("times the throughput of the fastest peer", ours, best, 4, at_least=True),
        *ratio_goal("times that of asyncpg's pool with four statements a turn", ours, pool, 1.5, at_least=True),
    ]


def _waiting(taken: dict[str, _Taken]) -> Goal:
    turns = taken["zep_memory_plugin"].turns
    return Goal("p99 of a turn to its median", percentile(turns, 99) / percentile(turns, 50), 4)


def _latencies(name: str, turns: Sequence[float]) -> str:
    middle, late = percentile(turns, 50) * 1e3, percentile(turns, 99) * 1e3
    return f"{name}: a turn takes {middle:,.1f} ms, p99 {late:,.1f} ms"
