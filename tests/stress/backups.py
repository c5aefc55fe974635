"""Backups beside processes that write: each copy whole, and with all that was acknowledged before it began."""

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.messages import said
from zep_memory_plugin import SessionManager

BEFORE = 2_000
"""Messages that are stored before any copy is made."""

_WRITER = """
import sys
from zep_memory_plugin import Message, SessionManager
manager = SessionManager(sys.argv[1])
number = 0
while True:
    number += 1
    manager.add_memory(sys.argv[2], [Message(role="user", content=f"{number} " + "x" * 200)])
    print(number, flush=True)
"""


class _Writer:
    """A process that appends to a session of its own, and how much of that was acknowledged."""

    def __init__(self, url: str, session_id: str) -> None:
        self.session_id, self.acknowledged = session_id, 0
        self._first = threading.Event()
        command = [sys.executable, "-c", _WRITER, url, session_id]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.acknowledged = int(line)
            self._first.set()

    def begun(self) -> None:
        assert self._first.wait(60), "a writer wrote nothing"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()


def back_up(url: str, folder: Path, *, copies: int, writers: int) -> tuple[Counter[str], list[str]]:
    """Make *copies* of the SQLite file at *url* into *folder*, beside *writers*; return counts, and what is wrong."""
    counts, problems = Counter[str](), list[str]()
    with SessionManager(url) as manager:
        manager.add_memory("before", said(*(f"text {number}" for number in range(BEFORE))))
    with _writing(url, writers) as processes:
        for number in range(copies):
            acknowledged = {writer.session_id: writer.acknowledged for writer in processes}
            copy = folder / f"copy {number}.db"
            command = [sys.executable, "-m", "zep_memory_plugin", "backup", str(copy), "-d", url]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            counts["copies"] += 1
            counts["acknowledged before the last copy"] = sum(acknowledged.values())
            problems += [f"{copy.name}: {problem}" for problem in _problems(made, copy, acknowledged)]
            copy.unlink(missing_ok=True)
        counts["written beside them"] = sum(writer.acknowledged for writer in processes)
    return counts, problems


@contextmanager
def _writing(url: str, count: int) -> Iterator[list[_Writer]]:
    writers = [_Writer(url, f"writer {number}") for number in range(count)]
    try:
        for writer in writers:
            writer.begun()
        yield writers
    finally:
        for writer in writers:
            writer.kill()


def _problems(made: subprocess.CompletedProcess[str], copy: Path, acknowledged: dict[str, int]) -> Iterator[str]:
    if made.returncode:
        yield made.stderr
        return
    connection = sqlite3.connect(copy)
    if (checked := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
        yield str(checked)
    connection.close()
    with SessionManager(f"sqlite:///{copy}") as restored:
        counts = restored.count_messages(["before", *acknowledged])
        for session_id, count in {"before": BEFORE, **acknowledged}.items():
            if counts[session_id] < count:
                yield f"{session_id} has {counts[session_id]} of {count}"
        if not restored.search_memory("text 77", session_id="before"):
            yield "nothing is found"
