"""What a search shows of each result: the words that it was found by, a part of a long text, and why it is there."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from zep_memory_plugin import Explanation, InvalidInput, Message, SearchResult, SessionManager, SessionResult, Summary
from zep_memory_plugin.terms.cutting import query_terms
from zep_memory_plugin.terms.hits import Hits


def said(*texts: str, role: str = "user") -> list[Message]:
    return [Message(role=role, content=text) for text in texts]


def marked(result: SearchResult) -> list[str]:
    return [result.content[start:end] for start, end in result.highlights]


@pytest.mark.parametrize(
    ("text", "query", "words"),
    [
        ("Flights, flying, a flight", "flight", ["Flights", "flight"]),
        ("the cat and the hat", "the cat", ["cat"]),
        ("Ein Café in Köln", "cafe koln", ["Café", "Köln"]),
        ("The dog's bone; 'dogs' bark", "dog", ["dog's", "dogs"]),
        ("It\u2019s the dog\u2019s bone, naïve", "dog naive", ["dog\u2019s", "naïve"]),
        ("明日東京都へ行く", "東京都", ["東京都"]),
        ("nothing of it", "zebra", []),
        ("a.*b (c", "(c", ["c"]),
        ("", "c", []),
    ],
)
def test_highlights_are_the_words_that_a_search_goes_by(text: str, query: str, words: list[str]) -> None:
    spans = Hits(query_terms(query)).spans(text)

    assert [text[start:end] for start, end in spans] == words


def test_a_result_says_where_it_has_the_words(database_url: str) -> None:
    """An answer that only stands beside them has none."""
    with SessionManager(database_url) as manager:
        manager.add_memory("s", said("Where do the flights to Faro go from?", "From gate nine."))

        question, answer = manager.search_memory("flight to faro", session_id="s")

    assert (marked(question), marked(answer)) == (["flights", "Faro"], [])


def test_summaries_and_newest_messages_are_highlighted_alike(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("s", said("hello"))
        manager.add_summary("s", Summary(content="They talked of flights.", seq=1))

        (summary,) = manager.search_memory("flight", scope="summary")
        (newest,) = manager.search_memory("role:user")

    assert (marked(summary), summary.snippet) == (["flights"], "They talked of flights.")
    assert newest.highlights == []


def test_a_snippet_of_a_long_message_is_where_most_of_the_words_are(sqlite_url: str) -> None:
    long = (
        "A flight once. " + "Nothing of it here. " * 100 + "The flight to Faro leaves at noon. " + "Nor there. " * 100
    )
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("s", said(long, "A short flight"))

        results = manager.search_memory("flight faro", session_id="s")

    of_long = next(result.snippet for result in results if len(result.content) > 1_000)
    assert "The flight to Faro leaves at noon." in of_long
    assert (of_long[:2], of_long[-2:]) == ("… ", " …")
    assert len(of_long) < 320
    assert "A short flight" in [result.snippet for result in results]


def test_an_explanation_adds_up_to_the_score(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        manager.add_memory("s", said("Did the ferries to Faro run?", "No, the sea was rough.", "The ferry, the ferry!"))

        results = manager.search_memory("ferries to faro", session_id="s", explain=True)

    first, *_ = results
    assert isinstance(first.explanation, Explanation)
    assert first.explanation.said == {"ferries": 1, "faro": 1}
    answer = next(each.explanation for each in results if each.message and each.message.seq == 2)
    assert answer
    assert (answer.said, set(answer.heard)) == ({}, {"ferries", "faro"})
    for result in results:
        assert result.explanation
        assert sum(result.explanation.by_word.values()) == pytest.approx(result.score)


def test_an_explanation_says_what_is_due_to_who_speaks(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        manager.add_memory("s", [Message(role="user", name="Ann", content="tea, always tea")])
        manager.add_memory("s", [Message(role="assistant", name="Ben", content="Tea for Ann")])

        results = manager.search_memory("my tea with Ann", session_id="s", explain=True)

    of_ann, of_ben = (each.explanation for each in results)
    assert of_ann
    assert of_ben
    assert (of_ann.said, of_ben.said) == ({"tea": 2}, {"tea": 1, "ann": 1})
    assert of_ann.by_speaker > 0
    assert of_ben.by_speaker == 0
    assert sum(of_ann.by_word.values()) + of_ann.by_speaker == pytest.approx(results[0].score)


def test_an_explanation_names_dates_and_meaning(sqlite_url: str) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[float("sea" in text), 1.0] for text in texts]

    with SessionManager(sqlite_url, embedder=embed, background=False) as manager:
        (stored,) = manager.add_memory("s", said("the sea"))
        assert stored.created_at
        query = f"the sea in {stored.created_at.year}"

        (lexical,) = manager.search_memory(query, session_id="s", explain=True)
        (hybrid,) = manager.search_memory("sea", session_id="s", mode="hybrid", explain=True)
        (plain,) = manager.search_memory("sea", session_id="s")

    assert lexical.explanation
    assert list(lexical.explanation.by_date) == [f"year {stored.created_at.year}"]
    assert hybrid.explanation
    assert hybrid.explanation.by_meaning is not None
    assert plain.explanation is None


PEOPLE = [
    Message(role="user", content="We took the old ferry to the harbour."),
    Message(role="assistant", content="The harbour of Faro, or another?"),
    Message(role="user", content="Another; the ferry old as it was, got there in a storm."),
    Message(role="assistant", content="Storms pass by the harbours."),
]


@pytest.mark.parametrize(
    ("text", "seqs"),
    [
        ('"old ferry"', [1]),
        ("harbour “old ferry”", [1]),
        ('"ferry old"', [3]),
        ("harbour -storm", [1, 2]),
        ("harbour role:assistant", [2, 4]),
        ("harbour -storm role:assistant", [2]),
        ("role:assistant", [2, 4]),
        ("-harbour", [3]),
        ('"no such words" ferry', [1, 2, 3, 4]),
        ('"ferry"', [1, 2, 3, 4]),
        ("harbour role:nobody -", [1, 2, 3, 4]),
    ],
)
@pytest.mark.parametrize("scope", [{"session_id": "s"}, {"user_id": "u"}, {}], ids=["session", "user", "everything"])
def test_operators_decide_which_messages_are_results(
    database_url: str, scope: dict[str, str], text: str, seqs: list[int]
) -> None:
    with SessionManager(database_url) as manager:
        manager.add_memory("s", PEOPLE, user_id="u")

        found = manager.search_memory(text, session_id=scope.get("session_id"), user_id=scope.get("user_id"))

    assert sorted(result.message.seq or 0 for result in found if result.message) == seqs


@pytest.fixture
def talks(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        much = said("the lynx sleeps", "the lynx eats", "the lynx hunts", "a lynx again")
        manager.add_memory("much", much, user_id="u")
        once = said("I saw a lynx", "and then we had a long lunch", "of soup", "and bread")
        manager.add_memory("once", once, user_id="u")
        manager.add_memory("none", said("lunch"), user_id="u")
        manager.add_memory("theirs", said("a lynx of someone else"), user_id="other")
        manager.add_memory("gone", said("the lynx was here"), user_id="u")
        manager.delete_session("gone")
        yield manager


def test_sessions_are_ranked_by_their_best_turns(talks: SessionManager) -> None:
    found = talks.search_sessions("lynx", user_id="u", turns=2)

    assert [each.session.session_id for each in found] == ["much", "once"]
    assert [marked(each.results[0]) for each in found] == [["lynx"], ["lynx"]]
    assert [len(each.results) for each in found] == [2, 2]
    assert found[0].score > found[1].score > 0
    assert [each.session.session_id for each in talks.search_sessions("lynx", limit=1)] == ["much"]


def test_the_async_twin_finds_the_same_sessions(talks: SessionManager) -> None:
    async def search() -> list[SessionResult]:
        found = await talks.asearch_sessions("lynx", user_id="u")
        await talks.aclose()
        return found

    assert talks.search_sessions("lynx", user_id="u") == asyncio.run(search())


def test_a_search_of_sessions_sends_as_many_statements_for_one_as_for_many(talks: SessionManager) -> None:
    for number in range(30):
        talks.add_memory(f"more {number}", said("a lynx and a hare"), user_id="u")
    sent: list[str] = []

    def remember(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        one = len([talks.search_sessions("lynx", user_id="u", limit=1), *sent])
        sent.clear()
        many = len([talks.search_sessions("lynx", user_id="u", limit=30), *sent])
    finally:
        event.remove(Engine, "before_cursor_execute", remember)

    assert one == many > 3


def test_sessions_are_found_behind_one_that_says_it_all_the_time(database_url: str) -> None:
    """A first look at the most promising messages would see that one alone."""
    with SessionManager(database_url) as manager:
        manager.add_memory("quiet", said("a lynx, " + "and much else " * 30))
        manager.add_memory("loud", said(*["lynx lynx"] * 400))

        found = manager.search_sessions("lynx", limit=2, turns=1)

    assert [each.session.session_id for each in found] == ["loud", "quiet"]


@pytest.mark.parametrize("options", [{"limit": -1}, {"turns": -1}, {"mode": "magic"}])
def test_a_search_of_sessions_refuses_what_cannot_be_asked(sqlite_url: str, options: dict[str, object]) -> None:
    with SessionManager(sqlite_url) as manager:
        with pytest.raises(InvalidInput):
            manager.search_sessions("lynx", **options)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            manager.search_sessions("")
