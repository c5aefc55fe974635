"""A new SQLite file is its owner's alone, whatever the umask says; one that is there keeps its mode."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.messages import said
from zep_memory_plugin import SessionManager

PRIVATE = 0o600


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask: the usual one, none, and a private one."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Return the modes of all files in *folder*."""
    return {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.iterdir()}


def append(manager: SessionManager) -> None:
    manager.add_memory("s", said("private"))


def append_awaiting(manager: SessionManager) -> None:
    asyncio.run(manager.aadd_memory("s", said("private")))


def read(manager: SessionManager) -> None:
    manager.list_sessions()


FIRST_CALLS: dict[str, tuple[str, Callable[[SessionManager], None]]] = {
    "blocking": ("sqlite:///{}", append),
    "awaiting": ("sqlite:///{}", append_awaiting),
    "aiosqlite": ("sqlite+aiosqlite:///{}", append_awaiting),
    "aiosqlite, blocking": ("sqlite+aiosqlite:///{}", append),
    "read": ("sqlite:///{}", read),
    "URI": ("sqlite:///file:{}?uri=true", append),
    "URI, aiosqlite": ("sqlite+aiosqlite:///file:{}?uri=true", append_awaiting),
    "with a timeout": ("sqlite:///{}?timeout=3", append),
}


@pytest.mark.parametrize(("url", "call"), FIRST_CALLS.values(), ids=FIRST_CALLS)
def test_a_new_file_is_private(tmp_path: Path, url: str, call: Callable[[SessionManager], None]) -> None:
    """And so are the log of changes and the shared memory beside it."""
    folder = tmp_path / "new"
    folder.mkdir()
    manager = SessionManager(url.format(folder / "zep.db"))
    call(manager)

    assert set(modes(folder).values()) == {oct(PRIVATE)}
    assert "zep.db" in modes(folder)
    manager.close()


def test_a_relative_file_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the examples, which name a file in the folder where they are started."""
    monkeypatch.chdir(tmp_path)
    with SessionManager("sqlite:///zep.db") as manager:
        append(manager)
        assert set(modes(tmp_path).values()) == {oct(PRIVATE)}


@pytest.mark.parametrize("mode", [0o640, 0o664])
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """Who shares it with a group does so on purpose; an empty file, too."""
    file = tmp_path / "zep.db"
    file.touch()
    file.chmod(mode)
    with SessionManager(f"sqlite:///{file}") as manager:
        append(manager)
        assert modes(tmp_path)["zep.db"] == oct(mode)


def test_a_file_that_migrations_make_is_private(tmp_path: Path) -> None:
    """The command creates the tables, too, in a database that has none."""
    folder = tmp_path / "new"
    folder.mkdir()
    command = [sys.executable, "-m", "zep_memory_plugin.migrations", f"sqlite:///{folder / 'zep.db'}"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)

    assert modes(folder) == {"zep.db": oct(PRIVATE)}
