"""How fast this package is, beside its peers and beside the bare driver.

    python -m benchmarks                        # everything, on SQLite and on a Postgres that is started for it
    python -m benchmarks --only append,read     # some of it
    python -m benchmarks --small                # under half a minute: do the counts still hold?
    python -m benchmarks --draw                 # what was kept, drawn anew

All contenders of a table take turns in one run, so that ratios hold even where the machine has other work. A full run
keeps its figures in benchmarks/results.json and draws them in benchmarks/results.svg and growth.svg. Only a changed
count (statements, round trips, rows read, bytes) makes a run fail, never a time.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import (
    append,
    counts,
    delay,
    growth,
    imports,
    listing,
    load,
    peers,
    picture,
    purge,
    read,
    retention,
    search,
    server,
    size,
    turns,
    web,
)
from .places import Places
from .report import Table, as_json, as_markdown
from .run import Run
from .workload import SMALL, Scale

WORKS: dict[str, Callable[[Run], AsyncIterator[Table]]] = {
    "counts": counts.measured,
    "append": append.measured,
    "read": read.measured,
    "turns": turns.measured,
    "web": web.measured,
    "growth": growth.measured,
    "listing": listing.measured,
    "purge": purge.measured,
    "retention": retention.measured,
    "load": load.measured,
    "delay": delay.measured,
    "search": search.measured,
    "size": size.measured,
    "imports": imports.measured,
}
RESULTS = Path(__file__).with_name("results.json")
PICTURE = Path(__file__).with_name("results.svg")
GROWTH = Path(__file__).with_name("growth.svg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 when a count has changed."""
    chosen = _parser().parse_args(arguments)
    if chosen.draw:
        _draw(json.loads(RESULTS.read_text()), _say)
        return 0
    say = _silent if chosen.json else _say
    for line in peers.missing():
        say(line)
    with _places(chosen) as (places, machine):
        run = Run(SMALL if chosen.small else Scale(), places)
        tables = asyncio.run(_measure(run, chosen.only, say))
    document = as_json(tables, machine)
    if chosen.json:
        json.dump(document, sys.stdout, indent=2)
    if not chosen.small:
        _keep(document, say)
    return int(any(not count.held for table in tables for count in table.counts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_works, default=list(WORKS), metavar="WORK,…", help=", ".join(WORKS))
    parser.add_argument("--small", action="store_true", help="small sizes, no results kept")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was kept")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--postgres", metavar="URL", help="a server where databases may be created; else one is started"
    )
    parser.add_argument("--on", choices=["sqlite", "postgres"], help="one database only")
    return parser


def _works(text: str) -> list[str]:
    works = text.split(",")
    for work in works:
        if work not in WORKS:
            raise argparse.ArgumentTypeError(f"{work!r} is none of {', '.join(WORKS)}")
    return works


@contextmanager
def _places(chosen: argparse.Namespace) -> Iterator[tuple[Places, dict[str, str]]]:
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "processors": str(os.cpu_count()),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": version("sqlalchemy"),
    }
    with tempfile.TemporaryDirectory(prefix="zep-benchmark-") as folder:
        if chosen.on == "sqlite":
            yield Places(Path(folder), ["sqlite"], None), machine
            return
        with server.running(chosen.postgres) as url:
            places = Places(Path(folder), [chosen.on] if chosen.on else ["sqlite", "postgres"], url)
            yield places, machine | {"postgres": server.described(url)}
            places.drop_all()


async def _measure(run: Run, works: Sequence[str], say: Callable[[str], None]) -> list[Table]:
    tables: list[Table] = []
    for work in works:
        async for table in WORKS[work](run):
            say(as_markdown(table))
            tables.append(table)
        run.places.drop_all()
    return tables


def _keep(document: dict[str, Any], say: Callable[[str], None]) -> None:
    """Put the tables of *document* in the place of older ones, and draw them all."""
    for table in document["tables"]:
        table["date"] = datetime.now(UTC).date().isoformat()
    before = json.loads(RESULTS.read_text())["tables"] if RESULTS.exists() else []
    tables = {(table["title"], table["setting"]): table for table in (*before, *document["tables"])}
    document["tables"] = sorted(tables.values(), key=lambda table: list(WORKS).index(table["work"]))
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _draw(document, say)


def _draw(document: dict[str, Any], say: Callable[[str], None]) -> None:
    """Draw what was kept."""
    picture.draw(document["tables"], document["machine"], PICTURE)
    try:
        from . import plot
    except ImportError:
        say("no picture of growth: matplotlib is not installed")
        return
    plot.draw(document["tables"], GROWTH)


def _say(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # the peers' own: beta and deprecation
    logging.disable(logging.WARNING)
    sys.exit(main())
