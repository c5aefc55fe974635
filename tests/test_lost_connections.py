"""What callers see of a database that is away, busy, full or no database at all, and that it passes."""

import asyncio
import itertools
import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from tests.support import at_once
from tests.support.proxy import Proxy
from zep_memory_plugin import DatabaseUnavailable, Message, SessionManager
from zep_memory_plugin.running.retrying import DEADLINE

SESSION = "session"
PATIENCE = 60.0  # seconds until a test gives up waiting for what should come at once


def messages(count: int = 2, size: int = 5) -> list[Message]:
    return [Message(role="user", content="x" * size) for _ in range(count)]


def through(driver: str, url: str) -> str:
    """Return *url* with another driver."""
    return f"{driver}:{url.partition(':')[2]}"


def end_connections(url: str) -> int:
    """Let the server end all connections to the database, as its restart does; return how many there were."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()[0][0]


async def come_true(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a database sends no event
            await asyncio.sleep(0.005)


def test_blocking_calls_outlive_the_end_of_their_connections(postgres_url: str) -> None:
    """Several, which were in the pool when the server ended them, and are asked for all at once."""
    with SessionManager(postgres_url) as manager:
        for rounds in range(1, 4):
            with at_once.threads(manager.add_memory, [(SESSION, messages())] * 4) as calls:
                at_once.results(calls)
            assert end_connections(postgres_url) >= 1
            assert len(manager.list_messages(SESSION)) == 8 * rounds


class Doorkeeper:
    """A way to a server that ends the first connections, *times* of them, amid their login: a pooler that restarts."""

    def __init__(self, url: str, times: int) -> None:
        self._proxy, self._times = Proxy.to(url), times
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = self._proxy.url_for(url).replace(f":{self._proxy.port}", f":{self._door.getsockname()[1]}")

    def __enter__(self) -> Self:
        self._proxy.__enter__()
        threading.Thread(target=self._open, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        self._proxy.close()

    def _open(self) -> None:
        with suppress(OSError):
            for number in itertools.count():
                client, _ = self._door.accept()
                if number < self._times:
                    client.recv(8)
                    client.sendall(b"N")  # there is no encryption
                    client.recv(1000)
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._proxy.port))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_calls_outlive_connections_that_end_amid_their_login(postgres_url: str, driver: str) -> None:
    """In both colours, where asyncpg says that there is no connection."""

    async def awaited(url: str) -> int:
        async with SessionManager(url) as manager:
            await manager.aadd_memory(SESSION, messages())
            return len(await manager.alist_messages(SESSION))

    with Doorkeeper(postgres_url, 2) as door, SessionManager(through(driver, door.url)) as manager:
        manager.add_memory(SESSION, messages())
    with Doorkeeper(postgres_url, 2) as door:
        assert asyncio.run(awaited(through(driver, door.url))) == 4


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_async_calls_outlive_the_end_of_their_connections(postgres_url: str, driver: str) -> None:
    async def main() -> None:
        async with SessionManager(through(driver, postgres_url)) as manager:
            for rounds in range(1, 4):
                await asyncio.gather(*(manager.aadd_memory(SESSION, messages()) for _ in range(4)))
                assert end_connections(postgres_url) >= 1
                assert len(await manager.alist_messages(SESSION)) == 8 * rounds

    asyncio.run(main())


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_a_server_that_is_away_is_reported_before_the_deadline(shared_postgres_url: str, driver: str) -> None:
    """And forgotten when it is back."""
    with Proxy.to(shared_postgres_url) as proxy:

        async def main() -> None:
            async with SessionManager(through(driver, proxy.url_for(shared_postgres_url))) as manager:
                await manager.aadd_memory(SESSION, messages())
                proxy.go_away()
                begun = time.monotonic()
                answers = await asyncio.gather(
                    manager.alist_messages(SESSION),
                    manager.aadd_memory(SESSION, messages()),
                    asyncio.to_thread(manager.list_messages, SESSION),
                    return_exceptions=True,
                )
                assert time.monotonic() - begun < 2 * DEADLINE
                for answer in answers:
                    assert isinstance(answer, DatabaseUnavailable)
                    assert "cannot be reached" in str(answer)
                proxy.come_back()
                assert len(await manager.alist_messages(SESSION)) == 2
                assert len(manager.list_messages(SESSION)) == 2

        asyncio.run(main())


def test_a_server_that_does_not_exist_is_reported(shared_postgres_url: str) -> None:
    """Nobody listens at this port."""
    proxy = Proxy.to(shared_postgres_url)
    with proxy:
        url = proxy.url_for(shared_postgres_url)

    for driver in ("postgresql+psycopg", "postgresql+asyncpg"):
        manager = SessionManager(through(driver, url))
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            manager.list_sessions()
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            asyncio.run(manager.alist_sessions())


def append(manager: SessionManager) -> None:
    manager.add_memory(SESSION, messages())


def append_awaiting(manager: SessionManager) -> None:
    asyncio.run(manager.aadd_memory(SESSION, messages()))


@pytest.mark.parametrize(
    ("driver", "write"),
    [("sqlite", append), ("sqlite", append_awaiting), ("sqlite+aiosqlite", append_awaiting)],
    ids=["sqlite", "sqlite async", "aiosqlite"],
)
def test_a_file_that_stays_locked_is_reported(
    sqlite_url: str, driver: str, write: Callable[[SessionManager], None]
) -> None:
    """Within a few times what the URL allows to wait, and with nothing stored."""
    with SessionManager(f"{through(driver, sqlite_url)}?timeout=0.2") as manager:
        write(manager)
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            with pytest.raises(DatabaseUnavailable, match="lock"):
                write(manager)
            assert 0.2 <= time.monotonic() - begun < DEADLINE / 2
            assert len(manager.list_messages(SESSION)) == 2
            other.execute("ROLLBACK")

        write(manager)

        assert len(manager.list_messages(SESSION)) == 4


@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
def test_a_full_disk_is_reported_and_nothing_is_stored_in_part(sqlite_url: str, in_memory: bool) -> None:
    """And writing goes on when there is room again."""
    engine = create_engine("sqlite://", poolclass=StaticPool) if in_memory else create_engine(sqlite_url, pool_size=1)

    def allow_pages(count: int) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={count}")

    with SessionManager(engine) as manager:
        before = manager.add_memory(SESSION, messages())
        allow_pages(60)
        with pytest.raises(DatabaseUnavailable, match="the disk is full"):
            manager.add_memory(SESSION, messages(count=100, size=10_000))
        assert manager.list_messages(SESSION) == before
        allow_pages(1_000_000)

        after = manager.add_memory(SESSION, messages(count=100, size=10_000))

        assert manager.list_messages(SESSION) == before + after
    engine.dispose()


def test_a_read_only_file_is_reported(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        stored = manager.add_memory(SESSION, messages())
    read_only = f"sqlite:///file:{sqlite_url.removeprefix('sqlite:///')}?mode=ro&uri=true"

    with SessionManager(read_only) as manager:
        assert manager.list_messages(SESSION) == stored
        with pytest.raises(DatabaseUnavailable, match="the database file is read-only"):
            manager.add_memory(SESSION, messages())


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A file that is no database."""
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    return file


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_a_file_that_cannot_be_a_database_is_reported(letter: Path, driver: str) -> None:
    """With what is wrong with it. (aiosqlite's thread complains when the loop ends at once after that.)"""
    reasons = {
        letter.parent: "the database file cannot be opened",
        letter.parent / "no folder" / "zep.db": "check that its folder exists",
        letter: "the file is not an SQLite database",
    }

    for path, reason in reasons.items():
        manager = SessionManager(f"{driver}:///{path}")
        with pytest.raises(DatabaseUnavailable, match=reason):
            manager.list_sessions()
        with pytest.raises(DatabaseUnavailable, match=reason):
            asyncio.run(manager.alist_sessions())
    assert letter.read_text() == "Dear Sir or Madam, " * 100


def test_users_are_erased_at_once(database_url: str) -> None:
    """Two whose sessions lie between each other's, while others write; nobody waits for anybody in a circle."""
    sessions = [f"session-{number}" for number in range(20)]
    owners = {session_id: f"user-{number % 2}" for number, session_id in enumerate(sessions)}

    def write(manager: SessionManager, order: list[str]) -> None:
        for session_id in order:
            manager.add_memory(f"other {session_id}", messages(), user_id="other")

    with SessionManager(database_url) as manager:
        for session_id, user_id in owners.items():
            manager.add_memory(session_id, messages(), user_id=user_id)

        calls: list[tuple[Callable[..., None], Any]] = [
            (manager.delete_user, ("user-0",)),
            (manager.delete_user, ("user-1",)),
            (write, (manager, sessions)),
            (write, (manager, sessions[::-1])),
        ]
        with at_once.threads(lambda call, arguments: call(*arguments), calls) as running:
            at_once.results(running)

        assert {session.user_id for session in manager.list_sessions()} == {"other"}
        assert manager.count_messages(f"other {session_id}" for session_id in sessions) == {
            f"other {session_id}": 4 for session_id in sessions
        }


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_the_purge_process_outlives_a_database_that_is_away(
    shared_postgres_url: str, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in the log, goes on when the database is back, and ends when cancelled."""

    def delete_and_ask(beside: SessionManager) -> Callable[[], bool]:
        beside.add_memory(SESSION, messages())
        beside.delete_session(SESSION)
        return lambda: beside.list_sessions(deleted=True) == []

    async def main(proxy: Proxy, beside: SessionManager) -> None:
        async with SessionManager(through(driver, proxy.url_for(shared_postgres_url))) as manager:
            task = asyncio.create_task(manager.apurge_every(timedelta(milliseconds=10), timedelta(0)))
            await come_true(delete_and_ask(beside))
            proxy.go_away()
            await come_true(lambda: "purge failed" in caplog.text)
            assert not task.done()
            proxy.come_back()
            await come_true(delete_and_ask(beside))

            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with (
        caplog.at_level(logging.WARNING),
        Proxy.to(shared_postgres_url) as proxy,
        SessionManager(shared_postgres_url) as beside,
    ):
        asyncio.run(main(proxy, beside))
