"""Which database URL to choose: the same turns through every driver, as a Markdown table.

    python -m benchmarks.urls                              # the SQLite drivers, on a temporary file
    python -m benchmarks.urls postgresql://localhost/app   # and both Postgres drivers

A turn reads the newest 20 messages of a session and appends two of 200 characters. One caller's time is the median of
its turns; the throughput is that of 64 coroutines, each on a session of its own.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator

from sqlalchemy import create_engine

from zep_memory_plugin import Message, SessionManager

from .workload import conversation

TURNS = 300
COROUTINES = 64
TURNS_EACH = 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("postgres", nargs="?", help="a Postgres URL of psycopg's form, of a database to write to")
    print("| URL | blocking turn | async turn | 64 coroutines |")
    print("| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for shown, url in urls(folder, parser.parse_args().postgres):
            print(f"| `{shown}` | {' | '.join(measured(url))} |", flush=True)


def urls(folder: str, postgres: str | None) -> Iterator[tuple[str, str]]:
    """Yield what the table shows, and the URL behind it."""
    yield "sqlite:///file.db", f"sqlite:///{folder}/blocking.db"
    yield "sqlite+aiosqlite:///file.db", f"sqlite+aiosqlite:///{folder}/async.db"
    yield "sqlite://", "sqlite://"
    if postgres is not None:
        yield "postgresql://…", postgres
        yield "postgresql+asyncpg://…", postgres.replace("postgresql:", "postgresql+asyncpg:")


def measured(url: str) -> list[str]:
    """Return the row of one URL."""
    with SessionManager(url) as manager:
        manager.add_memory("bench", messages(1000))
        if url.startswith("postgresql"):
            analyse(url)
        blocking = statistics.median(timed(manager) for _ in range(TURNS))
        alone, together = asyncio.run(measured_async(manager))
    return [f"{blocking * 1e3:.2f} ms", f"{alone * 1e3:.2f} ms", f"{together:,.0f} turns/s"]


def analyse(url: str) -> None:
    """Do what autovacuum does within a minute."""
    engine = create_engine(url.replace("+asyncpg", "").replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def messages(count: int) -> list[Message]:
    """Make messages of 200 characters."""
    return [Message(role=role, content=content) for role, content in conversation(count)]


def timed(manager: SessionManager) -> float:
    """Time one turn."""
    start = time.perf_counter()
    manager.last_messages("bench", 20)
    manager.add_memory("bench", messages(2))
    return time.perf_counter() - start


async def measured_async(manager: SessionManager) -> tuple[float, float]:
    """Time turns one after another, and turns at once."""
    alone = [await timed_async(manager, "bench") for _ in range(TURNS)]
    await asyncio.gather(*(turns(manager, f"warm-{number}", 1) for number in range(COROUTINES)))
    start = time.perf_counter()
    await asyncio.gather(*(turns(manager, f"warm-{number}", TURNS_EACH) for number in range(COROUTINES)))
    together = COROUTINES * TURNS_EACH / (time.perf_counter() - start)
    await manager.aclose()
    return statistics.median(alone), together


async def turns(manager: SessionManager, session_id: str, count: int) -> None:
    """Take *count* turns of one session."""
    for _ in range(count):
        await timed_async(manager, session_id)


async def timed_async(manager: SessionManager, session_id: str) -> float:
    """Time one turn."""
    start = time.perf_counter()
    await manager.alast_messages(session_id, 20)
    await manager.aadd_memory(session_id, messages(2))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
