"""Sessions that are named after their first turn."""

import logging
from collections.abc import Callable

import pytest
from langchain_core.language_models import FakeListChatModel

from tests.conftest import OpenMemory
from tests.support.messages import said, texts
from zep_memory_plugin import InvalidInput, Message, Session, SessionManager

TURN = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="Where do I find tea?"),
    Message(role="assistant", content="On the left."),
]


class Titler:
    """Answers with one title after the other, and writes down what it was asked about."""

    def __init__(self, *titles: str) -> None:
        self.titles = list(titles)
        self.calls: list[list[str]] = []

    def __call__(self, messages: list[Message]) -> str:
        self.calls.append(texts(messages))
        return self.titles.pop(0)


def test_a_session_is_named_after_its_first_turn_once(open_memory: OpenMemory) -> None:
    titler = Titler("Finding tea", "another")
    memory = open_memory(titler=titler)

    memory.add_memory("a", TURN[:2])
    unanswered = memory.get_session("a").title
    memory.add_memory("a", TURN[2:])
    memory.add_memory("a", said("And coffee?"))

    assert (unanswered, memory.get_session("a").title) == (None, "Finding tea")
    assert titler.calls == [["Where do I find tea?", "On the left."]]


def test_only_the_first_turn_is_shown(sqlite_url: str) -> None:
    titler = Titler("Finding tea")
    with SessionManager(sqlite_url, titler=titler, background=False) as manager:
        manager.add_memory("a", [*said("Welcome!", role="assistant"), *TURN, *said("And coffee?")])

    assert titler.calls == [["Where do I find tea?", "On the left."]]


def test_a_title_that_the_application_gave_stays(open_memory: OpenMemory) -> None:
    def rename(messages: list[Message]) -> str:
        memory.update_session(Session(session_id="meanwhile", title="Ours"))
        return "Theirs"

    memory = open_memory()
    memory.add_session(Session(session_id="before", title="Ours"))
    unasked = open_memory(titler=Titler())
    unasked.add_memory("before", TURN)
    asked = open_memory(titler=rename)
    asked.add_memory("meanwhile", TURN)

    assert [memory.get_session(session_id).title for session_id in ("before", "meanwhile")] == ["Ours", "Ours"]


def test_a_title_of_what_was_deleted_meanwhile_is_dropped(sqlite_url: str) -> None:
    def titler(messages: list[Message]) -> str:
        manager.delete_messages("a", [message.uuid for message in messages if message.uuid])
        return "Finding tea"

    with SessionManager(sqlite_url, titler=titler, background=False) as manager:
        manager.add_memory("a", TURN)

        assert manager.get_session("a").title is None


def test_a_title_moves_neither_revision_nor_update_of_its_session(open_memory: OpenMemory) -> None:
    plain, named = open_memory(), open_memory(titler=Titler("Finding tea"))
    before = plain.add_memory("a", TURN) and plain.get_session("a")
    named.add_memory("a", [])
    named.update_message("a", named.list_messages("a")[0].uuid, content="Be brief.")
    after = named.get_session("a")

    assert after.title == "Finding tea"
    assert after.last_active_at == before.last_active_at
    assert plain.add_memory("a", said("more"), expected_revision=after.revision)


def test_a_failing_titler_loses_nothing(open_memory: OpenMemory, caplog: pytest.LogCaptureFixture) -> None:
    titler = Titler()  # which has no title to give
    memory = open_memory(titler=titler)

    stored = memory.add_memory("a", TURN)
    titler.titles.append("Finding tea")
    failed = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    memory.add_memory("a", said("And coffee?"))

    assert failed == ["naming session 'a' failed: IndexError"]
    assert memory.list_messages("a")[:3] == stored
    assert memory.get_session("a").title == "Finding tea"


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("  Finding\n tea ", "Finding tea"),
        ('"Finding tea"', "Finding tea"),
        ("**Finding tea**", "Finding tea"),
        ("“Tea”", "Tea"),
        ("", None),
        ('""', None),
        ("tea " * 40, "tea " * 19 + "tea…"),
    ],
    ids=["lines", "quotes", "bold", "curly", "nothing", "quoted nothing", "long"],
)
def test_a_title_is_one_short_line(given: str, title: str | None) -> None:
    with SessionManager("sqlite://", titler=lambda messages: given, background=False) as manager:
        manager.add_memory("a", TURN)

        assert manager.get_session("a").title == title


@pytest.mark.parametrize("title", [7, None], ids=["number", "nothing"])
def test_what_is_no_title_is_not_stored(title: object, caplog: pytest.LogCaptureFixture) -> None:
    with SessionManager("sqlite://", titler=lambda messages: title, background=False) as manager:
        manager.add_memory("a", TURN)

        assert manager.get_session("a").title is None
    assert "naming session 'a' failed: InvalidInput" in caplog.text


def test_models_name_sessions_in_the_background(sqlite_url: str) -> None:
    async def name(messages: list[Message]) -> str:
        return "by a function"

    titlers: dict[str, Callable[..., object] | FakeListChatModel] = {
        "function": name,
        "model": FakeListChatModel(responses=["by a model"]),
    }
    for session_id, titler in titlers.items():
        with SessionManager(sqlite_url, titler=titler) as manager:
            manager.add_memory(session_id, TURN)
            manager.flush()
            assert manager.get_session(session_id).title == f"by a {session_id}"


def test_what_is_no_titler_is_refused() -> None:
    with pytest.raises(InvalidInput, match="titler is of type int; give a chat model or a function"):
        SessionManager("sqlite://", titler=7)  # type: ignore[arg-type]
