"""A listing by cursor sees every session and user, also where an id appears after a larger one."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, event

from zep_memory_plugin import Message, Session, SessionManager, User

DRAW = {
    "sessions": "INSERT INTO zep_sessions"
    " (session_id, uuid, created_at, updated_at, last_active_at, active_hour, last_seq, revision)"
    " VALUES ('early', gen_random_uuid(), now(), now(), now(), 0, 0, 0)",
    "users": "INSERT INTO zep_users (user_id, uuid, created_at, updated_at)"
    " VALUES ('early', gen_random_uuid(), now(), now())",
}
PATIENCE = 90  # seconds until a test gives up


@contextmanager
def drawn(url: str, what: str) -> Iterator[psycopg.Connection[Any]]:
    """Insert "early", whose id is drawn by now, in a transaction that is under way in the block."""
    with psycopg.connect(url) as connection:
        connection.execute(DRAW[what])
        yield connection


def looks_for_writers(engine: Engine) -> threading.Event:
    """Return what is set when a listing has asked who is writing."""
    asked = threading.Event()

    def remember(_: object, __: object, statement: str, *___: object) -> None:
        if "pg_locks" in statement:
            asked.set()

    event.listen(engine, "after_cursor_execute", remember)
    return asked


def add(manager: SessionManager, what: str, name: str) -> None:
    if what == "sessions":
        manager.add_session(Session(session_id=name))
    else:
        manager.add_user(User(user_id=name))


@pytest.mark.parametrize("colour", ["blocking", "awaited"])
@pytest.mark.parametrize("what", ["sessions", "users"])
def test_what_is_committed_late_is_listed_in_its_turn(what: str, colour: str, postgres_url: str) -> None:
    """The listing waits for the writer that has drawn a smaller id than the last one there is."""
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(engine) as manager, ThreadPoolExecutor(1) as pool:
        manager.list_sessions()
        asked = looks_for_writers(engine)
        blocking: Callable[[], list[Any]] = manager.list_sessions if what == "sessions" else manager.list_users
        awaited = manager.alist_sessions if what == "sessions" else manager.alist_users
        with drawn(postgres_url, what) as early:
            add(manager, what, "late")
            listing = pool.submit(blocking if colour == "blocking" else lambda: asyncio.run(awaited()))
            assert asked.wait(PATIENCE)
            early.commit()
            listed = listing.result(PATIENCE)
    engine.dispose()

    assert [getattr(one, f"{what[:-1]}_id") for one in listed] == ["early", "late"]


def test_a_poller_beside_writers_misses_nothing(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        manager.list_sessions()

        def write(name: str) -> None:
            for number in range(40):
                manager.add_memory(f"{name}-{number}", [Message(role="user", content="x")])

        writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for writer in writers:
            writer.start()
        seen: list[str] = []
        cursor, last_round = 0, False
        while not last_round:
            last_round = not any(writer.is_alive() for writer in writers)
            for session in manager.list_sessions(100, cursor):
                seen.append(session.session_id)
                cursor = session.id or cursor

    assert sorted(seen) == sorted(f"{name}-{number}" for name in "abcd" for number in range(40))


def test_a_page_that_was_settled_is_asked_for_once(postgres_url: str) -> None:
    """Only what is newer than all pages before is looked at again."""
    with SessionManager(postgres_url) as manager:
        for name in "ab":
            manager.add_session(Session(session_id=name))
        manager.list_sessions()
        with drawn(postgres_url, "sessions"):
            assert [session.session_id for session in manager.list_sessions()] == ["a", "b"]
