"""Writers at once lose nothing, tear nothing apart, and show every reader one and the same order."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import at_once
from zep_memory_plugin import Message, SessionManager

WRITERS = 8
THREADS = 4
TASKS = 32
APPENDS = {"sqlite": 200, "postgres": 25}
"""Appends of one writer; on Postgres each process has four writers, with a connection each."""


def pair(writer: str, number: int) -> list[Message]:
    """Return what a writer appends at once."""
    return [Message(role=role, content=f"{writer} {number} {role}") for role in ("user", "assistant")]


def append_pairs(manager: SessionManager, sessions: int, writer: str, appends: int) -> None:
    for number in range(appends):
        manager.add_memory(f"session-{number % sessions}", pair(writer, number))


def write(url: str, sessions: int, process: int, threads: int, appends: int) -> None:
    """Append from *threads* threads of this process, each with a connection of its own."""
    with SessionManager(url) as manager:
        writers = [(manager, sessions, f"{process}.{thread}", appends) for thread in range(threads)]
        with at_once.threads(append_pairs, writers) as calls:
            at_once.results(calls)


def contents(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages]


class Reader:
    """Polls a history, whole and from where it left off, and insists that the past stays as it was."""

    def __init__(self, whole: Callable[[], list[str]], after: Callable[[int], list[str]]) -> None:
        self._whole = whole
        self._after = after
        self.history: list[str] = []
        self.tail: list[str] = []

    def poll(self) -> None:
        """Read once more; what was there before must be there again, and come first."""
        before, self.history = self.history, self._whole()
        assert self.history[: len(before)] == before
        self.tail += self._after(len(self.tail))

    @classmethod
    def of_session(cls, manager: SessionManager, session_id: str) -> "Reader":
        return cls(
            lambda: contents(manager.list_messages(session_id)),
            lambda seq: contents(manager.list_messages(session_id, cursor=seq)),
        )


def poll_until_done(readers: Sequence[Reader], calls: Sequence[Future[None]]) -> None:
    """Let *readers* poll in turn while *calls* run, and once after."""
    while not all(call.done() for call in calls):
        for reader in readers:
            reader.poll()
    for reader in readers:
        reader.poll()


def assert_complete(manager: SessionManager, sessions: int, writers: Sequence[str], appends: int) -> None:
    """Check that each pair is there, side by side, in its writer's order, and that no seq is left out."""
    appended: dict[str, list[list[str]]] = {f"session-{number}": [] for number in range(sessions)}
    for number in range(appends):
        appended[f"session-{number % sessions}"] += [contents(pair(writer, number)) for writer in writers]
    for session_id, pairs in appended.items():
        stored = manager.list_messages(session_id)
        texts = contents(stored)

        assert [message.seq for message in stored] == list(range(1, len(stored) + 1))
        assert sorted(texts[first : first + 2] for first in range(0, len(texts), 2)) == sorted(pairs)
        for writer in writers:
            numbers = [int(text.split()[1]) for text in texts if text.startswith(f"{writer} ")]
            assert numbers == sorted(numbers)


@pytest.mark.parametrize("sessions", [1, 20])
def test_processes_at_once_lose_nothing_and_keep_one_order(database_url: str, sessions: int) -> None:
    """Eight processes on SQLite; on Postgres eight of four connections each."""
    on_sqlite = database_url.startswith("sqlite")
    threads = 1 if on_sqlite else THREADS
    appends = APPENDS["sqlite" if on_sqlite else "postgres"]
    arguments = [(database_url, sessions, process, threads, appends) for process in range(WRITERS)]
    with SessionManager(database_url) as manager:
        readers = [Reader.of_session(manager, f"session-{number}") for number in range(sessions)]

        with at_once.processes(write, arguments) as calls:
            poll_until_done(readers, calls)

        at_once.results(calls)
        writers = [f"{process}.{thread}" for process in range(WRITERS) for thread in range(threads)]
        assert_complete(manager, sessions, writers, appends)
        assert all(reader.tail == reader.history for reader in readers)
        assert sum(len(reader.tail) for reader in readers) == 2 * len(writers) * appends


@pytest.mark.parametrize("sessions", [1, 20])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_tasks_at_once_lose_nothing_and_keep_one_order(shared_postgres_url: str, driver: str, sessions: int) -> None:
    """32 tasks of one event loop, each with a connection of its own."""
    appends = APPENDS["postgres"]
    writers = [f"task-{task}" for task in range(TASKS)]

    async def append(manager: SessionManager, writer: str) -> None:
        for number in range(appends):
            await manager.aadd_memory(f"session-{number % sessions}", pair(writer, number))

    async def main() -> None:
        engine = create_async_engine(
            shared_postgres_url.replace("postgresql:", f"postgresql+{driver}:"), pool_size=TASKS, max_overflow=0
        )
        async with SessionManager(engine) as manager:
            await asyncio.gather(*(append(manager, writer) for writer in writers))
        await engine.dispose()

    asyncio.run(main())

    with SessionManager(shared_postgres_url) as manager:
        assert_complete(manager, sessions, writers, appends)


def test_the_reader_sees_when_order_by_time_changes_the_past(postgres_url: str) -> None:
    """Planted fault: the moment of a row is when its transaction began, which is not when it can be seen."""
    with (
        psycopg.connect(postgres_url, autocommit=True) as first,
        psycopg.connect(postgres_url, autocommit=True) as second,
        psycopg.connect(postgres_url, autocommit=True) as polling,
    ):
        first.execute("CREATE TABLE note (at timestamptz DEFAULT now(), id uuid DEFAULT gen_random_uuid(), text text)")
        ordered = "SELECT text FROM note ORDER BY at, id"
        reader = Reader(
            lambda: [row[0] for row in polling.execute(ordered)],
            lambda count: [row[0] for row in polling.execute(f"{ordered} OFFSET {count}")],
        )

        first.execute("BEGIN")
        first.execute("INSERT INTO note (text) VALUES ('began earlier')")
        second.execute("INSERT INTO note (text) VALUES ('seen earlier')")
        reader.poll()
        first.execute("COMMIT")

        with pytest.raises(AssertionError):
            reader.poll()
        assert reader.history == ["began earlier", "seen earlier"]
