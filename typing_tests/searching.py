"""Searches and their options, as a type checker sees them. Checked, never run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_type

from zep_memory_plugin import (
    Explanation,
    JsonScalar,
    RebuildProgress,
    SearchMode,
    SearchOptions,
    SearchRefinements,
    SearchResult,
    SearchScope,
    Session,
    SessionManager,
    SessionResult,
)


def search(manager: SessionManager) -> None:
    mode: SearchMode = "hybrid"
    scope: SearchScope = "summary"
    metadata: Mapping[str, JsonScalar] = {"mood": "glad", "paid": True, "seats": 2, "note": None}

    assert_type(manager.search_memory("Lisbon"), list[SearchResult])
    assert_type(
        manager.search_memory(
            "Lisbon",
            session_id="a",
            user_id="alice",
            metadata=metadata,
            where={"and": [{"jsonpath": '$.mood ? (@ == "glad")'}]},
            start_date=datetime(2024, 1, 1, tzinfo=UTC),
            end_date=datetime.now(UTC),
            scope=scope,
            mode=mode,
            mmr_lambda=0.5,
            limit=None,
            context=2,
            explain=True,
        ),
        list[SearchResult],
    )
    assert_type(manager.search_memory(None, metadata={"mood": "glad"}), list[SearchResult])
    manager.search_memory("Lisbon", mode="magic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manager.search_memory("Lisbon", color="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def show_what_was_found(manager: SessionManager) -> None:
    for result in manager.search_memory("Lisbon", explain=True):
        assert_type(result.highlights, list[tuple[int, int]])
        assert_type(result.snippet, str)
        assert_type(result.explanation, Explanation | None)
    for each in manager.search_sessions("Lisbon", user_id="alice", mode="hybrid", limit=5, turns=2):
        assert_type(each, SessionResult)
        assert_type(each.session, Session)
        assert_type(each.results, list[SearchResult])


def search_with_the_same_options_twice(manager: SessionManager) -> None:
    options: SearchOptions = {"user_id": "alice", "limit": 3}

    assert_type(manager.search_memory("Lisbon", **options), list[SearchResult])
    assert_type(manager.search_memory("Porto", **options), list[SearchResult])


def search_the_same_way_wherever(manager: SessionManager) -> None:
    refinements: SearchRefinements = {"mode": "hybrid", "mmr_lambda": 0.5}

    assert_type(manager.search_memory("Lisbon", user_id="alice", **refinements), list[SearchResult])


def rebuild(manager: SessionManager) -> None:
    def show(done: int, about: int) -> None:
        print(done, about)

    progress: RebuildProgress = show
    assert_type(manager.rebuild_search(progress), int)
    assert_type(manager.rebuild_search(embeddings=True), int)
