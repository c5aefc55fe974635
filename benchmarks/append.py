"""Appending a turn of two messages to a long session."""

from collections.abc import AsyncIterator, Sequence

from .harness import Entry, interleaved, settled
from .peers import AWAITING, BLOCKING, INDEXED_AWAITING, INDEXED_BLOCKING, Contender, Entrant
from .places import Durability, Kind
from .report import Figure, Goal, Table, best_peer, named, ratio_goal
from .run import Run, setting
from .workload import SESSION

DURABILITIES: dict[Kind, tuple[Durability, ...]] = {"sqlite": ("full", "normal"), "postgres": ("full",)}

SAME_WORK = {"full": 1.5, "normal": 2.5}
"""Most times what sqlite3 takes with an index of words beside it, by durability."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Append on every database, in both colours."""
    for kind in run.places.kinds:
        for durability in DURABILITIES[kind]:
            yield await _table(run, (*AWAITING, *INDEXED_AWAITING), kind, "async", durability)
            yield await _table(run, (*BLOCKING, *INDEXED_BLOCKING), kind, "blocking", durability)


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
    ours = named(figures, "zep_memory_plugin")
    if kind == "postgres":
        return _on_postgres(figures, colour)
    thread, peers = (" in a thread", 5) if colour == "async" else ("", 6)
    bare, indexed = (named(figures, f"{name}{thread}") for name in ("bare sqlite3", "sqlite3 with FTS5"))
    bound = 3.5 if (colour, durability) == ("blocking", "normal") else 2.5
    return [
        *ratio_goal("times as fast as the fastest peer", best_peer(figures), ours, peers, at_least=True),
        *ratio_goal("to sqlite3", ours, bare, bound),
        *ratio_goal("to sqlite3 with FTS5", ours, indexed, SAME_WORK[durability]),
    ]


def _on_postgres(figures: Sequence[Figure], colour: str) -> list[Goal]:
    ours = named(figures, "zep_memory_plugin")
    ordered = best_peer(figure for figure in figures if figure.keeps_order)
    driver = "asyncpg" if colour == "async" else "psycopg"
    return [
        *ratio_goal("times as fast as the fastest peer", best_peer(figures), ours, 1, at_least=True),
        *ratio_goal("times as fast as the fastest peer that keeps order", ordered, ours, 2, at_least=True),
        *ratio_goal("to the driver with BEGIN, upsert, insert, COMMIT", ours, named(figures, f"bare {driver}"), 1),
        *ratio_goal(
            "to the driver with one statement and an index of words",
            ours,
            named(figures, f"{driver}, one statement, with GIN"),
            1,
        ),
    ]
