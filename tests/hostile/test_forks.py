"""A process that forks: what either side of it acknowledges is stored, whatever the other does with its connections."""

import asyncio
import gc
import multiprocessing
import os
import signal
import sqlite3
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import beside, children
from tests.support.colours import BACKENDS, AsyncCaller, Backend
from tests.support.messages import said
from zep_memory_plugin import SessionManager, ZepMemoryError
from zep_memory_plugin.databases.sqlite.files import FileConnection, file_at, not_closed

ON_DISK = [backend for backend in BACKENDS if backend.url_fixture]
FILES = [backend for backend in ON_DISK if beside.is_sqlite(backend.scheme)]
WRITES = 10
"""What each process writes at a time."""

Append = Callable[[SessionManager, str, int], int]


@pytest.fixture
def url(backend: Backend, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of *backend*."""
    return backend.url(request.getfixturevalue(backend.url_fixture or ""))


@pytest.fixture
def awaiting(backend: Backend) -> bool:
    """Return whether the calls of *backend* are awaited."""
    return backend.colour is AsyncCaller


def append(manager: SessionManager, session_id: str, count: int, awaiting: bool) -> int:
    """Append messages one by one, and return how many were acknowledged; in a child's child, too."""
    if not awaiting:
        return sum(len(manager.add_memory(session_id, said(f"{number} " + "word " * 40))) for number in range(count))

    async def all_of_them() -> int:
        stored = [await manager.aadd_memory(session_id, said(f"{number} " + "word " * 40)) for number in range(count)]
        return sum(map(len, stored))

    return asyncio.run(all_of_them())


class Forked:
    """A copy of this process, that runs a function, says how much it acknowledges, and can be told to go on."""

    def __init__(self, work: Callable[["Forked"], None]) -> None:
        self._says, self._telling = os.pipe()
        self._goes, self._going = os.pipe()
        self._heard = False
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(children.LIMIT // 2)
            status = 1
            try:
                work(self)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)

    def tell(self, count: int) -> None:
        """Tell the parent what was acknowledged, in the copy."""
        os.write(self._telling, count.to_bytes(4, "big"))

    def wait(self) -> None:
        """Wait until the parent says to go on, in the copy."""
        os.read(self._goes, 1)

    def hear(self) -> int:
        """Return what the copy has acknowledged since it was heard before."""
        if not self._heard:
            os.close(self._telling)  # so that the end of the copy is heard, too
            self._heard = True
        return int.from_bytes(os.read(self._says, 4), "big")

    def go_on(self) -> None:
        """Let the copy go on."""
        os.write(self._going, b"x")

    def end(self) -> int:
        """Wait for the end of the copy, and return its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def let_go(manager: SessionManager, how: str) -> None:
    """Give up a manager in one of the ways in which programs do."""
    match how:
        case "close":
            manager.close()
        case "aclose":
            asyncio.run(manager.aclose())


def write_beside_a_parent_that_lets_go(url: str, awaiting: bool, how: str, manager_of_its_own: bool) -> None:
    """In a child: fork with an open connection, let go of it beside the copy's writes, and count both."""

    def write(forked: Forked) -> None:
        used = SessionManager(url) if manager_of_its_own else manager
        forked.tell(append(used, "copy", 1, awaiting))
        forked.wait()
        forked.tell(append(used, "copy", WRITES, awaiting))

    manager = SessionManager(url)
    acknowledged = append(manager, "parent", 1, awaiting)
    forked = Forked(write)
    acknowledged += forked.hear()
    let_go(manager, how)
    if how == "forget":
        del manager
        gc.collect()
    forked.go_on()
    acknowledged += forked.hear()
    children.say([forked.end(), acknowledged])


WAYS = [("close", False), ("close", True), ("aclose", False), ("forget", False)]


@pytest.mark.parametrize(("how", "manager_of_its_own"), WAYS, ids=["close", "close, own manager", "aclose", "forget"])
@pytest.mark.parametrize("backend", FILES, ids=lambda backend: backend.name)
def test_what_a_forked_copy_acknowledges_outlives_the_connections_of_the_parent(
    url: str, awaiting: bool, how: str, manager_of_its_own: bool
) -> None:
    """SQLite's last connection in a process removes the log of changes, which other processes write to."""
    ended = children.told(write_beside_a_parent_that_lets_go, url, awaiting, how, manager_of_its_own)

    assert ended == [[0, 2 + WRITES]]
    with SessionManager(url) as manager:
        assert sum(manager.count_messages(["parent", "copy"]).values()) == 2 + WRITES
    assert beside.is_intact(url)


def open_and_close_beside_a_copy(url: str, awaiting: bool) -> None:
    """In a child: both sides of a fork write, and the parent opens and closes managers between."""

    def write(forked: Forked) -> None:
        forked.tell(sum(append(manager, "copy", 20, awaiting) for _ in range(8)))

    manager = SessionManager(url)
    append(manager, "parent", 1, awaiting)
    forked = Forked(write)
    for _ in range(8):
        manager.close()
        manager = SessionManager(url)
        append(manager, "parent", 20, awaiting)
    acknowledged = forked.hear()
    children.say([forked.end(), acknowledged])


@pytest.mark.parametrize("backend", ON_DISK, ids=lambda backend: backend.name)
def test_both_sides_of_a_fork_can_write_while_one_opens_and_closes(url: str, awaiting: bool) -> None:
    """Nothing that either side was told is stored goes, and no file is damaged."""
    assert children.told(open_and_close_beside_a_copy, url, awaiting) == [[0, 160]]
    assert beside.is_intact(url)
    with SessionManager(url) as manager:
        assert manager.count_messages(["parent", "copy"]) == {"parent": 161, "copy": 160}


def fork_beside_threads(url: str, awaiting: bool) -> None:
    """In a child: fork again and again while threads write; each copy writes, and so does a copy of it."""

    def write_on(name: str) -> None:
        while not stop.is_set():
            acknowledged[name] += append(manager, name, 2, awaiting)

    def write(forked: Forked) -> None:
        append(manager, "copy", 3, awaiting)
        os._exit(Forked(lambda _: append(manager, "copy of a copy", 3, awaiting) and None).end())

    manager, stop = SessionManager(url), threading.Event()
    append(manager, "parent", 1, awaiting)
    acknowledged = {"thread 1": 0, "thread 2": 0}
    threads = [threading.Thread(target=write_on, args=(name,)) for name in acknowledged]
    for thread in threads:
        thread.start()
    codes = [Forked(write).end() for _ in range(5)]
    stop.set()
    for thread in threads:
        thread.join()
    children.say([codes, acknowledged])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ON_DISK, ids=lambda backend: backend.name)
def test_a_process_can_fork_while_its_threads_write(url: str, awaiting: bool) -> None:
    """The locks that the threads hold at that moment do not stay locked in the copies, nor in copies of copies."""
    ((codes, acknowledged),) = children.told(fork_beside_threads, url, awaiting)

    assert codes == [0] * 5
    assert beside.is_intact(url)
    with SessionManager(url) as manager:
        counts = manager.count_messages([*acknowledged, "copy", "copy of a copy"])
    assert counts == {**acknowledged, "copy": 15, "copy of a copy": 15}


def work_in_a_pool(url: str, awaiting: bool) -> None:
    """In a child: let the workers of a pool use the manager that they were forked with."""
    manager = SessionManager(url)
    append(manager, "parent", 1, awaiting)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        calls = [pool.apply_async(_append_inherited, (f"worker {number}", awaiting)) for number in range(6)]
        manager.close()
        children.say(sum(call.get(children.LIMIT / 2) for call in calls))


def _append_inherited(name: str, awaiting: bool) -> int:
    managers = [each for each in gc.get_objects() if isinstance(each, SessionManager)]
    return append(managers[0], name, WRITES, awaiting)


@pytest.mark.parametrize("backend", FILES, ids=lambda backend: backend.name)
def test_the_workers_of_a_forked_pool_lose_nothing(url: str, awaiting: bool) -> None:
    """As of `multiprocessing` or of a server that loads its application before it forks."""
    assert children.told(work_in_a_pool, url, awaiting) == [6 * WRITES]
    assert beside.is_intact(url)
    with SessionManager(url) as manager:
        assert sum(manager.count_messages([f"worker {number}" for number in range(6)]).values()) == 6 * WRITES


def fork_with_two_managers(url: str) -> None:
    """In a child: fork with two managers on one file, of which the copy uses one and the parent closes the other."""

    def write(forked: Forked) -> None:
        forked.tell(append(first, "copy", 1, False))
        forked.wait()
        forked.tell(append(first, "copy", WRITES, False))

    first, second = SessionManager(url), SessionManager(url)
    acknowledged = append(first, "parent", 1, False) + append(second, "parent", 1, False)
    forked = Forked(write)
    acknowledged += forked.hear()
    second.close()
    first.close()
    forked.go_on()
    children.say([acknowledged + forked.hear(), forked.end()])


def test_no_manager_of_the_process_takes_what_a_copy_writes(sqlite_url: str) -> None:
    """SQLite's locks are the process's, not a manager's: all of them have to be out of the way."""
    assert children.told(fork_with_two_managers, sqlite_url) == [[3 + WRITES, 0]]
    with SessionManager(sqlite_url) as manager:
        assert manager.count_messages(["parent", "copy"]) == {"parent": 2, "copy": 1 + WRITES}


def use_memory_in_a_copy(awaiting: bool) -> None:
    """In a child: fork with a database in memory, and tell what the copy is told, and what the parent has left."""

    def attempt(forked: Forked) -> None:
        for call in (lambda: manager.list_messages("s"), lambda: append(manager, "s", 1, awaiting)):
            try:
                call()
                os._exit(2)
            except ZepMemoryError as error:
                children.say(str(error))

    manager = SessionManager("sqlite://")
    append(manager, "s", 2, awaiting)
    forked = Forked(attempt)
    children.say(forked.end())
    append(manager, "s", 1, awaiting)
    children.say(len(manager.list_messages("s")))


@pytest.mark.parametrize("awaiting", [False, True], ids=["blocking", "awaiting"])
def test_a_database_in_memory_says_that_it_cannot_be_used_after_a_fork(awaiting: bool) -> None:
    """It stays in the process that made it; a copy of it would be another database under the same name."""
    *told, code, count = children.told(use_memory_in_a_copy, awaiting)

    assert (code, count) == (0, 3)
    assert len(told) == 2
    assert all("fork" in line or "process" in line for line in told)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list a process's files there")
def test_a_closed_connection_has_no_file_open_though_a_cursor_is_kept(tmp_path: Path) -> None:
    """SQLite keeps a closed connection, and its locks, for as long as one of its statements lives."""
    path = tmp_path / "zep.db"
    connection = FileConnection(str(path))
    kept = connection.cursor().execute("SELECT 1 UNION ALL SELECT 2")

    connection.close()

    assert kept.connection is connection
    assert not any(Path(os.path.realpath(each)) == path for each in Path("/proc/self/fd").iterdir())
    assert not not_closed(file_at(str(path)) or (0, 0))


def test_a_connection_that_is_dropped_or_fails_to_open_counts_as_closed(tmp_path: Path) -> None:
    """Nobody waits at a fork for what is not there."""
    path, folder = tmp_path / "zep.db", tmp_path / "folder"
    folder.mkdir()
    connection = FileConnection(str(path))
    file = file_at(str(path)) or (0, 0)
    assert not_closed(file)

    del connection
    gc.collect()
    with pytest.raises(sqlite3.OperationalError):
        FileConnection(str(folder))

    assert not not_closed(file)
    assert not not_closed(file_at(str(folder)) or (0, 0))
