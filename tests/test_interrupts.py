"""Ctrl-C at any moment of a blocking call: nothing stays locked, nothing is torn, and the manager works."""

import asyncio
import gc
import logging
import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from types import FrameType
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine

from tests.support import children
from tests.support.interrupts import interrupted_at, moments_of
from tests.support.messages import said
from zep_memory_plugin import SessionManager

SESSION = "session"
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of SQLAlchemy's weakrefs

KINDS = ["file", "memory", "postgres", "engine on a file"]

Call = Callable[[SessionManager], object]

CALLS: dict[str, tuple[int, Call]] = {
    "append": (11, lambda manager: manager.add_memory(SESSION, said("new"))),
    "append to a new session": (199, lambda manager: manager.add_memory(f"new {uuid4()}", said("new"))),
    "replace": (193, lambda manager: manager.replace_memory(SESSION, said("one", "two"))),
    "clear": (157, lambda manager: manager.clear_memory(SESSION)),
    "read": (29, lambda manager: manager.list_messages(SESSION, 5)),
    "search": (601, lambda manager: manager.search_memory("one", session_id=SESSION)),
}
"""Each call, and how many of its moments there are to one that is tried."""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """A database that is locked by one connection at a time, or in parts."""
    if request.param == "memory":
        return "sqlite://"
    return str(request.getfixturevalue("shared_postgres_url" if request.param == "postgres" else "sqlite_url"))


@pytest.fixture
def manager(url: str, request: pytest.FixtureRequest) -> Iterator[SessionManager]:
    """A manager on that database, with a session."""
    given = "engine" in str(request.node.callspec.params["url"])
    engine = create_engine(url) if given else None
    with SessionManager(url if engine is None else engine) as manager:
        manager.add_memory(SESSION, said("first"))
        yield manager
    if engine is not None:
        engine.dispose()


def assert_unlocked(url: str) -> None:
    """See that another connection can write: on Postgres as soon as the server has read that one was closed."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, options="-c lock_timeout=60s") as connection:
            connection.execute("SELECT 1 FROM zep_sessions FOR UPDATE")
    elif url != "sqlite://":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")


@pytest.fixture(autouse=True)
def _quiet_pool() -> Iterator[None]:
    """Keep SQLAlchemy from telling of each connection that an interrupt met on its way back."""
    logger = logging.getLogger("sqlalchemy.pool")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_any_moment_leaves_nothing_locked(manager: SessionManager, url: str, name: str) -> None:
    """While its traceback is kept, as a notebook keeps it; and the next call stores what it says."""
    stride, call = CALLS[name]
    call(manager)
    for moment in range(1, moments_of(lambda: call(manager)), stride):
        kept = interrupted_at(moment, lambda: call(manager))

        assert_unlocked(url)
        (stored,) = manager.add_memory(SESSION, said(f"after {moment}"))
        assert manager.list_messages(SESSION)[-1] == stored
        del kept


def test_what_an_interrupt_loses_is_not_left_open(shared_postgres_url: str) -> None:
    """A driver warns of a connection that the garbage collector finds open."""
    with SessionManager(shared_postgres_url) as manager, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        def read() -> None:
            manager.list_messages(SESSION, 5)

        read()
        for moment in range(1, moments_of(read), 29):
            interrupted_at(moment, read)
            read()
            gc.collect()

    assert [str(warning.message) for warning in warned if warning.category is ResourceWarning] == []


def _sends(frame: FrameType) -> bool:
    """Tell whether a frame is of an event loop's transport that sends."""
    return frame.f_code.co_name == "write" and "asyncio" in frame.f_code.co_filename


def interrupt_sending(url: str) -> None:
    """In a child, as a driver may crash: interrupt awaited calls at each line of what sends for the driver."""
    loop = asyncio.new_event_loop()
    manager = SessionManager(url)
    loop.run_until_complete(manager.aadd_memory(SESSION, said("first")))
    for moment in count(1):
        kept = interrupted_at(moment, lambda: loop.run_until_complete(manager.alist_messages(SESSION)), _sends)
        (stored,) = loop.run_until_complete(manager.alist_messages(SESSION))
        if kept is None:
            children.say([moment, stored.content])
            break
    loop.run_until_complete(manager.aclose())
    loop.close()


def test_an_interrupt_while_a_driver_sends_is_raised(postgres_url: str) -> None:
    """And the next call is answered: asyncpg, by itself, goes on, and crashes at an answer that it does not expect."""
    url = postgres_url.replace("postgresql:", "postgresql+asyncpg:")

    ((moments, content),) = children.told(interrupt_sending, url)

    assert moments > 1
    assert content == "first"


def test_an_interrupted_append_is_whole_or_absent(manager: SessionManager) -> None:
    """And is there when it was acknowledged."""
    acknowledged: set[str] = set()

    def append(name: str) -> None:
        manager.add_memory(SESSION, said(name, name, name))
        acknowledged.add(name)

    append("once")
    moments = range(1, moments_of(lambda: append("again")), 17)
    for moment in moments:
        interrupted_at(moment, lambda moment=moment: append(f"at {moment}"))

    stored = Counter(message.content for message in manager.list_messages(SESSION) if message.content != "first")
    assert set(stored.values()) == {3}
    assert acknowledged <= set(stored) <= {*acknowledged, *(f"at {moment}" for moment in moments)}
    assert len(acknowledged) < len(moments)
