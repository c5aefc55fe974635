"""Importing the package, beside what it cannot do without."""

import subprocess
import sys
from collections.abc import AsyncIterator

from .harness import quartiles
from .report import Figure, Goal, Table, named, ratio_goal
from .run import Run

STATEMENTS = {
    "zep_memory_plugin": "import zep_memory_plugin",
    "sqlalchemy.ext.asyncio, pydantic": "import sqlalchemy.ext.asyncio, pydantic; from pydantic import BaseModel",
}
_TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


async def measured(run: Run) -> AsyncIterator[Table]:
    """Import each in fresh processes, in turn."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(run.scale.fewer_rounds):
        for name, statement in STATEMENTS.items():
            times[name].append(_seconds(statement))
    figures = [_figure(name, taken) for name, taken in times.items()]
    yield Table("imports", "Import", "Fresh processes, files in the page cache", "seconds", figures, _goals(figures))


def _seconds(statement: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _figure(name: str, times: list[float]) -> Figure:
    low, median, high = quartiles(times)
    return Figure(name, "ours" if name == "zep_memory_plugin" else "limit", median, low, high)


def _goals(figures: list[Figure]) -> list[Goal]:
    ours, limit = (named(figures, name) for name in STATEMENTS)
    return ratio_goal("to what it cannot do without", ours, limit, 1.3)
