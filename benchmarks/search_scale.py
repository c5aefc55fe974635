"""Speed of search over a million messages, and what the index costs an append.

    python -m benchmarks.search_scale [--messages 1000000] [--sqlite FILE] [--postgres URL]

Sessions have 100 messages, users 100 sessions. Words are drawn as in a language (Zipf), messages have 15 to 35 of them,
and sessions grow in turns, ten messages at a time. A database that is filled already is used as it is. Without a
database of yours, both are made and thrown away.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text

from tests.support.postgres import start_server
from zep_memory_plugin import Message, SessionManager

from .speech import Speech

PER_SESSION = 100
PER_USER = 100
PER_APPEND = 10
APPENDS = 3_000
LIMITS = {"session": 2.0, "user": 20.0, "everything": 200.0}
"""What a search for two words should take at most, in milliseconds, in the middle."""


def said(speech: Speech) -> str:
    """Return a message."""
    return speech.say(speech.random.randint(15, 35))


def fill(manager: SessionManager, count: int) -> None:
    """Store *count* messages."""
    speech, started = Speech(1), time.perf_counter()
    sessions = count // PER_SESSION
    for turn in range(PER_SESSION // PER_APPEND):
        for session in range(sessions):
            new = [Message(role=("user", "assistant")[n % 2], content=said(speech)) for n in range(PER_APPEND)]
            manager.add_memory(f"session-{session}", new, user_id=f"user-{session // PER_USER}")
        print(
            f"  {(turn + 1) * PER_APPEND * sessions:,} messages after {time.perf_counter() - started:.0f} s", flush=True
        )


def percentiles(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the middle and the 95th percentile of what *call* takes, in milliseconds."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took), sorted(took)[int(times * 0.95)]


def measure(manager: SessionManager, count: int) -> None:
    """Print how long searches take."""
    speech, sessions = Speech(2), count // PER_SESSION
    scopes: dict[str, Callable[[], dict[str, str]]] = {
        "session": lambda: {"session_id": f"session-{speech.random.randrange(sessions)}"},
        "user": lambda: {"user_id": f"user-{speech.random.randrange(max(1, sessions // PER_USER))}"},
        "everything": dict,
    }
    questions = {"2 words": (2, 4.0), "6 words": (6, 4.0), "2 common words": (2, 2.0)}
    for scope, where in scopes.items():
        for name, (words, rarest) in questions.items():

            def search(words: int = words, rarest: float = rarest, where: Callable[[], Any] = where) -> None:
                manager.search_memory(speech.question(words, rarest), **where())

            percentiles(search, 20)
            middle, late = percentiles(search, 200 if scope == "session" else 100)
            judged = "" if name != "2 words" else f"  (at most {LIMITS[scope]:.0f})"
            print(f"  {scope:10s} {name:14s} p50 {middle:6.2f} ms  p95 {late:6.2f} ms{judged}", flush=True)


def plans(url: str) -> Iterator[str]:
    """Yield steps of the searches' plans that read a whole table."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    sent: list[tuple[str, Any]] = []
    with SessionManager(engine) as manager:
        manager.search_memory("warm up")
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
        question = Speech(3).question(2)
        for scope in ({"session_id": "session-1"}, {"user_id": "user-0"}, {}):
            manager.search_memory(question, **scope)
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        for statement, parameters in [step for step in sent if step[0].lstrip().startswith("SELECT")]:
            for row in connection.exec_driver_sql(explain + statement, parameters):
                step = str(row[-1])
                if ("SCAN zep_" in step and "VIRTUAL TABLE INDEX" not in step) or "Seq Scan on zep_" in step:
                    yield step
    engine.dispose()


def append_cost(url: str) -> float:
    """Return the mean time of an append of two messages, in microseconds."""
    speech = Speech(4)
    with SessionManager(url) as manager:
        for session in range(500):
            manager.add_memory(f"append-{session}", [Message(role="user", content="begin")], user_id="appender")
        pairs = [[Message(role="user", content=said(speech)) for _ in range(2)] for _ in range(APPENDS)]
        started = time.perf_counter()
        for number, pair in enumerate(pairs):
            manager.add_memory(f"append-{number % 500}", pair)
        return (time.perf_counter() - started) / APPENDS * 1e6


def run(name: str, url: str, count: int) -> None:
    """Measure one database."""
    print(f"{name}")
    with SessionManager(url, durability="normal") as manager:
        if not manager.list_sessions(1):
            fill(manager, count)
    if name == "Postgres":
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
        engine.dispose()
    with SessionManager(url) as manager:
        measure(manager, count)
    whole = list(plans(url))
    print(f"  tables that a search reads as a whole: {', '.join(whole) or 'none'}")
    print(f"  an append of two messages: {append_cost(url):.0f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--sqlite", type=Path, help="file of the database")
    parser.add_argument("--postgres", help="URL of the database")
    given = parser.parse_args()
    with ExitStack() as stack:
        if given.sqlite or not given.postgres:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            run("SQLite", f"sqlite:///{given.sqlite or Path(folder) / 'zep.db'}", given.messages)
        if given.postgres or not given.sqlite:
            server = None if given.postgres else start_server()
            if server is not None:
                stack.callback(server.stop)
            run("Postgres", given.postgres or server.create_database(), given.messages)


if __name__ == "__main__":
    main()
