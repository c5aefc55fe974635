"""An application that changes its embedder: what is stored is embedded anew, and until then a search says so."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.messages import said
from zep_memory_plugin import InvalidInput, Message, SearchResult, SessionManager

TOPICS = (("lynx", "cat", "tiger"), ("sea", "river", "rain"), ("bread", "cake", "soup"))
"""Words that mean about the same stand together."""

Embed = Callable[[list[str]], list[list[float]]]


def model(*more: float, topics: tuple[tuple[str, ...], ...] = TOPICS) -> Embed:
    """Return a model that counts the words of each topic, with some *more* dimensions."""
    return lambda texts: [
        [sum(word in text for word in topic) + 0.01 for topic in topics] + list(more) for text in texts
    ]


OLD, NEW, TURNED = model(), model(0.02), model(topics=TOPICS[::-1])
"""Models of three dimensions, of four, and of three that mean other things."""


@pytest.fixture
def pgvector_url(postgres_url: str) -> str:
    """Return the URL of an empty database with the extension."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    return postgres_url


@pytest.fixture(params=["sqlite_url", "shared_postgres_url", "pgvector_url"], ids=["sqlite", "postgres", "pgvector"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database with two sessions, as the old model understood them."""
    url = str(request.getfixturevalue(request.param))
    with opened(url, OLD) as manager:
        manager.add_memory("pets", said("a lynx", "!", "by the river"), user_id="u")
        manager.add_memory("food", said(*["bread"] * 120), user_id="u")
    return url


@contextmanager
def opened(url: str, embedder: Embed) -> Iterator[SessionManager]:
    with SessionManager(url, embedder=embedder, background=False) as manager:
        yield manager


def contents(results: list[SearchResult]) -> list[str]:
    return [result.message.content for result in results if result.message]


def nearest(manager: SessionManager, text: str, session_id: str | None = None) -> list[str]:
    return contents(manager.search_memory(text, mode="semantic", session_id=session_id, limit=1))


@pytest.mark.parametrize("scope", [{"session_id": "pets"}, {"user_id": "u"}, {}], ids=["session", "user", "everything"])
def test_a_search_that_could_find_nothing_says_what_to_do(url: str, scope: dict[str, str]) -> None:
    with (
        opened(url, NEW) as manager,
        pytest.raises(InvalidInput, match=r"4 dimensions, .* stored has 3; rebuild_search\(embeddings=True\)"),
    ):
        manager.search_memory("tiger", mode="semantic", **scope)


def test_a_search_that_finds_a_part_logs_that_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with opened(url, NEW) as manager, caplog.at_level(logging.WARNING):
        manager.add_memory("new", said("a tiger"))

        for _ in range(2):
            assert contents(manager.search_memory("cat", mode="semantic")) == ["a tiger"]
            assert "by the river" in contents(manager.search_memory("river", mode="hybrid"))

    assert [record.message.count("rebuild_search(embeddings=True)") for record in caplog.records] == [1]


def test_a_session_is_embedded_anew_with_the_next_write_to_it(url: str) -> None:
    """All of it, however the writer came to know how many dimensions its embedder has."""
    with opened(url, NEW) as manager:
        manager.add_memory("food", said("a cake"))

        assert len(manager.search_memory("soup", mode="semantic", session_id="food", limit=None)) == 121
        with pytest.raises(InvalidInput):
            nearest(manager, "tiger", "pets")
        manager.add_memory("pets", said(""))
        assert nearest(manager, "tiger", "pets") == ["a lynx"]


def test_a_session_is_looked_through_once(url: str) -> None:
    asked: list[int] = []

    def counting(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        return NEW(texts)

    with opened(url, counting) as manager:
        for word in ("one", "two"):
            manager.add_memory("food", said(word))

    assert asked == [1, 100, 20, 1]


def test_everything_is_embedded_anew_on_request(url: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[int, int]] = []

    with opened(url, NEW) as manager, caplog.at_level(logging.WARNING):
        done = manager.rebuild_search(lambda done, total: told.append((done, total)), embeddings=True)

        assert nearest(manager, "tiger") == ["a lynx"]
        assert nearest(manager, "soup", "food") == ["bread"]
    assert done == 123
    assert told[-2:] == [(223, 246), (246, 246)]
    assert told == sorted(told)
    assert caplog.text == ""


def test_a_model_of_as_many_dimensions_is_changed_to_on_request(url: str) -> None:
    with opened(url, TURNED) as manager:
        assert nearest(manager, "tiger") == ["bread"]

        manager.rebuild_search(embeddings=True)

        assert nearest(manager, "tiger") == ["a lynx"]


def test_async_callers_are_served_alike(sqlite_url: str) -> None:
    async def change() -> list[SearchResult]:
        async with SessionManager(sqlite_url, embedder=NEW, background=False) as manager:
            with pytest.raises(InvalidInput):
                await manager.asearch_memory("tiger", mode="semantic")
            await manager.arebuild_search(embeddings=True)
            return await manager.asearch_memory("tiger", mode="semantic", limit=1)

    with opened(sqlite_url, OLD) as manager:
        manager.add_memory("pets", said("a lynx", "by the river"))

    assert contents(asyncio.run(change())) == ["a lynx"]


def test_a_text_that_points_nowhere_is_no_other_model(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whether it is all that there is, or not."""
    with opened(sqlite_url, lambda texts: [[0.0] if "!" in text else [1.0] for text in texts]) as manager:
        manager.add_memory("s", said("!"))
        caplog.clear()

        assert manager.search_memory("tiger", mode="semantic") == []
        manager.add_memory("s", said("a cat"))
        assert nearest(manager, "tiger") == ["a cat"]

    assert "dimensions" not in caplog.text


def test_there_is_nothing_to_embed_with(sqlite_url: str) -> None:
    with (
        SessionManager(sqlite_url) as manager,
        pytest.raises(InvalidInput, match="embeddings is True; give SessionManager an embedder"),
    ):
        manager.rebuild_search(embeddings=True)


def test_what_is_deleted_has_no_say(sqlite_url: str) -> None:
    with opened(sqlite_url, OLD) as manager:
        manager.add_memory("s", [Message(role="user", content="a cat")])
        manager.delete_session("s")

    with opened(sqlite_url, NEW) as manager:
        assert manager.search_memory("tiger", mode="semantic") == []
