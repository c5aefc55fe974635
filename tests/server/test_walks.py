"""Listings by clients that take a cursor for an offset, as Zep's own do, and by those that send ids."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from zep_memory_plugin import SessionManager, User
from zep_memory_plugin.models import Session
from zep_memory_plugin.server.walks import MOST_STEPS, Walks

Walk = Callable[[TestClient, str, int], Iterator[list[dict]]]


def counting(server: TestClient, path: str, size: int) -> Iterator[list[dict]]:
    """Walk as Zep's clients do: no cursor, the size, twice the size … until an empty page."""
    cursor: int | None = None
    while chunk := server.get(path, params={"limit": size} | ({} if cursor is None else {"cursor": cursor})).json():
        yield chunk
        cursor = (cursor or 0) + size


def by_ids(server: TestClient, path: str, size: int) -> Iterator[list[dict]]:
    """Walk by the id of the last row."""
    cursor = 0
    while chunk := server.get(path, params={"limit": size, "cursor": cursor}).json():
        yield chunk
        cursor = chunk[-1]["id"]


WALKS: list[Walk] = [counting, by_ids]


@pytest.fixture
def sessions(manager: SessionManager) -> list[str]:
    """Return the ids of 23 live sessions, between which 18 deleted ones left gaps in the listing."""
    for number in range(41):
        manager.add_session(Session(session_id=f"s{number}"))
    for number in [*range(2, 14), 20, 21, 22, 30, 38, 40]:
        manager.delete_session(f"s{number}")
    return [session.session_id for session in manager.list_sessions()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 23, 40, 100])
@pytest.mark.parametrize("walk", WALKS)
def test_every_session_comes_exactly_once(server: TestClient, sessions: list[str], walk: Walk, size: int) -> None:
    chunks = list(walk(server, "/sessions", size))

    assert [session["session_id"] for chunk in chunks for session in chunk] == sessions
    assert all(len(chunk) <= size for chunk in chunks)


@pytest.mark.parametrize("walk", WALKS)
def test_deleting_on_the_way_skips_and_repeats_no_others(
    server: TestClient, manager: SessionManager, sessions: list[str], walk: Walk
) -> None:
    listed = []
    for chunk in walk(server, "/sessions", 4):
        listed += [session["session_id"] for session in chunk]
        manager.delete_session(chunk[0]["session_id"])

    assert listed == sessions


def test_two_who_count_at_once_each_see_every_session_once(server: TestClient, sessions: list[str]) -> None:
    walks = [counting(server, "/sessions", 4) for _ in range(2)]
    listed: list[list[str]] = [[], []]
    for chunks in zip(*walks, strict=True):
        for names, chunk in zip(listed, chunks, strict=True):
            names += [session["session_id"] for session in chunk]

    assert listed == [sessions, sessions]


def test_users_come_exactly_once_too(server: TestClient, manager: SessionManager) -> None:
    for number in range(12):
        manager.add_user(User(user_id=f"u{number}"))
    for number in (1, 2, 3, 4, 8):
        manager.delete_user(f"u{number}")

    listed = [user["user_id"] for chunk in counting(server, "/user", 3) for user in chunk]

    assert listed == ["u0", "u5", "u6", "u7", "u9", "u10", "u11"]


def test_a_walk_that_is_not_remembered_sees_some_again_and_misses_none() -> None:
    walks = Walks()
    walks.remember("a", "sessions", 2, 0, 5)

    assert walks.resumed("b", "sessions", 2, 2) == 2


def test_who_counted_before_may_send_ids_now(server: TestClient, manager: SessionManager) -> None:
    for number in range(24):
        manager.add_session(Session(session_id=f"s{number}"))
    for number in range(4, 8):
        manager.delete_session(f"s{number}")  # so that the first page of 4 is followed by one that ends with a multiple
    listed = [[row["session_id"] for chunk in walk(server, "/sessions", 4) for row in chunk] for walk in WALKS * 2]

    assert listed == [[session.session_id for session in manager.list_sessions()]] * 4


def test_what_was_asked_long_ago_is_forgotten() -> None:
    walks = Walks()
    for cursor in range(MOST_STEPS):
        walks.remember("a", "sessions", 2, cursor, cursor + 5)

    assert walks.resumed("a", "sessions", 2, 2) == 2
    assert walks.resumed("a", "sessions", 2, MOST_STEPS) == MOST_STEPS + 3
