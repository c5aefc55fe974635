"""The picture of the README: bars from zero of what one call takes, with how many times as long as ours it is.

Written as SVG by hand: it follows the reader's light or dark page, and its text is large enough on a phone. A bar that
would be longer than `LONGEST` of ours is cut, which is seen, and says its own number.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

PANELS = (
    ("append", "SQLite", "Append a turn of two messages, SQLite"),
    ("append", "Postgres", "Append a turn of two messages, Postgres"),
    ("read", "SQLite", "Read the newest 20 of 10,000, SQLite"),
    ("read", "Postgres", "Read the newest 20 of 10,000, Postgres"),
)
OURS = "zep_memory_plugin"
LONGEST = 8.0
"""Bars are at most so many times as long as ours."""

WIDTH, NAMES, LENGTH = 720, 318, 240
ROW, GAP = 27, 30

STYLE = """
    text { font: 15px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .page { fill: #fff; }
    .title { font-weight: 600; font-size: 16px; }
    .pale { fill: #59636e; }
    .small { font-size: 14px; }
    .name, .number { dominant-baseline: central; }
    .name { text-anchor: end; }
    .ours { fill: #0b7a75; }
    text.ours { font-weight: 600; }
    .peer { fill: #afb8c1; }
    .limit { fill: #57606a; }
    .cut { stroke: #fff; stroke-width: 3; fill: none; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; }
      text { fill: #f0f6fc; }
      .pale { fill: #9198a1; }
      .ours { fill: #3fb8af; }
      .peer { fill: #4d5560; }
      .limit { fill: #8b949e; }
      .cut { stroke: #0d1117; }
    }
"""

Table = Mapping[str, Any]
Figure = Mapping[str, Any]


def draw(tables: Sequence[Table], machine: Mapping[str, str], path: Path) -> None:
    """Draw those of *tables* that the picture shows, measured on *machine*, and write them to *path* as SVG."""
    shown = list(_shown(tables))
    if not shown:
        return
    parts: list[str] = []
    y = 8
    for title, table in shown:
        y = _panel(parts, y, title, table)
    y = _foot(parts, y, [table for _, table in shown], machine)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    title = "<title>What one call takes, in milliseconds, beside other stores: lower is better</title>"
    page = f'<rect class="page" width="{WIDTH}" height="{y}" rx="6"/>'
    path.write_text("\n".join([head, title, f"<style>{STYLE}</style>", page, *parts, "</svg>", ""]))


def _shown(tables: Sequence[Table]) -> Iterator[tuple[str, Table]]:
    for work, database, title in PANELS:
        for table in tables:
            is_asked = table["work"] == work and table["setting"].startswith(database) and "async" in table["title"]
            if is_asked and "NORMAL" not in table["setting"]:
                yield title, table


def _panel(parts: list[str], y: int, title: str, table: Table) -> int:
    """Add a panel at *y*, and return where it ends."""
    parts.append(f'<text class="title" x="8" y="{y + 16}">{escape(title)}</text>')
    figures = [figure for figure in table["figures"] if "session of" not in figure["name"]]
    ours = next(figure["value"] for figure in figures if figure["name"] == OURS)
    for figure in sorted(figures, key=lambda figure: float(figure["value"])):
        parts.extend(_row(y + GAP, figure, figure["value"] / ours))
        y += ROW
    return y + GAP + 22


def _row(y: int, figure: Figure, ratio: float) -> Iterator[str]:
    middle, kind = y + ROW // 2, escape(figure["kind"])
    length = LENGTH * min(ratio, LONGEST) / LONGEST
    emphasis = " ours" if kind == "ours" else ""
    yield f'<text class="name{emphasis}" x="{NAMES}" y="{middle}">{escape(figure["name"])}</text>'
    yield f'<rect class="{kind}" x="{NAMES + 10}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>'
    if ratio > LONGEST:
        at = NAMES + 10 + LENGTH - 26
        yield f'<path class="cut" d="M{at} {y + ROW} l8 {-ROW} M{at + 8} {y + ROW} l8 {-ROW}"/>'
    times = "" if figure["name"] == OURS else f' <tspan class="pale">{_times(ratio)}</tspan>'
    number = f"{_milliseconds(figure['value'] * 1e3)} ms{times}"
    yield f'<text class="number" x="{NAMES + 18 + length:.1f}" y="{middle}">{number}</text>'


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}\u00d7" if ratio >= 10 else f"{ratio:.1f}\u00d7"


def _milliseconds(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _foot(parts: list[str], y: int, tables: Sequence[Table], machine: Mapping[str, str]) -> int:
    dates = sorted({table["date"] for table in tables if "date" in table})
    when = dates[0] if len(dates) == 1 else " to ".join((dates[0], dates[-1])) if dates else ""
    lines = (
        "Lower is better. Median of one call, async; bars from zero, \u00d7 beside ours; cut ones are longer.",
        f"{when}, {machine['processors']} cores, {machine['system']}, Python {machine['python']}, "
        f"SQLite {machine['sqlite']}; all durable.",
    )
    for line in lines:
        parts.append(f'<text class="pale small" x="8" y="{y + 8}">{escape(line.removeprefix(", "))}</text>')
        y += 22
    return y
