"""What was measured, as Markdown and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["ours", "peer", "limit"]
Unit = Literal["seconds", "per second", "bytes"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one contender reached: the median, and the quartiles around it."""

    name: str
    kind: Kind
    value: float
    low: float
    high: float
    keeps_order: bool = False
    """Whether messages written at once by several keep one order for every reader."""

    size: int | None = None
    """Messages in the session, where that is what the table varies."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio to reach: at least, or at most, *bound*."""

    text: str
    reached: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


@dataclass(frozen=True, slots=True)
class Count:
    """A figure that does not depend on the machine: it changes when the code does, and that fails a run."""

    text: str
    found: float
    expected: float
    tolerance: float = 0.0
    """How far from *expected* the figure may be, as a part of it."""

    @property
    def held(self) -> bool:
        """Whether the figure is what it was."""
        return abs(self.found - self.expected) <= self.tolerance * self.expected


@dataclass(frozen=True, slots=True)
class Table:
    """One piece of work on one kind of database."""

    work: str
    title: str
    setting: str
    """Durability and whatever else is the same for every contender."""

    unit: Unit
    figures: Sequence[Figure]
    goals: Sequence[Goal] = ()
    counts: Sequence[Count] = ()
    notes: Sequence[str] = field(default=())

    @property
    def ours(self) -> Figure:
        """The figure that the others are compared with."""
        return next(figure for figure in self.figures if figure.kind == "ours")


def named(figures: Iterable[Figure], name: str) -> Figure | None:
    """Return the figure of the contender *name*, if it took part."""
    return next((figure for figure in figures if figure.name == name), None)


def best_peer(figures: Iterable[Figure], *, unit: Unit = "seconds") -> Figure | None:
    """Return the best of the peers, if any took part."""
    peers = [figure for figure in figures if figure.kind == "peer"]
    best = max if unit == "per second" else min
    return best(peers, key=lambda figure: figure.value) if peers else None


def ratio_goal(
    text: str, above: Figure | None, below: Figure | None, bound: float, *, at_least: bool = False
) -> list[Goal]:
    """Return the goal for the ratio of two figures, or nothing where one of them was left out."""
    return [] if above is None or below is None else [Goal(text, above.value / below.value, bound, at_least)]


def as_json(tables: Sequence[Table], machine: dict[str, str]) -> dict[str, Any]:
    """Return everything as what `json.dump` takes."""
    shown = [
        asdict(table)
        | {"goals": [asdict(goal) | {"met": goal.met} for goal in table.goals]}
        | {"counts": [asdict(count) | {"held": count.held} for count in table.counts]}
        for table in tables
    ]
    return {"machine": machine, "tables": shown}


def as_markdown(table: Table) -> str:
    """Return *table* with every figure's ratio to ours, its goals and its counts."""
    lines = [f"### {table.title}", "", f"{table.setting}.", ""]
    if table.figures:
        lines += ["| contender | median | quartiles | to ours |", "| --- | ---: | ---: | ---: |"]
        lines += [_row(table, figure) for figure in table.figures]
    lines += ["", *(_goal(goal) for goal in table.goals), *(_count(count) for count in table.counts)]
    lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def _row(table: Table, figure: Figure) -> str:
    ours = next((one for one in table.figures if one.kind == "ours" and one.size == figure.size), None)
    name = f"**{figure.name}**" if figure.kind == "ours" else figure.name
    size = "" if figure.size is None else f", {figure.size:,}"
    spread = f"{shown(figure.low, table.unit)} to {shown(figure.high, table.unit)}"
    ratio = "" if ours is None else f"{figure.value / ours.value:,.2f}"
    return f"| {name}{size} | {shown(figure.value, table.unit)} | {spread} | {ratio} |"


def shown(value: float, unit: Unit) -> str:
    """Return *value* in a unit that reads well."""
    if unit == "bytes":
        return f"{value:,.0f} B"
    if unit == "per second":
        return f"{value:,.0f}/s"
    if value < 1e-3:
        return f"{value * 1e6:,.0f} µs"
    return f"{value * 1e3:,.2f} ms" if value < 1 else f"{value:,.2f} s"


def _goal(goal: Goal) -> str:
    sign = "≥" if goal.at_least else "≤"
    return (
        f"- {'reached' if goal.met else '**missed**'}: {goal.text}: {goal.reached:,.2f} (goal {sign} {goal.bound:,g})"
    )


def _count(count: Count) -> str:
    return (
        f"- {'as before' if count.held else '**changed**'}: {count.text}: {count.found:g} (expected {count.expected:g})"
    )
