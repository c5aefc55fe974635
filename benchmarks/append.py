"""Appending a turn of two messages to a long session."""

from collections.abc import AsyncIterator, Sequence

from .harness import Entry, interleaved, settled
from .peers import AWAITING, BLOCKING, Contender, Entrant
from .places import Durability, Kind
from .report import Figure, Goal, Table, best_peer, named, ratio_goal
from .run import Run, setting
from .workload import SESSION


async def measured(run: Run) -> AsyncIterator[Table]:
    """Append on every database, in both colours."""
    for kind in run.places.kinds:
        yield await _table(run, AWAITING, kind, "async")
        yield await _table(run, BLOCKING, kind, "blocking")
        if kind == "sqlite":
            yield await _table(run, AWAITING, kind, "async", "normal")
            yield await _table(run, BLOCKING, kind, "blocking", "normal")


async def _table(
    run: Run, entrants: Sequence[Entrant], kind: Kind, colour: str, durability: Durability = "full"
) -> Table:
    async with run.contenders(entrants, kind, durability) as contenders:
        for contender in contenders:
            await settled(contender.fill(SESSION, run.scale.session))
        run.places.settle()
        figures = await interleaved([_entry(contender) for contender in contenders], run.scale.rounds)
    title = f"Append a turn of two messages, session of {run.scale.session:,}, {colour}"
    return Table(
        "append", title, setting(kind, durability), "seconds", figures, _goals(figures, kind, colour, durability)
    )


def _entry(contender: Contender) -> Entry:
    return Entry(
        contender.name,
        contender.kind,
        lambda: contender.append_turn(SESSION),
        contender.awaits,
        contender.keeps_order,
    )


def _goals(figures: Sequence[Figure], kind: Kind, colour: str, durability: Durability) -> list[Goal]:
    if kind == "postgres":
        return _on_postgres(figures, colour)
    ours = named(figures, "zep_memory_plugin")
    if colour == "async":
        return [
            *ratio_goal("times as fast as the fastest peer", best_peer(figures), ours, 5, at_least=True),
            *ratio_goal("to sqlite3 in one thread hop", ours, named(figures, "bare sqlite3 in a thread"), 2.5),
        ]
    bound = 2.5 if durability == "full" else 3.5
    return [
        *ratio_goal("times as fast as SQLChatMessageHistory", best_peer(figures), ours, 6, at_least=True),
        *ratio_goal("to sqlite3", ours, named(figures, "bare sqlite3"), bound),
    ]


def _on_postgres(figures: Sequence[Figure], colour: str) -> list[Goal]:
    ours = named(figures, "zep_memory_plugin")
    ordered = best_peer(figure for figure in figures if figure.keeps_order)
    bare = named(figures, "bare asyncpg" if colour == "async" else "bare psycopg")
    return [
        *ratio_goal("times as fast as the fastest peer", best_peer(figures), ours, 1, at_least=True),
        *ratio_goal("times as fast as the fastest peer that keeps order", ordered, ours, 2, at_least=True),
        *ratio_goal("to the driver with BEGIN, upsert, insert, COMMIT", ours, bare, 1),
    ]
