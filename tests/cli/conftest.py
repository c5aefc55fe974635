"""The command line as an operator meets it: what it prints where, and with which code it ends."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs `zep-memory` with its arguments in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ZEP_MEMORY_DATABASE", raising=False)

    def command(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return command


@pytest.fixture
def on(command: Command, database_url: str) -> Command:
    """Return a function that runs `zep-memory` on a database that has tables, on SQLite and on Postgres."""
    with SessionManager(database_url) as manager:
        manager.list_users(1)

    def on(*arguments: str) -> Ended:
        return command(*arguments, "--database", database_url)

    return on


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager on the database of the commands."""
    with SessionManager(database_url) as manager:
        yield manager


def talk(count: int, **options: Any) -> list[Message]:
    """Return *count* messages, those of the user and the assistant in turn."""
    return [Message(role=("user", "assistant")[at % 2], content=f"text {at + 1}", **options) for at in range(count)]


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start `zep-memory` as a process of its own."""
    command = [sys.executable, "-m", "zep_memory_plugin", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
