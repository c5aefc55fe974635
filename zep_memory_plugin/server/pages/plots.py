"""Numbers as a picture: bars from zero, in SVG, drawn here so that a page needs no script for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720, 120
_GAP = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """A day, and the bar that stands for it."""

    day: date
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side, the highest as high as the picture."""

    bars: list[Bar]
    most: int
    total: int


def plotted(counts: Mapping[date, int]) -> Plot:
    """Return the bars for *counts*, one for each day; a day with anything has a bar that is seen."""
    most = max(counts.values(), default=0)
    step = WIDTH / max(1, len(counts))
    bars = []
    for position, (day, count) in enumerate(counts.items()):
        height = max(2.0, HEIGHT * count / most) if count else 0.0
        x, width = position * step + step * _GAP / 2, step * (1 - _GAP)
        bars.append(Bar(day, count, round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2)))
    return Plot(bars, most, sum(counts.values()))
