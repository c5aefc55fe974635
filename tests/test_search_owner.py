"""Whose text a search shows: with a user that of their sessions, in a session that they name also of one of nobody."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.support.tables import Tables
from zep_memory_plugin import Message, SearchResult, SessionManager, SessionOwnedByAnotherUser, Summary

LONG = 5_100
"""Messages of a session that is too long to be read as a whole."""

WORDS = [f"lynx {number} sleeps" for number in range(6)]

SEARCHES: dict[str, dict[str, Any]] = {
    "by words": {"text": "lynx"},
    "by words, with neighbours": {"text": "lynx", "context": 2},
    "by words, diversified": {"text": "lynx", "mmr_lambda": 0.5},
    "by meaning": {"text": "lynx", "mode": "semantic"},
    "by both": {"text": "lynx", "mode": "hybrid"},
    "by a filter": {"text": "", "metadata": {"kind": "old"}},
    "summaries": {"text": "lynx", "scope": "summary"},
    "summaries by a filter": {"text": "", "metadata": {"kind": "old"}, "scope": "summary"},
}


def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, float("lynx" in text)] for text in texts]


def said(*contents: str) -> list[Message]:
    return [Message(role="user", content=content, metadata={"kind": "old"}) for content in contents]


def fill(manager: SessionManager, session_id: str, user_id: str | None, new: list[Message]) -> None:
    manager.add_memory(session_id, new, user_id=user_id)
    manager.add_summary(session_id, Summary(content="on a lynx", metadata={"kind": "old"}))


def texts(results: list[SearchResult]) -> list[str]:
    """Return every text that *results* show."""
    messages = [each for result in results for each in (result.message, *result.neighbours) if each]
    return [each.content for each in (*messages, *(result.summary for result in results if result.summary))]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"sqlite": "sqlite_url", "postgres": "postgres_url"}[request.param]))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("search", SEARCHES)
def test_a_user_searches_a_session_of_theirs_or_of_nobody(engine: Engine, search: str) -> None:
    """A session of another user is refused; without a session only the user's own are searched."""
    with SessionManager(engine, embedder=embed, background=False) as manager:
        for session_id, owner in (("anns", "ann"), ("bobs", "bob"), ("free", None)):
            fill(manager, session_id, owner, said(*WORDS))

        def sessions(**scope: str) -> set[str]:
            return {each.session_id for each in manager.search_memory(**SEARCHES[search], limit=None, **scope)}

        assert sessions(session_id="anns", user_id="ann") == {"anns"}
        assert sessions(session_id="free", user_id="ann") == {"free"}
        assert sessions(session_id="bobs") == {"bobs"}
        assert sessions(user_id="ann") == {"anns"}
        assert sessions() == {"anns", "bobs", "free"}
        with pytest.raises(SessionOwnedByAnotherUser):
            sessions(session_id="bobs", user_id="ann")


def test_a_user_searches_a_long_session_of_theirs_or_of_nobody(engine: Engine) -> None:
    """Also where the index is asked, as the session is too long to be read."""
    long = said(*(f"message {number}" for number in range(LONG)), "about a lynx")
    with SessionManager(engine) as manager:
        for session_id, owner in (("anns", "ann"), ("bobs", "bob"), ("free", None)):
            manager.add_memory(session_id, long, user_id=owner)

        counts = {
            session_id: len(manager.search_memory("lynx", session_id=session_id, user_id="ann", limit=1))
            for session_id in ("anns", "free")
        }
        with pytest.raises(SessionOwnedByAnotherUser):
            manager.search_memory("lynx", session_id="bobs", user_id="ann", limit=1)

    assert counts == {"anns": 1, "free": 1}


@pytest.mark.parametrize("scope", [{"session_id": "s", "user_id": "ann"}, {"user_id": "ann"}], ids=["session", "user"])
@pytest.mark.parametrize("search", SEARCHES)
def test_a_session_that_changes_hands_between_two_statements_shows_nothing(
    engine: Engine, url: str, search: str, scope: dict[str, Any]
) -> None:
    """Before each statement in turn the session becomes another user's, who says something new in it."""
    with SessionManager(engine, embedder=embed, background=False) as manager, Tables(url) as tables:
        fill(manager, "s", "ann", said(*WORDS))
        shown = [
            texts(search_while(engine, tables, statement, lambda: manager.search_memory(**SEARCHES[search], **scope)))
            for statement in range(statements_of(engine, lambda: manager.search_memory(**SEARCHES[search], **scope)))
        ]

    assert len(shown) >= 1
    assert [text for each in shown for text in each if "bob" in text] == []


def statements_of(engine: Engine, search: Callable[[], list[SearchResult]]) -> int:
    """Count the statements of *search*, which finds something."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    assert search()
    event.remove(engine, "before_cursor_execute", note)
    return len(sent)


def search_while(
    engine: Engine, tables: Tables, statement: int, search: Callable[[], list[SearchResult]]
) -> list[SearchResult]:
    """Search while the session is given to Bob just before one statement, and give it back afterwards."""
    left = iter(range(statement, -1, -1))

    def hand_over(*_: object) -> None:
        if next(left, None) == 0:
            give_to(tables, "bob")

    event.listen(engine, "before_cursor_execute", hand_over)
    results: list[SearchResult] = []
    with suppress(SessionOwnedByAnotherUser):
        results = search()
    event.remove(engine, "before_cursor_execute", hand_over)
    give_to(tables, "ann")
    return results


def give_to(tables: Tables, user_id: str) -> None:
    """Make the session a user's, and all that is in it."""
    tables.run(f"UPDATE zep_sessions SET user_id = '{user_id}'")
    for table in ("zep_messages", "zep_summaries"):
        tables.run(f"UPDATE {table} SET content = '{user_id} on a lynx'")
