"""The order in which a small, fixed set of conversations answers: what the weights of the ranking are there for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.core.search.ranking import Passages, Query, rank
from zep_memory_plugin.core.search.speakers import is_of_user, speaker_of
from zep_memory_plugin.databases.postings import Statistics
from zep_memory_plugin.terms.cutting import query_terms, terms
from zep_memory_plugin.terms.hits import Hits
from zep_memory_plugin.terms.texts import text_of

ADVICE = (
    "Happy to help! Here are some things to consider. A deadline is easier to keep when the work is cut into steps; "
    "write each deadline down, share the deadline with your team, and check the report against it once a week. "
)

ASSISTANT = [
    ("user", "My report on river fish is due on 14 March, can you help me plan the deadline?"),
    ("assistant", ADVICE * 12),
    ("user", "Thanks. What should the chapters be?"),
    ("assistant", "Chapters depend on your readers. " + "An outline, a method, results and a summary are usual. " * 30),
    ("user", "I moved the outline to a wiki, and my editor is called Petra."),
    ("assistant", "A wiki is a good choice for an outline. " + "Keep one page for each chapter, and link them. " * 30),
    ("user", "How do I sort a list in Python?"),
    (
        "assistant",
        "```python\nnumbers.sort()\n```\n" + "It is sorted where it is; `sorted` makes a new list. " * 20,
    ),
]

PEOPLE = [
    ("Ann", "Long time no see! How was the trip?"),
    ("Ben", "Great, we saw whales."),
    ("Ann", "Lovely. Did Carla come along?"),
    ("Ben", "No, she stayed at home with the twins"),
    ("Ann", "Where did you stay?"),
    ("Ben", "In a little house by the harbour of Tromso"),
    ("Ben", "Carla would have liked it there, she paints boats"),
    ("Ann", "I have never been that far north. I only paint walls, ha"),
    ("Ben", "Ann, you should come next year"),
]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        manager.add_memory("assistant", [Message(role=role, content=content) for role, content in ASSISTANT])
        manager.add_memory("people", [Message(role="user", name=name, content=said) for name, said in PEOPLE])
        yield manager


def order(manager: SessionManager, text: str, session: str, limit: int = 3) -> list[int]:
    """Return the positions in their conversation of what answers best."""
    results = manager.search_memory(text, session_id=session, limit=limit)
    return [result.message.seq - 1 for result in results if result.message]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("When is the deadline of my report?", [0, 1, 2]),
        ("Who is my editor?", [4, 6, 2]),
        ("sort a list", [6, 7, 4]),
    ],
)
def test_the_line_of_a_user_comes_before_the_pages_that_answer_it(
    manager: SessionManager, question: str, first: list[int]
) -> None:
    assert order(manager, question, "assistant") == first


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Where in the harbour did Ben stay?", [5, 3, 4]),
        ("What does Carla paint?", [6, 7, 3]),
        ("Did they see any animals, whales perhaps?", [1, 0, 2]),
        ("What does Ann paint?", [7, 6, 8]),  # Ann does, and only then comes what is said to her
    ],
)
def test_the_answer_of_one_person_stands_beside_the_question_of_another(
    manager: SessionManager, question: str, first: list[int]
) -> None:
    assert order(manager, question, "people") == first


@pytest.mark.parametrize(
    ("question", "first"),
    [("What does Ann like?", 1), ("What does Ben like?", 2), ("What do I like?", 1), ("Who likes tea?", 2)],
)
@pytest.mark.parametrize("named", [True, False], ids=["by name", "in the text"])
def test_those_whom_a_question_names_answer_it(database_url: str, named: bool, question: str, first: int) -> None:
    """The longer answer would come second, however much it says the name of the other."""
    lines = [("user", "Ann", "I like tea, Ben"), ("assistant", "Ben", "I like tea"), ("user", "Ann", "So it rains")]
    with SessionManager(database_url) as manager:
        for role, name, text in lines:
            said = {"name": name, "content": text} if named else {"content": f"{name}: {text}"}
            manager.add_memory("s", [Message(role=role, **said)])

        best, *_ = manager.search_memory(question, session_id="s")

    assert best.message
    assert best.message.seq == first


@pytest.mark.parametrize(
    ("query", "of_user"),
    [
        ("When is my flight?", True),
        ("I'm late", True),
        ("what did ME and Ann say", True),
        ("", False),
        ("mist", False),
        ("What did you suggest for my trip?", False),
        ("a summary of my trip", False),
    ],
)
def test_a_query_that_says_i_asks_what_the_user_said(query: str, of_user: bool) -> None:
    assert is_of_user(query) is of_user


@pytest.mark.parametrize(
    ("text", "speaker"),
    [("Ann: hi", "Ann: "), ("Ann Lee: hi: no", "Ann Lee: "), ("hi, Ann: no", ""), ("12:30", ""), ("", "")],
)
def test_a_text_may_begin_with_who_says_it(text: str, speaker: str) -> None:
    assert speaker_of(text) == speaker


def test_one_scorer_orders_a_session_that_is_searched_with_others(manager: SessionManager) -> None:
    """Where nobody else says it, the scope changes nothing."""
    alone = manager.search_memory("harbour of Tromso", session_id="people", limit=2)

    everywhere = manager.search_memory("harbour of Tromso", limit=2)

    assert [each.message for each in everywhere] == [each.message for each in alone]


def conversation(random: Random) -> list[Message]:
    """Return messages of every kind that the ranking tells apart: with and without names, questions, pages, nights."""
    words = [
        "boat",
        "boats",
        "harbour",
        "ship's",
        "sail",
        "sailed",
        "Café",
        "storm",
        "don't",
        "the",
        "and",
        "a",
        "of",
        "rope-ladder",
    ]
    at = datetime(2024, 5, 1, tzinfo=UTC)
    said: list[Message] = []
    for _ in range(120):
        at += timedelta(minutes=random.choice([1, 5, 600]))
        text = " ".join(random.choices(words, k=random.choice([3, 8, 150]))) + random.choice(["", ".", "?"])
        name = random.choice([None, "Ann", "Boat"])
        said.append(Message(role="user", name=name, content=text, created_at=at))
    return said


@pytest.mark.parametrize("question", ["boat", "did they sail in the storm?", "the café", "rope and ladder of Ann"])
def test_what_the_index_finds_is_ranked_as_if_everything_had_been_read(database_url: str, question: str) -> None:
    said = conversation(Random(question))
    with SessionManager(database_url) as manager:
        manager.add_memory("s", said[:50])
        manager.add_memory("s", said[50:])
        results = manager.search_memory(question, session_id="s", limit=None)

    query = Query(query_terms(question))
    texts = [text_of(message.name, message.content) for message in said]
    hits = [Hits(query.terms).of(text) for text in texts]
    statistics = Statistics({term: sum(term in each for each in hits) for term in query.terms}, len(said))
    moments = [message.created_at.timestamp() for message in said if message.created_at]
    lengths = [len(text.encode()) for text in texts]
    whole = Passages([0] * len(said), texts, lengths, [True] * len(said), moments)
    best = rank(query, whole, statistics)
    assert [(each.message.seq - 1, round(each.score, 6)) for each in results if each.message and each.message.seq] == [
        (each.position, round(each.score, 6)) for each in best
    ]


@pytest.mark.parametrize("text", ["boat", "Boats, ship's 'boat' o'clock", "", "a boat's ... don't_boat", "sails" * 30])
def test_terms_are_counted_as_they_are_cut(text: str) -> None:
    """A count looks only at the words that may have a wanted term; it misses none."""
    every = terms(text)

    wanted = ["boat", "dont", "oclock", "ship", "sail"]

    assert Hits(wanted).of(text) == {term: every.count(term) for term in wanted if term in every}


def test_a_kind_is_answered_by_what_is_of_it(database_url: str) -> None:
    """Beyond a session its twenty words are not looked up."""
    talk = ["Shall we meet?", "Yes, after tennis", "Fine.", "So it rains", "Then I go swimming in the evening", "Oh"]
    with SessionManager(database_url) as manager:
        manager.add_memory("s", [Message(role="user", content=text) for text in talk])

        found = manager.search_memory("Which sports?", session_id="s", limit=2, explain=True)
        everywhere = manager.search_memory("Which sports?")

    assert sorted(result.message.seq or 0 for result in found if result.message) == [2, 5]
    for result in found:
        assert result.explanation
        assert result.explanation.by_word == {"sports": pytest.approx(result.score)}
        assert result.explanation.by_date == {}
    assert everywhere == []


TEXTS = [
    "boat",
    None,
    "'boats' 'n' boat's",
    "",
    "Café by the boat",
    "ship's",
    "no such",
    "'",
    "o'clock'",
    "boat " * 4_000,
    "shipsail",
    "sail\nboat\tship",
]


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[::-1], [None, ""], []], ids=["all", "backwards", "empty", "none"])
def test_many_texts_are_looked_through_as_each_would_be(texts: list[str | None]) -> None:
    hits = Hits(["boat", "cafe", "oclock", "ship", "sail"])

    found = hits.of_each(texts)

    assert list(found.items()) == [(at, counts) for at, text in enumerate(texts) if text and (counts := hits.of(text))]
