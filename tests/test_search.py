"""What `search_memory` finds, in what order, and what it refuses."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zep_memory_plugin import InvalidInput, Message, SearchResult, SessionManager, Summary
from zep_memory_plugin.terms.cutting import terms

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def said(*contents: str, **fields: Any) -> list[Message]:
    return [Message(role="user", content=content, **fields) for content in contents]


def contents(results: list[SearchResult]) -> list[str]:
    return [result.message.content for result in results if result.message]


def test_the_answer_to_a_question_is_found_beside_the_words_of_the_question(manager: SessionManager) -> None:
    """The answer has no word of what is asked, and comes before turns that have nothing to do with it."""
    manager.add_memory(
        "s", said("Nice weather", "Who is your dentist?", "Dr. Miller, in the old town", "Bye", "See you")
    )

    found = manager.search_memory("the dentist's name", session_id="s", limit=2)

    assert contents(found) == ["Who is your dentist?", "Dr. Miller, in the old town"]
    assert found[0].score > 0
    assert found[0].session_id == "s"


def test_words_do_not_reach_across_a_night(manager: SessionManager) -> None:
    manager.add_memory("s", said("The lynx sleeps", created_at=NOON))
    manager.add_memory("s", said("Good morning", created_at=NOON + timedelta(hours=8)))

    assert contents(manager.search_memory("lynx", session_id="s")) == ["The lynx sleeps"]


def test_a_rare_word_counts_more_than_a_common_one(manager: SessionManager) -> None:
    for number in range(20):
        manager.add_memory(f"s{number}", said(f"the garden {number}"))
    manager.add_memory("t", said("a lynx"))

    assert contents(manager.search_memory("garden lynx", limit=1)) == ["a lynx"]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("She bought a car", "what did she buy"),
        ("the children were running", "child run"),
        ("naïve Straße", "naive strasse"),
        ("don't panic", "dont panic"),
        ("Bob\u2019s birthday", "bob"),
    ],
)
def test_forms_of_a_word_are_one_word(manager: SessionManager, text: str, question: str) -> None:
    manager.add_memory("s", said(text))

    assert contents(manager.search_memory(question)) == [text]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("昨日、東京都で猫を飼いました", "東京"),
        ("昨日、東京都で猫を飼いました", "猫"),
        ("我们在上海吃饭", "上海"),
        ("ฉันรักภาษาไทยและเชียงใหม่", "เชียงใหม่"),
        ("안녕하세요 서울에서 왔어요", "서울"),
        ("मैं हिन्दी बोलता हूँ", "हिन्दी"),
        ("مُحَمَّد كتب", "محمد"),
    ],
)
def test_other_scripts_are_found_in_every_scope(manager: SessionManager, text: str, question: str) -> None:
    manager.add_memory("s", said(text), user_id="u")
    manager.add_memory("t", said("something else"))

    for scope in ({"session_id": "s"}, {"user_id": "u"}, {}):
        assert contents(manager.search_memory(question, **scope)) == [text]


def test_who_said_it_is_part_of_what_is_searched(manager: SessionManager) -> None:
    manager.add_memory("s", [Message(role="user", name="Caroline", content="Hello"), *said("Hi")])

    assert contents(manager.search_memory("caroline", limit=1)) == ["Hello"]


def test_a_question_of_stop_words_alone_looks_for_them(manager: SessionManager) -> None:
    manager.add_memory("s", said("to be or not to be"), user_id="u")

    for scope in ({"session_id": "s"}, {"user_id": "u"}, {}):
        assert contents(manager.search_memory("to be or not to be", **scope)) == ["to be or not to be"]


def test_a_date_in_the_question_meets_the_day_of_the_message(manager: SessionManager) -> None:
    for day in range(1, 20):
        manager.add_memory("s", said("we had dinner", created_at=datetime(2023, 12, day, tzinfo=UTC)))

    (found,) = manager.search_memory("dinner on 11 December 2023", session_id="s", limit=1)

    assert found.message
    assert found.message.created_at == datetime(2023, 12, 11, tzinfo=UTC)


HOSTILE = [
    '"',
    "'",
    "a AND",
    "NEAR(a b)",
    "*",
    "a*",
    "terms:",
    ":",
    "(",
    "a - b",
    "{terms}:a",
    "\\",
    "''",
    "'a' & !",
    "👍",
]


@pytest.mark.parametrize("scope", [{"session_id": "s"}, {"user_id": "u"}, {}], ids=["session", "user", "everything"])
def test_whatever_is_typed_is_searched(manager: SessionManager, scope: dict[str, Any]) -> None:
    """Whatever is typed gives results or none, and the index stays whole."""
    manager.add_memory("s", said("the lynx sleeps", *HOSTILE, "x" * 100_000), user_id="u")
    for text in [
        *HOSTILE,
        " \n",
        "\0",
        "\ud800",
        "x" * 100_000,
        "a " * 50_000,
        " ".join(map(str, range(1000))),
        "東" * 50_000,
    ]:
        manager.search_memory(text, **scope)

    @given(st.text(max_size=40))
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    def search(text: str) -> None:
        if text:
            manager.search_memory(text, **scope)

    search()
    assert contents(manager.search_memory("lynx", **scope))[0] == "the lynx sleeps"


def test_a_message_of_many_different_words_is_stored_and_found(manager: SessionManager) -> None:
    """More words than a Postgres tsvector holds are no reason to refuse a message."""
    words = [f"word{number:07d}" for number in range(100_000)]
    manager.add_memory("s", said(" ".join(words), "small talk"))

    found = manager.search_memory(words[0], limit=1)

    assert found[0].message
    assert found[0].message.seq == 1


def test_the_neighbours_of_a_result_are_its_live_neighbours_in_order(manager: SessionManager) -> None:
    stored = manager.add_memory("s", said("one", "two", "three", "the lynx", "five", "six", "seven"))
    manager.delete_messages("s", [stored[2].uuid or "", stored[5].uuid or ""])

    (found,) = manager.search_memory("lynx", session_id="s", limit=1, context=2)

    assert [message.content for message in found.neighbours] == ["one", "two", "five", "seven"]


def test_a_limit_of_none_returns_everything_and_0_nothing(manager: SessionManager) -> None:
    manager.add_memory("s", said(*(f"lynx {number}" for number in range(30))))

    assert len(manager.search_memory("lynx")) == 10
    assert len(manager.search_memory("lynx", limit=None)) == 30
    assert len(manager.search_memory("lynx", limit=None, session_id="s")) == 30
    assert manager.search_memory("lynx", limit=0) == []


def test_both_databases_rank_a_session_alike(sqlite_url: str, postgres_url: str) -> None:
    """The same order and the same scores, to the last digit."""
    words = ["lynx", "garden", "river", "stone", "moon"]
    ranked = []
    for url in (sqlite_url, postgres_url):
        with SessionManager(url) as manager:
            talk = (f"{words[n % 5]} {words[n * 7 % 5]} {words[n * n % 5]}{'?' * (n % 3)}" for n in range(200))
            manager.add_memory("s", said(*talk, created_at=NOON))
            found = manager.search_memory("lynx moon river", session_id="s", limit=50)
            ranked.append([(result.message and result.message.seq, result.score) for result in found])

    assert ranked[0] == ranked[1]


def test_a_session_too_long_to_be_read_is_searched_through_the_index(manager: SessionManager) -> None:
    manager.add_memory("s", said(*(f"filler number {number}" for number in range(5_500))))
    manager.add_memory("s", said("Where is the lynx?", "Behind the barn"))

    found = manager.search_memory("lynx", session_id="s", limit=2)

    assert contents(found) == ["Where is the lynx?", "Behind the barn"]


def test_summaries_are_searched_on_their_own(manager: SessionManager) -> None:
    manager.add_memory("s", said("about a lynx"), user_id="u")
    manager.add_memory("t", said("about a lynx"))
    manager.add_summary("s", Summary(content="They talked of a lynx", metadata={"kind": "short"}))
    manager.add_summary("t", Summary(content="They talked of a lynx and a barn"))

    everywhere = manager.search_memory("a lynx in a barn", scope="summary")
    of_user = manager.search_memory("lynx", scope="summary", user_id="u")
    by_metadata = manager.search_memory(None, scope="summary", metadata={"kind": "short"})

    assert [result.session_id for result in everywhere] == ["t", "s"]
    assert everywhere[0].message is None
    assert everywhere[0].summary
    assert everywhere[0].summary.content == "They talked of a lynx and a barn"
    assert [result.session_id for result in of_user + by_metadata] == ["s", "s"]


@pytest.fixture
def moods(manager: SessionManager) -> SessionManager:
    """Return the manager with messages of different moods, a day apart."""
    for number, mood in enumerate(["glad", "sad", "glad", None]):
        metadata = None if mood is None else {"mood": mood, "n": number, "tags": [mood, "all"], "deep": {"er": number}}
        day = NOON + timedelta(days=number)
        manager.add_memory("s", said(f"lynx {number}", metadata=metadata, created_at=day), user_id="u")
    return manager


GLAD = {"jsonpath": '$.mood ? (@ == "glad")'}
SAD = {"jsonpath": "$[*] ? (@.mood == 'sad')"}


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"metadata": {"mood": "glad"}}, [0, 2]),
        ({"metadata": {"mood": "glad", "n": 2}}, [2]),
        ({"metadata": {"n": "2"}}, []),
        ({"where": GLAD}, [0, 2]),
        ({"where": {"or": [GLAD, SAD]}}, [0, 1, 2]),
        ({"where": {"and": [GLAD, {"jsonpath": "$.n ? (@ > 0)"}]}}, [2]),
        ({"where": {"or": [SAD, {"and": [GLAD, {"jsonpath": "$.n ? (@ > 0)"}]}]}}, [1, 2]),
        ({"where": {**GLAD, "or": [{"jsonpath": "$.deep.er ? (@ == 0)"}]}}, [0]),
        ({"where": {"jsonpath": '$.tags[*] ? (@ starts with "s")'}}, [1]),
        ({"where": {"jsonpath": '$.mood == "nothing of this"'}}, [0, 1, 2]),
        ({"where": {}, "metadata": {"n": 1}}, [1]),
        ({"where": {"and": [], "or": [{}]}, "start_date": NOON}, [0, 1, 2, 3]),
        ({"start_date": NOON + timedelta(days=1)}, [1, 2, 3]),
        ({"end_date": NOON + timedelta(days=1)}, [0, 1]),
        ({"start_date": NOON + timedelta(days=1), "end_date": NOON + timedelta(days=2), "where": GLAD}, [2]),
    ],
)
@pytest.mark.parametrize("scope", [{"session_id": "s"}, {"user_id": "u"}, {}], ids=["session", "user", "everything"])
def test_filters_keep_the_same_messages_with_and_without_a_text(
    moods: SessionManager, scope: dict[str, Any], filters: dict[str, Any], numbers: list[int]
) -> None:
    """Without a text what is kept comes newest first, with score 0."""
    with_text = moods.search_memory("lynx", **scope, **filters)
    without = moods.search_memory("", **scope, **filters)

    assert sorted(contents(with_text)) == [f"lynx {number}" for number in numbers]
    assert contents(without) == [f"lynx {number}" for number in reversed(numbers)]
    assert all(result.score == 0 for result in without)


def test_what_a_filter_keeps_out_still_lends_its_words(manager: SessionManager) -> None:
    """The answer is found though the question beside it is filtered away."""
    manager.add_memory("s", [*said("Who is your dentist?"), *said("Dr. Miller", metadata={"by": "bot"}), *said("Bye")])

    assert contents(manager.search_memory("dentist", session_id="s", metadata={"by": "bot"})) == ["Dr. Miller"]
    assert contents(manager.search_memory("dentist", metadata={"by": "bot"})) == ["Dr. Miller"]


def test_a_selective_filter_still_finds_what_is_far_down(manager: SessionManager) -> None:
    for number in range(30):
        manager.add_memory(f"s{number}", said(*["lynx lynx"] * 20))
    manager.add_memory("t", said("filler " * 50 + "lynx", metadata={"wanted": True}))

    found = manager.search_memory("lynx", metadata={"wanted": True}, limit=3)
    newest = manager.search_memory(None, where={"jsonpath": "$.wanted"}, limit=3)

    assert [result.session_id for result in found + newest] == ["t", "t"]


def test_mmr_leaves_out_what_says_the_same_again(manager: SessionManager) -> None:
    manager.add_memory(
        "s", said("the red lynx", "x", "y", "z", "the red lynx", "u", "v", "w", "a lynx near the river bank")
    )

    near = contents(manager.search_memory("red lynx", session_id="s", limit=2, mmr_lambda=1))
    different = contents(manager.search_memory("red lynx", session_id="s", limit=2, mmr_lambda=0.3))

    assert near == ["the red lynx", "the red lynx"]
    assert different[0] == "the red lynx"
    assert different[1] != "the red lynx"


@pytest.mark.parametrize(
    ("text", "options", "part"),
    [
        ("", {}, "text is empty"),
        (None, {"session_id": "s"}, "text is empty"),
        (None, {"metadata": {}}, "text is empty"),
        (7, {}, "text is of type int"),
        ("a", {"scope": "documents"}, "messages, summary"),
        ("a", {"mode": "magic"}, "lexical, semantic, hybrid"),
        ("a", {"limit": -1}, "limit is -1"),
        ("a", {"context": -1}, "context is -1"),
        ("a", {"context": 101}, "0 to 100"),
        ("a", {"mmr_lambda": 1.5}, "mmr_lambda is 1.5"),
        ("", {"mmr_lambda": 0.5, "metadata": {"a": 1}}, "mmr_lambda needs a text"),
        ("a", {"start_date": datetime(2026, 1, 1)}, "timezone"),
        ("a", {"start_date": "2026-01-01"}, "start_date is of type str"),
        ("a", {"metadata": {"a": {}}}, "metadata"),
        ("a", {"where": []}, "where is of type list"),
        ("a", {"where": {"json_path": "$"}}, "known keys are jsonpath, and, or"),
        ("a", {"where": {"or": [{"and": [{"not": []}]}]}}, "where.or[0].and[0] has the key 'not'"),
        ("a", {"where": {"and": {}}}, "where.and is of type dict"),
        ("a", {"where": {"jsonpath": "$.a ? (@ == "}}, "where.jsonpath is not understood"),
        ("a", {"where": {"jsonpath": "'; DROP TABLE zep_messages"}}, "where.jsonpath is not understood"),
        ("a", {"where": {"jsonpath": "$.a.size()"}}, "methods are not understood"),
        ("a", {"where": {"jsonpath": '$ ? (@.a like_regex "(a)\\\\1")'}}, "groupref, which is not understood"),
        ("a", {"session_id": ""}, "session_id"),
    ],
)
def test_what_cannot_be_asked_is_refused(sqlite_url: str, text: Any, options: dict[str, Any], part: str) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(InvalidInput) as caught:
        manager.search_memory(text, **options)

    assert part in str(caught.value)


def test_the_async_twin_finds_the_same(database_url: str) -> None:
    async def search() -> list[SearchResult]:
        async with SessionManager(database_url) as manager:
            await manager.aadd_memory("s", said("Who is your dentist?", "Dr. Miller"))
            assert await manager.arebuild_search() == 2
            return await manager.asearch_memory("dentist", session_id="s", context=1)

    assert contents(asyncio.run(search())) == ["Who is your dentist?", "Dr. Miller"]


@settings(deadline=None)
@given(st.text(st.sampled_from("abZ09'_ .-\n\x00\x7f"), max_size=20))
def test_words_in_ascii_are_the_same_among_words_that_are_not(text: str) -> None:
    """ASCII is cut into words in a way of its own, which is faster."""
    assert [*terms(text), "é"] == [*terms(f"{text} é")[:-1], "é"]
