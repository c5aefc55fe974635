"""Stores that other libraries fill themselves, imported by `zep-memory import`.

    python -m benchmarks.moving                                 # 1,000 messages of each, needs uv and a registry
    python -m benchmarks.moving --messages 200000 --only zep

Each library is installed in an environment of its own, in which it fills its store and reads it back. What it reads,
session by session and message by message, has to be what is stored here: order, roles, texts, calls of tools and what
they returned. The most memory that the importing process ever had is said beside it. Something that differs makes it
fail, and so does more memory than `MOST`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from .. import server
from ..places import Places

MOST = 150.0
"""Megabytes that an import may have."""

ROOT = Path(__file__).parents[2]
UV = os.environ.get("UV", "uv")  # is set by `uv run`


class Store(NamedTuple):
    """Whose store it is."""

    option: str
    """Of `zep-memory import --from`."""

    needs: Sequence[str]
    """What its library is installed from."""

    on: str = "sqlite"
    """What it is kept in; a file of its own is made as one of SQLite is."""


STORES = {
    "langchain_community": Store("langchain", ["langchain-community==0.4.2", "greenlet"]),
    "langchain_postgres": Store("langchain", ["langchain-postgres==0.0.19", "psycopg[binary]"], "postgres"),
    "llama_index": Store("llama-index", ["llama-index-core==0.14.25"]),
    # Its `persist` fails with newer versions of pydantic.
    "llama_index_file": Store("llama-index-json", ["llama-index-core==0.14.25", "pydantic<2.14"]),
    "openai_agents": Store("openai-agents", ["openai-agents==0.24.0"]),
    "openai_agents_sqlalchemy": Store("openai-agents", ["openai-agents[sqlalchemy]==0.24.0", "aiosqlite"]),
    "zep": Store("zep", ["psycopg[binary]"], "postgres"),
    "chatgpt": Store("chatgpt", []),
}


class Import(NamedTuple):
    """How an import went."""

    messages: int
    different: int
    seconds: float
    megabytes: float

    @property
    def is_good(self) -> bool:
        """Whether all is as the library reads it, and came with little memory."""
        return not self.different and self.megabytes <= MOST


def imported(name: str, places: Places, folder: Path, count: int) -> Import:
    """Let the library *name* store *count* messages, and import them."""
    theirs, ours = places.make("postgres" if STORES[name].on == "postgres" else "sqlite"), places.make("sqlite")
    place = theirs.url if theirs.kind == "postgres" else str(theirs.path)
    _run([*_with(name), "fill", name, place, str(count)])
    _run([sys.executable, "-m", "zep_memory_plugin", "upgrade", "--create", "-d", ours.url])
    command = ["import", place, "--from", STORES[name].option, "-d", ours.url]
    seconds, megabytes = _cost([sys.executable, "-m", "zep_memory_plugin", *command])
    read, stored = folder / "theirs", folder / "ours"
    _run([*_with(name), "read", name, place], read)
    _run([sys.executable, "-m", "benchmarks.moving.ours", ours.url], stored)
    messages, different = _compared(read, stored)
    return Import(messages, different + (messages != count), seconds, megabytes)


def _with(name: str) -> list[str]:
    """Return the beginning of a command that has the library *name*."""
    needs = [part for each in STORES[name].needs for part in ("--with", each)]
    python = ["--python", sys.executable, "python", "-m", "benchmarks.moving.theirs"]
    return [UV, "run", "-q", "--isolated", "--no-project", *needs, *python]


def _run(command: list[str], output: Path | None = None) -> None:
    with open(output or os.devnull, "wb") as file:
        ended = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.PIPE)
    if ended.returncode:
        raise SystemExit(f"failed: {' '.join(command)}\n{ended.stderr.decode()}")


def _cost(command: list[str]) -> tuple[float, float]:
    """Run *command*, and return its seconds and the most megabytes it had; what this process has is the least."""
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _compared(read: Path, stored: Path) -> tuple[int, int]:
    """Count the messages that are stored, and those that are not what was read."""
    with read.open() as theirs, stored.open() as ours:
        pairs = [(one is not None, other == one) for one, other in zip_longest(ours, theirs)]
    return sum(is_there for is_there, _ in pairs), sum(not is_same for _, is_same in pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each store, and return 1 when one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--only", choices=STORES, action="append")
    parser.add_argument("--postgres", metavar="URL", help="where databases may be created; else a server is started")
    given = parser.parse_args(arguments)
    bad = 0
    with tempfile.TemporaryDirectory() as folder, server.running(given.postgres) as postgres:
        places = Places(Path(folder), ("sqlite", "postgres"), postgres)
        for name in given.only or STORES:
            done = imported(name, places, Path(folder), given.messages)
            places.drop_all()
            print(
                f"{name}: {done.messages:,} messages, {done.different} different, "
                f"{done.seconds:.1f} s, {done.megabytes:.0f} MB",
                flush=True,
            )
            bad += not done.is_good
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
