"""Searching by what messages mean, with an embedder of the application."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.embeddings import MockEmbedding

from zep_memory_plugin import InvalidInput, Message, SearchResult, SessionManager, SessionOwnedByAnotherUser
from zep_memory_plugin.core.search.semantic import LEAST_MEANING, MEANING

TOPICS = (("lynx", "cat", "tiger"), ("sea", "river", "rain"), ("bread", "cake", "soup"), ("train", "car", "road"))
"""Words that mean about the same stand together."""


def embed(texts: list[str]) -> list[list[float]]:
    """Count the words of each topic."""
    return [[sum(word in text.lower() for word in topic) + 0.01 for topic in TOPICS] for text in texts]


def said(*contents: str, **fields: Any) -> list[Message]:
    return [Message(role="user", content=content, **fields) for content in contents]


def contents(results: list[SearchResult]) -> list[str]:
    return [result.message.content for result in results if result.message]


@pytest.fixture
def pgvector_url(postgres_url: str) -> str:
    """Return the URL of an empty database with the extension."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    return postgres_url


@pytest.fixture(params=["sqlite_url", "shared_postgres_url", "pgvector_url"], ids=["sqlite", "postgres", "pgvector"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def manager(url: str) -> Iterator[SessionManager]:
    with SessionManager(url, embedder=embed, background=False) as manager:
        yield manager


SCOPES: list[dict[str, Any]] = [{"session_id": "s"}, {"user_id": "u"}, {}]


@pytest.mark.parametrize("scope", SCOPES, ids=["session", "user", "everything"])
def test_a_message_is_found_by_its_meaning(manager: SessionManager, scope: dict[str, Any]) -> None:
    manager.add_memory("s", said("The lynx sleeps", "Rain again", "I baked a cake", "By train"), user_id="u")
    manager.add_memory("other", said("no topic at all"))

    (found,) = manager.search_memory("tiger", mode="semantic", limit=1, **scope)

    assert contents([found]) == ["The lynx sleeps"]
    assert found.score == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("scope", SCOPES, ids=["session", "user", "everything"])
def test_a_hybrid_search_finds_by_words_and_by_meaning(manager: SessionManager, scope: dict[str, Any]) -> None:
    filler = [f"thing{number}" for number in range(20)]
    manager.add_memory("s", said("a cat", *filler, "Xylophone", *filler, "a cat and a xylophone"), user_id="u")

    found = contents(manager.search_memory("tiger xylophone", mode="hybrid", limit=3, **scope))

    assert found[0] == "a cat and a xylophone"
    assert set(found) == {"a cat and a xylophone", "a cat", "Xylophone"}


def test_what_is_deleted_or_anothers_is_not_found_by_meaning(manager: SessionManager) -> None:
    stored = manager.add_memory("s", said("a lynx", "a cat"), user_id="u")
    manager.add_memory("t", said("a tiger"), user_id="v")
    manager.add_memory("gone", said("a lynx"), user_id="u")
    manager.delete_session("gone")
    manager.delete_messages("s", [stored[0].uuid or ""])

    for mode in ("semantic", "hybrid"):
        assert contents(manager.search_memory("lynx", mode=mode, user_id="u")) == ["a cat"]
        assert contents(manager.search_memory("lynx", mode=mode, session_id="s")) == ["a cat"]
        with pytest.raises(SessionOwnedByAnotherUser):
            manager.search_memory("lynx", mode=mode, session_id="t", user_id="u")
        assert set(contents(manager.search_memory("lynx", mode=mode))) == {"a cat", "a tiger"}


def test_new_content_is_embedded_anew_and_a_fork_keeps_its_embeddings(manager: SessionManager) -> None:
    (stored,) = manager.add_memory("s", said("a lynx"))
    manager.fork_session("s", "fork")

    manager.update_message("s", stored.uuid or "", content="a cake")

    assert contents(manager.search_memory("bread", mode="semantic", session_id="s")) == ["a cake"]
    assert contents(manager.search_memory("tiger", mode="semantic", limit=1)) == ["a lynx"]


def test_filters_and_mmr_work_with_meaning(manager: SessionManager) -> None:
    manager.add_memory("s", said("a lynx", "a lynx", "a cat by the river"))
    manager.add_memory("s", said("a tiger", metadata={"wanted": True}))

    filtered = manager.search_memory("cat", mode="semantic", metadata={"wanted": True})
    different = manager.search_memory("cat", mode="semantic", session_id="s", limit=2, mmr_lambda=0.2)

    assert contents(filtered) == ["a tiger"]
    assert contents(different)[1] == "a cat by the river"


def test_a_failing_embedder_costs_no_message_and_is_made_up_for(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What was not embedded is found by its words, and by its meaning after the next write to the session."""
    working = False

    def moody(texts: list[str]) -> list[list[float]]:
        if not working:
            raise RuntimeError("secret words")
        return embed(texts)

    with SessionManager(url, embedder=moody, background=False) as manager, caplog.at_level(logging.WARNING):
        manager.add_memory("s", said("a lynx"))
        manager.add_memory("t", said("a cat"))
        assert contents(manager.search_memory("lynx")) == ["a lynx"]
        working = True
        assert manager.search_memory("tiger", mode="semantic") == []
        assert contents(manager.search_memory("lynx", mode="hybrid")) == ["a lynx"]

        manager.add_memory("s", said("rain"))
        assert contents(manager.search_memory("tiger", mode="semantic", limit=1)) == ["a lynx"]
        manager.rebuild_search()
        assert set(contents(manager.search_memory("tiger", mode="semantic", limit=2))) == {"a lynx", "a cat"}

    assert "embedding session 's' failed: RuntimeError" in caplog.text
    assert "secret words" not in caplog.text


def test_async_callers_and_the_frameworks_embedders_are_served(url: str) -> None:
    async def search(embedder: Any, session_id: str) -> list[SearchResult]:
        async with SessionManager(url, embedder=embedder, background=False) as manager:
            await manager.aadd_memory(session_id, said("a lynx", "a cake"))
            return await manager.asearch_memory("a cake", mode="semantic", session_id=session_id, limit=1)

    assert contents(asyncio.run(search(embed, "function"))) == ["a cake"]
    assert contents(asyncio.run(search(DeterministicFakeEmbedding(size=8), "langchain"))) == ["a cake"]
    assert len(asyncio.run(search(MockEmbedding(embed_dim=3), "llama-index"))) == 1


async def aembed(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return embed(texts)


def test_a_function_that_embeds_may_be_async(url: str) -> None:
    """A blocking caller waits for it, an async one awaits it."""
    with SessionManager(url, embedder=aembed, background=False) as manager:
        manager.add_memory("s", said("a lynx", "a cake"))

        assert contents(manager.search_memory("a cake", mode="semantic", limit=1)) == ["a cake"]
        assert contents(asyncio.run(manager.asearch_memory("a cake", mode="semantic", limit=1))) == ["a cake"]


def test_pgvector_searches_everything_through_its_index(pgvector_url: str) -> None:
    with SessionManager(pgvector_url, embedder=embed, background=False) as manager:
        manager.add_memory("s", said("a lynx", "rain"))
        manager.search_memory("tiger", mode="semantic")

    with psycopg.connect(pgvector_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT session_id FROM zep_message_embeddings WHERE cardinality(embedding) = 4 "
            "ORDER BY embedding::vector(4) <#> '[1,0,0,0]'::vector(4) LIMIT 5"
        ).fetchall()
    assert "Index Scan using ix_zep_message_embeddings_4" in str(plan)


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
def test_a_search_by_meaning_needs_an_embedder(sqlite_url: str, mode: Any) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(InvalidInput, match="give SessionManager an embedder"):
        manager.search_memory("lynx", mode=mode)


def test_what_is_no_embedder_is_refused() -> None:
    with pytest.raises(InvalidInput, match="embedder is of type int"):
        SessionManager("sqlite://", embedder=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, 5, [], ["12"], [None], [[1.0, "x"]]], ids=repr)
def test_an_embedder_that_answers_with_no_vector_is_named(sqlite_url: str, answer: Any) -> None:
    with SessionManager(sqlite_url, embedder=lambda texts: answer) as manager:
        manager.add_memory("s", said("a cat"))
        with pytest.raises(InvalidInput, match="embedder gave"):
            manager.search_memory("cat", mode="semantic")


def test_a_message_that_is_sent_again_means_what_it_says_now(manager: SessionManager) -> None:
    """By its uuid, without metadata, which Postgres writes in one statement."""
    (first,) = manager.add_memory("s", said("a cat"))

    manager.add_memory("s", said("bread", uuid=first.uuid))

    (found,) = manager.search_memory("cake", mode="semantic", limit=1)
    assert contents([found]) == ["bread"]
    assert found.score == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("raises", [False, True], ids=["no direction", "an error"])
@pytest.mark.parametrize("bad", ["first", "last"])
def test_one_message_that_has_no_embedding_keeps_no_other_from_having_one(url: str, bad: str, raises: bool) -> None:
    asked: list[int] = []

    def embed_words(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        if raises and any("!" in text for text in texts):
            raise ValueError
        return [[0.0] * 4 if "!" in text else vector for text, vector in zip(texts, embed(texts), strict=True)]

    texts = ["!", "a cat"] if bad == "first" else ["a cat", "!"]
    with SessionManager(url, embedder=embed_words, background=False) as manager:
        manager.add_memory("s", said(*texts))
        manager.add_memory("s", said("bread"))
        with suppress(ValueError):  # the model's own, for what is left
            manager.rebuild_search()
        asked.clear()
        manager.add_memory("s", said("a car"))

        assert asked == ([2, 1, 1] if raises else [1])
        for text, question in (("a cat", "tiger"), ("bread", "cake"), ("a car", "road")):
            assert contents(manager.search_memory(question, mode="semantic", limit=1)) == [text]


def test_what_is_deleted_hides_nothing_that_lives(manager: SessionManager) -> None:
    """Though all that is nearest is deleted, or kept out by a filter."""
    for number in range(6):
        manager.add_memory(f"gone-{number}", said(*["a cat"] * 100))
        manager.delete_session(f"gone-{number}")
    manager.add_memory("old", said(*["a lynx"] * 300))
    manager.add_memory("new", said("rain, a cat", metadata={"tag": 1}))

    found = manager.search_memory("tiger", mode="semantic", limit=5)
    tagged = manager.search_memory("tiger", mode="semantic", limit=5, metadata={"tag": 1})

    assert contents(found) == ["a lynx"] * 5
    assert contents(tagged) == ["rain, a cat"]


def test_what_an_embedder_had_no_time_for_is_embedded_later(url: str) -> None:
    """It gives up at its fourth message, and a few failures are enough to leave it alone."""
    asked: list[int] = []
    room = 3

    def embed_some(texts: list[str]) -> list[list[float]]:
        nonlocal room
        asked.append(len(texts))
        if len(texts) > room:
            raise TimeoutError
        room -= len(texts)
        return embed(texts)

    with SessionManager(url, embedder=embed_some, background=False) as manager:
        manager.add_memory("s", said(*["a cat"] * 10))
        assert asked == [10, 1, 1, 1, 1, 1, 1]
        room = 1_000
        manager.add_memory("s", said("bread"))

        assert len(manager.search_memory("tiger", mode="semantic", limit=None)) == 11


@pytest.mark.parametrize(
    ("near", "share"), [(("cat", "lynx", "tiger"), 0.75), (("sea", "river", "rain"), 0.25)], ids=["sees", "blind"]
)
def test_a_meaning_counts_as_far_as_it_sees_what_words_find(
    sqlite_url: str, near: tuple[str, ...], share: float
) -> None:
    """An embedder for which the only message with the word is as far as any other is not trusted with the rest."""

    def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] if text in (*near, "cat?") else [0.0, 1.0] for text in texts]

    words = ["cat", "lynx", "tiger", "sea", "river", "rain", *(f"thing{number}" for number in range(24))]
    with SessionManager(sqlite_url, embedder=embed, background=False) as manager:
        manager.add_memory("s", said(*words))

        found = manager.search_memory("cat?", session_id="s", mode="hybrid", explain=True, limit=30)

    (meaning,) = (result.explanation.by_meaning for result in found if result.explanation and near[2] == result.content)
    assert meaning == pytest.approx(MEANING * LEAST_MEANING * share * 3)  # that is, of so many deviations
