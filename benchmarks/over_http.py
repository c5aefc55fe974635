"""Appends and reads over HTTP, through the server and through a bare FastAPI route that makes the same two calls.

    python -m benchmarks.over_http [--seconds 5] [--rounds 3]    # wrk has to be installed

Both have a database of their own and take turns, two seconds of warming up and then some of asking, so that what else
the machine does meets both alike. wrk asks over 16 connections, by turns for an append and a read. Whatever was
acknowledged has to be stored.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.clients.serving import await_answer, free_port
from zep_memory_plugin import SessionManager

from . import server
from .places import Place, Places

HERE = Path(__file__).parent
CONNECTIONS = 16
MESSAGES = 2
"""Messages of an append."""


class Asked(NamedTuple):
    """What wrk says of one round."""

    requests: int
    seconds: float
    p50: float
    p99: float
    acknowledged: int
    refused: int


class Contender(NamedTuple):
    """A server, its database, and how it did in every round, of which the first is for warming up."""

    name: str
    url: str
    place: Place
    rounds: list[Asked]

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return median(each.requests / each.seconds for each in self.rounds[1:])

    @property
    def tail(self) -> float:
        """How many times p50 is p99."""
        return median(each.p99 / each.p50 for each in self.rounds[1:])

    def lost(self) -> int:
        """Count what was acknowledged and is not stored."""
        with SessionManager(self.place.url) as manager:
            stored = manager.stats().messages
        return max(0, MESSAGES * sum(each.acknowledged for each in self.rounds) - stored)


@contextmanager
def started(name: str, command: list[str], port: int, place: Place) -> Iterator[Contender]:
    """Run *command*, which listens on *port*, for the block."""
    environment = os.environ | {"BARE_DATABASE": place.url}
    with subprocess.Popen([sys.executable, "-m", *command], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            await_answer(f"http://127.0.0.1:{port}", process)
            yield Contender(name, f"http://127.0.0.1:{port}", place, [])
        finally:
            process.terminate()


def asked(contender: Contender, seconds: int) -> Asked:
    """Let wrk ask for so many *seconds*."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "turns.lua"), contender.url]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return Asked(**json.loads(ended.stderr.splitlines()[-1]))


def compared(places: tuple[Place, Place], workers: int, seconds: int, rounds: int) -> list[Contender]:
    """Return how the server and the bare route did, in turn."""
    ports = free_port(), free_port()
    count = ["--workers", str(workers)]
    ours = ["zep_memory_plugin.server", "--database", places[0].url, "--port", str(ports[0]), *count]
    bare = ["uvicorn", "benchmarks.bare_route:app", "--port", str(ports[1]), "--no-access-log", *count]
    with (
        started("server", ours, ports[0], places[0]) as one,
        started("bare route", bare, ports[1], places[1]) as other,
    ):
        for contender in (one, other):
            contender.rounds.append(asked(contender, 2))
        for _ in range(rounds):
            for contender in (one, other):
                contender.rounds.append(asked(contender, seconds))
        return [one, other]


def main() -> None:
    """Print a line for each database and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("sqlite", "postgres"), action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server.running(None) as postgres:
        places = Places(Path(folder), given.only or ("sqlite", "postgres"), postgres)
        for kind in places.kinds:
            for workers in (1, 2):
                pair = places.make(kind), places.make(kind)
                ours, bare = compared(pair, workers, given.seconds, given.rounds)
                print(
                    f"{kind}, workers {workers}: {ours.rate:,.0f} of {bare.rate:,.0f} requests/s, "
                    f"{ours.rate / bare.rate:.2f} x; p99 / p50 {ours.tail:.1f} of {bare.tail:.1f}; "
                    f"refused {sum(each.refused for each in ours.rounds)}, lost {ours.lost()}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
