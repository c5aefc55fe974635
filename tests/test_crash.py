"""What was acknowledged outlives `kill -9`, and no batch is ever there in part."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.support.at_once import FORKSERVER
from zep_memory_plugin import Message, SessionManager

SESSION = "session"
BATCH = 3
WRITERS = 3
ROUNDS = 10
LONGEST_LIFE = (10, 60)
"""After how many acknowledged batches the writers of a round are killed, at random."""

LONGEST_PAUSE = 0.005
"""How long at most after that, in seconds, so that the end meets them anywhere in a write."""

Writer = Callable[[str, str, Connection], None]


def batch(name: str) -> list[Message]:
    return [Message(role="user", content=f"{name} {part}") for part in range(BATCH)]


def write(url: str, who: str, acknowledged: Connection) -> None:
    """Append batch after batch, and name each when it is stored."""
    with SessionManager(url) as manager:
        for number in itertools.count():
            manager.add_memory(SESSION, batch(f"{who}-{number}"))
            acknowledged.send(f"{who}-{number}")


def write_in_two_transactions(url: str, who: str, acknowledged: Connection) -> None:
    """Planted fault: a batch that is torn when the end comes in its middle, as it does here."""
    with SessionManager(url) as manager:
        manager.add_memory(SESSION, batch(who)[:1])
        os.kill(os.getpid(), signal.SIGKILL)
        manager.add_memory(SESSION, batch(who)[1:])
        acknowledged.send(who)


def acknowledge_too_early(url: str, who: str, acknowledged: Connection) -> None:
    """Planted fault: a batch is named before it is stored."""
    acknowledged.send(who)
    os.kill(os.getpid(), signal.SIGKILL)
    write(url, who, acknowledged)


def violations(stored: Sequence[str], acknowledged: Sequence[str]) -> list[str]:
    """Say which batches are torn and which acknowledged ones are missing."""
    found: set[str] = set()
    torn: list[str] = []
    for name, parts in itertools.groupby(stored, key=lambda content: content.rpartition(" ")[0]):
        if name in found or list(parts) != [message.content for message in batch(name)]:
            torn.append(name)
        found.add(name)
    return [f"{name} is torn" for name in torn] + [f"{name} is lost" for name in acknowledged if name not in found]


class Crew:
    """Processes that write until they are killed, and what they have acknowledged."""

    def __init__(self, url: str, work: Writer, names: Sequence[str]) -> None:
        self.acknowledged: list[str] = []
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for name in names:
            receiving, sending = FORKSERVER.Pipe(duplex=False)
            process = FORKSERVER.Process(target=work, args=(url, name, sending), daemon=True)
            process.start()
            sending.close()
            self._pipes.append(receiving)
            self._processes.append(process)

    def work_until(self, acknowledged: int) -> None:
        """Wait until so many batches are acknowledged, or everyone is gone."""
        while self._pipes and len(self.acknowledged) < acknowledged:
            self._listen()

    def kill(self) -> None:
        """Kill everyone, and hear what they had acknowledged until then."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        while self._pipes:
            self._listen()

    def _listen(self) -> None:
        for pipe in wait(self._pipes):
            try:
                self.acknowledged.append(pipe.recv())
            except (EOFError, OSError):
                self._pipes.remove(pipe)
                pipe.close()


def stored_in(url: str) -> list[str]:
    with SessionManager(url) as manager:
        return [message.content for message in manager.list_messages(SESSION)]


def assert_intact(url: str) -> None:
    """Let SQLite check the whole of its file."""
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()


def test_killed_writers_lose_nothing_and_tear_nothing(database_url: str) -> None:
    """Three at once, again and again on the same database."""
    chance = random.Random()
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        crew = Crew(database_url, write, [f"round-{number}-writer-{writer}" for writer in range(WRITERS)])
        crew.work_until(chance.randint(*LONGEST_LIFE))
        time.sleep(chance.uniform(0, LONGEST_PAUSE))
        crew.kill()
        acknowledged += crew.acknowledged

        assert violations(stored_in(database_url), acknowledged) == []

    assert len(acknowledged) >= ROUNDS * LONGEST_LIFE[0]
    if database_url.startswith("sqlite"):
        assert_intact(database_url)


@pytest.mark.parametrize(
    ("fault", "found"),
    [(write_in_two_transactions, "writer is torn"), (acknowledge_too_early, "writer is lost")],
)
def test_the_check_sees_a_planted_fault(database_url: str, fault: Writer, found: str) -> None:
    crew = Crew(database_url, fault, ["writer"])

    crew.work_until(2)
    crew.kill()

    assert violations(stored_in(database_url), crew.acknowledged) == [found]
