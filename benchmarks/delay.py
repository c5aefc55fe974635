"""Postgres behind a network that takes its time: what counts is how often it is crossed."""

from collections.abc import AsyncIterator

from tests.support.proxy import Proxy

from .harness import Entry, interleaved, settled
from .peers import AWAITING, Contender, installed
from .places import Place
from .report import Count, Table
from .run import Run
from .workload import SESSION

DELAY = 0.005
LENGTH = 100


async def measured(run: Run) -> AsyncIterator[Table]:
    """Append and read through a proxy that delays."""
    if "postgres" not in run.places.kinds:
        return
    place = run.places.make("postgres")
    with Proxy.to(place.url) as proxy:
        contenders = [
            made(Place(proxy.url_for(run.places.make("postgres").url)))
            for made in installed(AWAITING, "postgres")
            if run.scale.peers_counted or made.kind != "peer"
        ]
        for contender in contenders:
            await settled(contender.fill(SESSION, LENGTH))
        yield await _table(run, proxy, contenders, "append")
        yield await _table(run, proxy, contenders, "read")
        for contender in contenders:
            await settled(contender.close())


async def _table(run: Run, proxy: Proxy, contenders: list[Contender], work: str) -> Table:
    entries = [_entry(contender, work) for contender in contenders]
    proxy.delay = 0.0
    await interleaved(entries, 1)  # connects, so that no round trip of that is counted
    trips = {entry.name: await _trips(proxy, entry) for entry in entries}
    proxy.delay = DELAY
    figures = await interleaved(entries, run.scale.fewer_rounds * 2)
    title = f"{work.capitalize()} with {DELAY * 1e3:.0f} ms of network delay"
    counts = [
        Count(f"round trips of {name}", count, 1)
        for name, count in trips.items()
        if name.startswith("zep_memory_plugin")
    ]
    notes = [f"round trips of {name}: {count}" for name, count in trips.items()]
    return Table("delay", title, "Postgres behind a proxy on loopback", "seconds", figures, counts=counts, notes=notes)


def _entry(contender: Contender, work: str) -> Entry:
    call = contender.append_turn if work == "append" else contender.read_newest
    return Entry(contender.name, contender.kind, lambda: call(SESSION), contender.awaits, contender.keeps_order)


async def _trips(proxy: Proxy, entry: Entry) -> int:
    proxy.reset()
    await settled(entry.call())
    return proxy.round_trips
