"""A manager with a replica reads its own writes, and nothing that is old, whatever the replica does meanwhile."""

import asyncio
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.cluster import SETTINGS, Cluster
from tests.support.colours import AsyncCaller, Caller, SyncCaller
from tests.support.messages import said
from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy
from tests.support.standby import PATIENCE, Standby
from tests.support.tables import Tables
from zep_memory_plugin import InvalidInput, SessionManager, User
from zep_memory_plugin.running import standing

Open = Callable[..., Caller]
"""Opens a manager with a replica at a URL."""


def through(driver: str, url: str) -> str:
    return f"{driver}:{url.partition(':')[2]}"


WAYS: dict[str, tuple[Callable[[str], Any], type[SyncCaller | AsyncCaller]]] = {
    "psycopg": (lambda url: through("postgresql", url), SyncCaller),
    "psycopg awaited": (lambda url: through("postgresql", url), AsyncCaller),
    "asyncpg": (lambda url: through("postgresql+asyncpg", url), AsyncCaller),
    "an Engine": (lambda url: create_engine(through("postgresql+psycopg", url)), SyncCaller),
    "an AsyncEngine": (lambda url: create_async_engine(through("postgresql+asyncpg", url)), AsyncCaller),
}


@pytest.fixture(scope="module")
def primary() -> Iterator[Cluster]:
    """A server that is followed."""
    cluster = Cluster({**SETTINGS, "synchronous_commit": "on"})  # or what is committed is not sent on at once
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def standby(primary: Cluster) -> Iterator[Standby]:
    """What follows the primary, for all tests of this module."""
    follower = Standby(primary)
    follower.start()
    yield follower
    follower.stop()


@pytest.fixture
def url(primary: Cluster, standby: Standby) -> Iterator[str]:
    """The URL of a database with our tables, empty, which the standby has, too."""
    created = PostgresServer(primary.url).create_database()
    with SessionManager(created) as manager:
        manager.list_sessions()
    standby.catch_up()
    yield created
    standby.resume()


@pytest.fixture(params=WAYS)
def opened(request: pytest.FixtureRequest, url: str) -> Iterator[Open]:
    """Return what opens a manager in each way that there is."""
    database, colour = WAYS[request.param]
    callers: list[Caller] = []

    def open_with(replica: str, primary: str = url) -> Caller:
        both = database(primary), database(replica)
        callers.append(colour(SessionManager(both[0], replica=both[1]), Tables(url)))
        engines.extend(both)
        return callers[-1]

    engines: list[Any] = []
    yield open_with
    for engine in engines:
        if isinstance(engine, AsyncEngine):
            callers[0]._runner.run(engine.dispose())
        elif isinstance(engine, Engine):
            engine.dispose()
    for caller in callers:
        caller.close()


def come_true(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def exported(memory: Caller, **what: Any) -> str:
    target = io.BytesIO()
    memory.export_memory(target, **what)
    return target.getvalue().decode()


def shown(memory: Caller, session: str) -> list[bool]:
    """Tell of everything that a replica may answer whether it shows a session, of the user with its name."""
    return [
        any(found.session_id == session for found in memory.search_memory("saffron")),
        memory.search_memory("saffron", session_id=session) != [],
        memory.search_memory("saffron", user_id=session) != [],
        any(found.session.session_id == session for found in memory.search_sessions("saffron")),
        session in [each.session_id for each in memory.list_sessions()],
        session in [each.session_id for each in memory.list_sessions(order="active")],
        session in [each.user_id for each in memory.list_users()],
        f'"{session}"' in exported(memory),
    ]


def test_a_replica_answers_what_may_be_late_and_the_primary_all_else(opened: Open, url: str, standby: Standby) -> None:
    """Of a session that was written elsewhere, with one round trip when it is known that the replica has it."""
    with SessionManager(url) as elsewhere:
        elsewhere.add_memory("s", said("risotto with saffron"), user_id="alice")
    standby.catch_up()
    with Proxy.to(url) as there, Proxy.to(standby.url) as here:
        memory = opened(here.url_for(standby.of(url)), primary=there.url_for(url))
        assert len(memory.last_messages("s", 1)) == 1
        assert here.round_trips == 0
        assert len(memory.search_memory("saffron", session_id="s")) == 1
        there.reset()
        here.reset()

        assert len(memory.search_memory("saffron", session_id="s")) == 1
        assert len(memory.list_sessions(order="active")) == 1
        assert memory.stats().messages == 1

        assert there.round_trips == 0
        assert here.round_trips >= 3


def test_an_append_is_one_round_trip(url: str, standby: Standby) -> None:
    with Proxy.to(url) as there, SessionManager(there.url_for(url), replica=standby.of(url)) as memory:
        for _ in range(3):
            memory.add_memory("s", said("hello"))
        there.reset()

        memory.add_memory("s", said("hello"))

        assert there.round_trips == 1


def test_a_search_in_a_session_that_was_just_written_asks_the_primary_alone(url: str, standby: Standby) -> None:
    with Proxy.to(standby.url) as here, SessionManager(url, replica=here.url_for(standby.of(url))) as memory:
        memory.add_memory("s", said("risotto with saffron"))

        assert len(memory.search_memory("saffron", session_id="s")) == 1

        assert here.round_trips == 0


def test_it_reads_its_own_writes_while_the_replica_is_late(opened: Open, url: str, standby: Standby) -> None:
    memory = opened(standby.of(url))
    assert shown(memory, "mine") == [False] * 8
    standby.pause()

    memory.add_memory("mine", said("risotto with saffron"), user_id="mine")
    assert shown(memory, "mine") == [True] * 8

    memory.delete_user("mine")
    assert shown(memory, "mine") == [False] * 8


def test_what_others_have_written_is_shown_ten_seconds_later_at_most(url: str, standby: Standby) -> None:
    """Though the replica shows nothing of it then, either."""
    with SessionManager(url) as elsewhere, SessionManager(url, replica=standby.of(url)) as memory:
        elsewhere.add_memory("before", said("hello"))
        come_true(lambda: len(memory.list_sessions()) == 1)
        standby.catch_up()
        memory.list_sessions()
        standby.pause()
        elsewhere.add_memory("after", said("hello"))

        time.sleep(standing.LATEST)

        assert len(memory.list_sessions()) == 2


def test_a_replica_that_is_away_is_done_without_and_asked_again_when_it_is_back(
    opened: Open, url: str, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line in the log, and no call that fails."""
    with Proxy.to(standby.url) as here, caplog.at_level(logging.INFO, "zep_memory_plugin"):
        memory = opened(here.url_for(standby.of(url)))
        come_true(lambda: memory.list_sessions() == [] and here.round_trips > 0)
        here.go_away()
        for _ in range(20):
            assert memory.list_sessions() == []
            assert memory.search_memory("saffron") == []
        here.reset()
        here.come_back()

        come_true(lambda: memory.list_sessions() == [] and here.round_trips > 0)

    lines = [record.getMessage() for record in caplog.records if record.name == standing.__name__]
    assert len(lines) == 2
    assert lines[0].startswith("the primary answers for the replica until that is back: the database ")
    assert lines[1] == "the replica answers again"


def test_a_lent_transaction_is_read_when_it_is_committed(url: str, standby: Standby) -> None:
    """And before, in the block, as it stands there."""
    engine = create_engine(through("postgresql+psycopg", url))
    with SessionManager(url, replica=standby.of(url)) as memory:
        memory.list_sessions()
        standby.pause()
        with engine.begin() as connection:
            with memory.using(connection):
                memory.add_memory("mine", said("risotto with saffron"))
                assert len(memory.search_memory("saffron")) == 1
            assert memory.search_memory("saffron") == []
        assert len(memory.search_memory("saffron")) == 1
        assert len(memory.search_memory("saffron", session_id="mine")) == 1
    engine.dispose()


def test_a_manager_of_one_user_has_the_replica_too(opened: Open, url: str, standby: Standby) -> None:
    with SessionManager(url) as elsewhere:
        for user in ("alice", "bob"):
            elsewhere.add_memory(f"of {user}", said("risotto with saffron"), user_id=user)
    standby.catch_up()
    with Proxy.to(standby.url) as here:
        memory = opened(here.url_for(standby.of(url)))
        alice = memory.of(lambda manager: manager.as_user("alice"))

        assert [found.session_id for found in alice.search_memory("saffron")] == ["of alice"]
        assert [session.session_id for session in alice.list_sessions()] == ["of alice"]

        assert here.round_trips > 0


@pytest.mark.parametrize("order", ["added", "active"])
def test_a_listing_that_goes_from_one_to_the_other_has_everything_once(url: str, standby: Standby, order: str) -> None:
    """Beside writers whose transactions overlap, while the replica stops and goes on."""
    names = [f"s{number:03}" for number in range(240)]
    over = threading.Event()

    def add(manager: SessionManager, part: list[str]) -> None:
        for name in part:
            manager.add_memory(name, said("hello"))

    def disturb() -> None:
        while not over.wait(0.05):
            standby.pause()
            over.wait(0.15)
            standby.resume()

    def walked(manager: SessionManager) -> list[str]:
        page = manager.list_sessions(7, order="active")
        found = [*page]
        while page and (page := manager.list_sessions(7, page[-1].activity_cursor, order="active")):
            found += page
        return [session.session_id for session in found]

    with (
        SessionManager(url) as elsewhere,
        SessionManager(url, replica=standby.of(url)) as memory,
        ThreadPoolExecutor(7) as threads,
    ):
        disturbing = threads.submit(disturb)
        writing = [threads.submit(add, elsewhere, names[part::5]) for part in range(5)]
        seen: list[str] = []
        cursor = None
        try:
            while not all(writer.done() for writer in writing):
                if order == "active":
                    found = walked(memory)
                    assert len(found) == len(set(found))
                elif page := memory.list_sessions(7, cursor):
                    seen += [session.session_id for session in page]
                    cursor = page[-1].id
            for writer in writing:
                writer.result()
        finally:
            over.set()
            disturbing.result()
        memory.add_memory("last", said("hello"))
        if order == "active":
            assert sorted(walked(memory)) == ["last", *names]
            return
        while page := memory.list_sessions(7, cursor):
            seen += [session.session_id for session in page]
            cursor = page[-1].id

        assert sorted(seen) == ["last", *names]


def test_a_standby_that_was_promoted_is_no_replica_any_more(primary: Cluster, url: str) -> None:
    """What is written to it goes another way, and is not shown."""
    follower = Standby(primary)
    follower.start()
    try:
        with SessionManager(url, replica=follower.of(url)) as memory:
            assert memory.list_sessions() == []
            follower.promote()
            with SessionManager(follower.of(url)) as apart:
                apart.add_memory("apart", said("risotto with saffron"))
            time.sleep(standing.LATEST)

            assert memory.search_memory("saffron") == []
            assert memory.list_sessions() == []
    finally:
        follower.stop()


def test_a_primary_as_its_own_replica_answers_itself(url: str) -> None:
    with SessionManager(url, replica=url) as memory:
        memory.add_user(User(user_id="alice"))

        assert [user.user_id for user in memory.list_users()] == ["alice"]


def test_calls_at_once_in_both_colours_read_what_each_has_written(url: str, standby: Standby) -> None:
    async def talk(memory: SessionManager, name: str) -> None:
        for turn in range(8):
            await memory.aadd_memory(name, said(f"saffron {turn}"), user_id=name)
            assert len(await memory.asearch_memory("saffron", user_id=name, limit=None)) == turn + 1
            assert [each.session_id for each in await memory.aget_user_sessions(name)] == [name]

    async def main(memory: SessionManager) -> None:
        blocking = [asyncio.to_thread(asyncio.run, talk(memory, f"blocking {number}")) for number in range(2)]
        await asyncio.gather(*(talk(memory, f"awaiting {number}") for number in range(6)), *blocking)

    asyncpg = through("postgresql+asyncpg", url)
    with SessionManager(asyncpg, replica=through("postgresql", standby.of(url))) as memory:
        asyncio.run(main(memory))


@pytest.mark.parametrize(("database", "replica"), [("sqlite://", "sqlite:///a.db"), ("sqlite://", "postgresql://h/d")])
def test_sqlite_has_no_replicas(database: str, replica: str) -> None:
    with pytest.raises(InvalidInput, match="replica is for a database on a server"):
        SessionManager(database, replica=replica)
