"""A cancelled caller: what was started comes to its end, whatever becomes of the loop; nothing is locked or torn."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, Self

import pytest

from tests.support import beside
from tests.support.colours import BACKENDS, AsyncCaller, Backend
from tests.support.messages import said
from tests.support.moments import Act, Nth, When, statements, traced
from tests.support.operations import SOME_WRITES, WRITES, Stores, Write, blocking, fill
from tests.support.tables import Tables
from tests.support.thorough import some
from zep_memory_plugin import Session, SessionManager

AWAITING = [backend for backend in BACKENDS if backend.colour is AsyncCaller]
ON_DISK = [backend for backend in AWAITING if backend.url_fixture]
PATIENCE = 60.0
"""Seconds after which something hangs."""

WAITING = {
    "append": lambda manager: manager.aadd_memory("s", said("cancelled")),
    "append to a new session": lambda manager: manager.aadd_memory("new", said("cancelled")),
    "replace": lambda manager: manager.areplace_memory("s", said("cancelled")),
    "change a session": lambda manager: manager.aupdate_session(Session(session_id="s", metadata={"a": 1})),
    "delete a session": lambda manager: manager.adelete_session("s"),
    "clear": lambda manager: manager.aclear_memory("s"),
}


@pytest.fixture
def url(backend: Backend, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of *backend*."""
    return backend.url(request.getfixturevalue(backend.url_fixture) if backend.url_fixture else "")


def prepared(url: str) -> None:
    """Store something to write to."""
    caller = blocking(url)
    fill(caller)
    caller.close()


def assert_usable(url: str) -> None:
    """Check that another manager can write to all there is, and finds it whole."""
    assert beside.becomes_free(url)
    with SessionManager(url) as manager:
        assert len(manager.add_memory("s", said("afterwards"))) == 1
        assert manager.list_messages("s")[-1].content == "afterwards"
    assert not beside.is_locked(url)
    assert beside.is_intact(url)


def sending(url: str, act: Act) -> AbstractContextManager[None]:
    """Call *act* with each statement of a manager that is new: on SQLite without changing the way it takes."""
    return traced(act) if beside.is_sqlite(url) else statements(act)


class Sent:
    """Tells the running loop that a statement with *word* is about to be sent, from whichever thread."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def __call__(self, statement: str) -> None:
        if self._word in statement:
            self._loop.call_soon_threadsafe(self._event.set)

    @classmethod
    def to(cls, url: str) -> Self:
        """Wait for what has to wait for another's lock: on SQLite the BEGIN of a write."""
        return cls("BEGIN" if beside.is_sqlite(url) else "")

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._event.wait()


async def cancel_while_it_waits(manager: SessionManager, url: str, name: str, times: int) -> None:
    """Cancel a write that waits for another process's lock, and let go of the lock when its caller has given up."""
    with beside.write_lock(url):
        sent = Sent.to(url)
        with sending(url, sent):
            task = asyncio.create_task(WAITING[name](manager))
            await sent.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)


@pytest.mark.parametrize("backend", ON_DISK, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", ["append"])
def test_a_cancelled_write_that_waits_for_long_leaves_nothing_locked(url: str, name: str) -> None:
    """However long it waits: the caller gives up, the lock comes free, the write comes to its end."""

    async def main() -> None:
        async with SessionManager(url) as manager:
            await cancel_while_it_waits(manager, url, name, times=1)
            assert len(await asyncio.wait_for(manager.aadd_memory("t", said("one", "two")), PATIENCE)) == 2

    prepared(url)
    asyncio.run(main())
    assert_usable(url)


@pytest.mark.parametrize(
    "backend", [one for one in ON_DISK if one.scheme.startswith("sqlite")], ids=lambda one: one.name
)
def test_a_cancelled_first_use_that_waits_for_long_leaves_nothing_locked(url: str) -> None:
    """The tables are not there yet, and another process has just begun to write to the file."""

    async def main() -> None:
        async with SessionManager(url) as manager:
            await cancel_while_it_waits(manager, url, "append", times=1)
            assert len(await asyncio.wait_for(manager.aadd_memory("s", said("one", "two")), PATIENCE)) == 2

    beside.execute(url, "PRAGMA journal_mode=WAL")
    asyncio.run(main())
    assert_usable(url)


@pytest.mark.parametrize("backend", ON_DISK, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", some(WAITING, 3))
def test_a_write_that_is_cancelled_twice_leaves_nothing_locked(url: str, name: str) -> None:
    """As by a timeout around a timeout: the second one comes while the first is being settled."""

    async def main() -> None:
        async with SessionManager(url) as manager:
            await cancel_while_it_waits(manager, url, name, times=3)
            assert len(await asyncio.wait_for(manager.aadd_memory("t", said("one", "two")), PATIENCE)) == 2

    prepared(url)
    asyncio.run(main())
    assert_usable(url)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("backend", ON_DISK, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", some(WAITING, 3))
def test_a_loop_that_ends_beside_a_waiting_write_leaves_nothing_locked(url: str, name: str) -> None:
    """`asyncio.run` cancels what is left over when its main coroutine returns, also what works in the background."""
    prepared(url)
    manager, lock, loops = SessionManager(url), ExitStack(), []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())  # which somebody may hold for long
        sent = Sent.to(url)
        with sending(url, sent):
            asyncio.create_task(WAITING[name](manager))  # noqa: RUF006 - it is left over on purpose
            await sent.wait()
        threading.Timer(0.2, lock.close).start()

    lock.enter_context(beside.write_lock(url))
    asyncio.run(main())

    assert beside.becomes_free(url)
    assert len(asyncio.run(manager.aadd_memory("t", said("another loop")))) == 1
    assert len(manager.add_memory("t", said("no loop"))) == 1
    manager.close()
    assert_usable(url)


class CancelledCaller(AsyncCaller):
    """Runs the async methods on one event loop, and cancels the one that runs when it is told so."""

    _task: asyncio.Task[Any] | None = None

    def __getattr__(self, method: str) -> Callable[..., Any]:
        twin = getattr(self.manager, f"a{method}")

        async def run(*arguments: Any, **options: Any) -> Any:
            self._task = asyncio.current_task()
            return await twin(*arguments, **options)

        return lambda *arguments, **options: self._runner.run(run(*arguments, **options))

    def cancel(self) -> None:
        """Cancel the method that runs, from whichever thread."""
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def cancel_everywhere(caller: CancelledCaller, url: str, write: Write, watched: Callable[[Nth], Any]) -> None:
    """Cancel *write* at the first moment that *watched* sees, at the second … until it has no more."""
    stores = Stores(caller, write)
    for number in itertools.count(1):
        turn, name = Nth(number, caller.cancel), stores.new()
        with watched(turn), suppress(asyncio.CancelledError):
            write(caller, name)
        assert not beside.is_file(url) or beside.becomes_free(url)
        assert stores.contents(name) in (stores.before, stores.after)
        if not turn.came:
            break
    caller.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("backend", AWAITING, ids=lambda backend: backend.name)
@pytest.mark.parametrize("write", some(WRITES, 6).values(), ids=some(WRITES, 6))
def test_a_write_that_is_cancelled_at_any_statement_is_whole_or_absent(url: str, write: Write, when: When) -> None:
    """Cancelled as one statement after the other is about to be sent, or has been answered."""
    caller = CancelledCaller(SessionManager(url), Tables(url))

    cancel_everywhere(caller, url, write, lambda turn: statements(turn, when))


@pytest.mark.parametrize("backend", [one for one in ON_DISK if beside.is_sqlite(one.scheme)], ids=lambda one: one.name)
@pytest.mark.parametrize("write", some(SOME_WRITES, 2).values(), ids=some(SOME_WRITES, 2))
def test_a_write_that_is_cancelled_while_sqlite_works_is_whole_or_absent(url: str, write: Write) -> None:
    """Nobody watches the statements, so that they take their usual way, which may be past SQLAlchemy."""
    acts: list[Act] = []
    with traced(lambda statement: [act(statement) for act in acts]):
        caller = CancelledCaller(SessionManager(url), Tables(url))
        caller.list_sessions()

    @contextmanager
    def watched(turn: Nth) -> Iterator[None]:
        acts.append(turn)
        yield
        acts.clear()

    cancel_everywhere(caller, url, write, watched)
