"""Timing contenders side by side: a few calls of each in turn, A B C A B C, so that a busy machine is slow for all."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .peers import Contender
from .report import Figure, Kind

BURST = 5
"""Calls of a contender in its turn: more than one, as a slow neighbour leaves nothing in the processor's caches."""

WARM_UP = 8
"""Calls of each contender that are not counted; after five, drivers prepare their statements."""

SLOW, VERY_SLOW = 0.02, 0.2
"""Seconds of a call from which there are fewer of them, and from which one is enough to warm up."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender's piece of work: a blocking function, or one that returns something to await."""

    name: str
    kind: Kind
    call: Callable[[], Any]
    awaits: bool = False
    keeps_order: bool = False


async def interleaved(entries: Sequence[Entry], rounds: int) -> list[Figure]:
    """Time about *rounds* calls of every entry, in turn, and return the median seconds of each.

    Every second time the turns go backwards, so that nobody always comes after the same neighbour. Who is slow is
    called once in every fourth of its turns.
    """
    slow = {entry.name for entry in entries if await _warmed_up(entry) > SLOW}
    gc.collect()
    taken: dict[str, list[float]] = {entry.name: [] for entry in entries}
    for turn in range(max(1, rounds // BURST)):
        for entry in entries if turn % 2 == 0 else reversed(entries):
            calls = turn % 4 == 0 if entry.name in slow else min(rounds, BURST)
            taken[entry.name] += [await timed(entry) for _ in range(calls)]
    return [figure(entry, taken[entry.name]) for entry in entries]


async def _warmed_up(entry: Entry) -> float:
    """Call an entry until drivers have prepared its statements, and return the seconds of the last call."""
    seconds = 0.0
    for _ in range(WARM_UP):
        seconds = await timed(entry)
        if seconds > VERY_SLOW:
            break
    return seconds


async def timed(entry: Entry) -> float:
    """Return the seconds that one call takes."""
    if not entry.awaits:
        start = time.perf_counter()
        entry.call()
        return time.perf_counter() - start
    start = time.perf_counter()
    await entry.call()
    return time.perf_counter() - start


def figure(entry: Entry, times: Sequence[float]) -> Figure:
    """Return the median of *times*, with the quarter of them on either side."""
    low, median, high = quartiles(times)
    return Figure(entry.name, entry.kind, median, low, high, entry.keeps_order)


def figure_of(contender: Contender, values: Sequence[float], size: int | None = None) -> Figure:
    """Return the median of what *contender* reached, perhaps at a *size* of its session."""
    low, median, high = quartiles(values)
    return Figure(contender.name, contender.kind, median, low, high, contender.keeps_order, size)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the first quartile, the median and the third quartile of *values*."""
    if len(values) == 1:
        return (values[0],) * 3
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which *percent* of *values* are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """Keep the garbage collector from going through what is there already, such as all that the peers have imported.

    Each time it takes a third of a second, and whoever's turn it falls into would pay for everybody.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def settled(result: Any) -> Any:
    """Return *result*, awaited where it is the answer of an async contender."""
    return await result if isinstance(result, Awaitable) else result


async def at_once(count: int, work: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Run *work* with each number below *count*, all at once."""
    return await asyncio.gather(*(work(number) for number in range(count)))
