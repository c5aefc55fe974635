"""`python -m tests.stress --seconds 60` lets managers live under stress with each driver, and says what is left.

It ends with 1 where anything was lost, torn, locked, damaged, or did not come to its end.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.stress.backups import back_up
from tests.stress.checks import stress
from tests.stress.failovers import fail_over
from tests.stress.kills import kill
from tests.stress.replicas import read_replica
from tests.stress.soak import soak
from tests.support.colours import BACKENDS, Backend
from tests.support.postgres import PostgresServer, start_server

NAMES = ("sqlite-sync", "memory-sync", "aiosqlite", "postgres-sync", "asyncpg")
FAILOVER_EVERY = 15.0
"""Seconds between two failovers."""

SOAKED_AT_ONCE = 5_000
"""Operations after which it is said how many there were."""

LIFE = 10.0
"""Seconds that a process lives."""


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of random disturbances, with each driver")
    parser.add_argument("--rounds", type=int, default=0, help="of SIGKILL instead, with each driver that has a disk")
    parser.add_argument("--backups", type=int, default=0, help="instead, beside four processes that write to SQLite")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", choices=NAMES, help="one driver")
    parser.add_argument("--failovers", action="store_true", help="instead: behind a pooler, the server fails over")
    parser.add_argument("--replica", action="store_true", help="instead: a replica answers, and is disturbed")
    parser.add_argument("--steps", type=int, default=0, help="instead: random operations, compared with a model")
    given = parser.parse_args()
    if given.steps:
        return _soak(given.steps, given.only)
    if given.backups:
        return _back_up(given.backups)
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    if given.failovers:
        counts, problems = fail_over(seed, given.seconds, every=FAILOVER_EVERY)
        print(f"failovers, seed {seed}: {dict(sorted(counts.items()))}", *problems[:20], sep="\n    ", flush=True)
        return min(len(problems), 1)
    if given.replica:
        counts, problems = read_replica(seed, given.seconds)
        print(f"replica, seed {seed}: {dict(sorted(counts.items()))}", *problems[:20], sep="\n    ", flush=True)
        return min(len(problems), 1)
    server = start_server()
    bad = 0
    for backend in (each for each in BACKENDS if each.name == given.only or (each.name in NAMES and not given.only)):
        counts, problems = _run(backend, server, seed, given.seconds, given.rounds)
        bad += len(problems)
        print(f"{backend.name}, seed {seed}: {dict(sorted(counts.items()))}", *problems[:20], sep="\n    ", flush=True)
    server.stop()
    return min(bad, 1)


def _soak(steps: int, only: str | None) -> int:
    for name, driver in (("sqlite-sync", "sqlite+aiosqlite"), ("postgres-sync", "postgresql+asyncpg")):
        if only in (None, name):
            server = start_server() if name == "postgres-sync" else None
            backend = next(each for each in BACKENDS if each.name == name)
            url, calls = server.create_database() if server else _url(backend, None), 0
            for done in range(0, steps, SOAKED_AT_ONCE):
                more = min(SOAKED_AT_ONCE, steps - done)
                calls += soak(url, driver, more)
                print(f"{name}: {done + more} operations, {calls} calls compared", flush=True)
            if server:
                server.stop()
    return 0


def _back_up(copies: int) -> int:
    folder = Path(tempfile.mkdtemp())
    counts, problems = back_up(f"sqlite:///{folder / 'zep.db'}", folder, copies=copies, writers=4)
    print(f"backups: {dict(counts)}", *problems[:20], sep="\n    ")
    return min(len(problems), 1)


def _run(
    backend: Backend, server: PostgresServer, seed: int, seconds: float, rounds: int
) -> tuple[Counter[str], list[str]]:
    if rounds:
        return kill(backend, _url(backend, server), seed, rounds) if backend.url_fixture else (Counter(), [])
    counts, problems = Counter[str](), list[str]()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        seed += 1
        counts["lives"] += 1
        more, wrong = stress(backend, _url(backend, server), seed, min(left, LIFE))
        counts += more
        problems += wrong
    return counts, problems


def _url(backend: Backend, server: PostgresServer | None) -> str:
    if backend.url_fixture is None:
        return "sqlite://"
    if server is None or backend.scheme.startswith("sqlite"):
        return backend.url(f"sqlite:///{Path(tempfile.mkdtemp()) / 'zep.db'}")
    return backend.url(server.create_database())


if __name__ == "__main__":
    raise SystemExit(main())
