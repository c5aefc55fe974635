"""Ctrl-C at any moment of a blocking call: nothing stays locked, nothing is torn, and the manager works."""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine

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
