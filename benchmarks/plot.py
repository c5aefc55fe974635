"""The picture of growth: what a read takes as a session grows, on logarithmic scales."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, PEER, LIMIT = "#0b7a75", "#b9bec6", "#3c4149"
COLOURS = {"ours": OURS, "peer": PEER, "limit": LIMIT}
CLEAR = 2.0
"""How many times higher than the one below it a line's name has to stand to be read."""

GROWTH = (
    ("read the newest 20", "SQLite", "Newest 20, as it grows, SQLite"),
    ("read the newest 20", "Postgres", "Newest 20, as it grows, Postgres"),
)

Table = dict[str, Any]


def draw(tables: Sequence[Table], path: Path) -> None:
    """Draw those of *tables* that the picture shows, and write it to *path* as SVG."""
    matplotlib.rcParams["svg.hashsalt"] = "zep_memory_plugin"  # the same figures give the same file
    matplotlib.rcParams["svg.fonttype"] = "none"
    panels = list(_lines(tables))
    if not panels:
        return
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(12, 2.9 * rows), layout="constrained")
    for place, (draw_panel, table, title) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, 2, place)
        draw_panel(axes, table)
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")  # names at the edge, too


def _lines(tables: Sequence[Table]) -> Iterator[tuple[Any, Table, str]]:
    for work, database, title in GROWTH:
        for table in tables:
            if table["work"] == "growth" and table["setting"].startswith(database) and table["title"].endswith(work):
                yield _draw_lines, table, title


def _draw_lines(axes: Axes, table: Table) -> None:
    names = dict.fromkeys(figure["name"] for figure in table["figures"])
    lines = [[figure for figure in table["figures"] if figure["name"] == name] for name in names]
    beside = 0.0
    for reached in sorted(lines, key=lambda line: line[-1]["value"]):
        sizes, values = [one["size"] for one in reached], [one["value"] * 1e3 for one in reached]
        kind = reached[0]["kind"]
        axes.plot(
            sizes, values, color=COLOURS[kind], linewidth=2.5 if kind == "ours" else 1.2, marker="o", markersize=3
        )
        beside = max(values[-1], beside * CLEAR)
        axes.annotate(reached[0]["name"], (sizes[-1] * 1.3, beside), fontsize=7, va="center", annotation_clip=False)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted({figure["size"] for figure in table["figures"]}), minor=False)
    axes.minorticks_off()
    axes.set_xlim(right=max(figure["size"] for figure in table["figures"]) * 1000)  # room for the names
    axes.set_ylim(top=beside * CLEAR)
    axes.set_xlabel("messages in the session", fontsize=8)
    axes.set_ylabel("ms, median", fontsize=8)
