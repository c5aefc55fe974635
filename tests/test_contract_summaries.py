"""Summaries: those an application writes itself, and those its summarizer writes after a write."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.conftest import OpenMemory
from tests.support.colours import Caller
from tests.support.messages import numbered, said, texts
from zep_memory_plugin import (
    InvalidInput,
    Memory,
    Message,
    MessageNotFound,
    Session,
    SessionManager,
    SessionNotFound,
    Summary,
)

SECRET = "a secret of the conversation"


def test_a_summary_covers_everything_there_is(memory: Caller) -> None:
    memory.add_memory("a", numbered(3))

    stored = memory.add_summary("a", Summary(content="1 to 3", metadata={"model": "small"}))

    assert (stored.seq, stored.content, stored.metadata) == (3, "1 to 3", {"model": "small"})
    assert memory.list_summaries("a") == [stored]
    assert memory.get_memory("a") == Memory(summary=stored)


def test_a_summary_can_cover_less(memory: Caller) -> None:
    messages = memory.add_memory("a", numbered(3))

    by_uuid = memory.add_summary("a", Summary(content="1"), until_uuid=str(messages[0].uuid))
    by_seq = memory.add_summary("a", Summary(content="1 and 2", seq=2))

    assert (by_uuid.seq, by_seq.seq) == (1, 2)
    assert memory.list_summaries("a") == [by_uuid, by_seq]
    assert memory.list_summaries("a", 1, cursor=1) == [by_seq]
    assert memory.get_memory("a") == Memory(messages=messages[2:], summary=by_seq)


def test_a_summary_replaces_one_that_covers_as_much(memory: Caller) -> None:
    memory.add_memory("a", numbered(2))
    memory.add_summary("a", Summary(content="first", metadata={"a": 1}))

    second = memory.add_summary("a", Summary(content="second"))

    assert memory.list_summaries("a") == [second]
    assert (second.content, second.metadata) == ("second", None)


def test_a_summary_replaces_one_that_was_deleted(memory: Caller) -> None:
    memory.add_memory("a", numbered(2))
    memory.add_summary("a", Summary(content="first"))
    memory.clear_memory("a")

    second = memory.add_summary("a", Summary(content="second"))

    assert memory.list_summaries("a") == [second]


def test_a_summary_of_messages_that_are_not_there_is_refused(memory: Caller) -> None:
    memory.add_memory("a", numbered(2))
    memory.add_memory("deleted", said("one"))
    memory.delete_session("deleted")
    before = memory.tables.snapshot()

    with pytest.raises(InvalidInput, match="seq is 3"):
        memory.add_summary("a", Summary(content="too far", seq=3))
    with pytest.raises(MessageNotFound):
        memory.add_summary("a", Summary(content="elsewhere"), until_uuid=uuid4())
    for session_id in ("unknown", "deleted"):
        with pytest.raises(SessionNotFound):
            memory.add_summary(session_id, Summary(content="nothing"))

    assert memory.tables.snapshot() == before


Summarizer = Callable[[Summary | None, list[Message]], str]


def _counting(calls: list[tuple[str | None, list[str]]]) -> Summarizer:
    """Return a summarizer that writes down what it is called with."""

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        calls.append((previous and previous.content, texts(messages)))
        return f"summary {len(calls)}"

    return summarize


def _awaiting(summarize: Summarizer) -> object:
    async def asummarize(previous: Summary | None, messages: list[Message]) -> str:
        await asyncio.sleep(0)
        return summarize(previous, messages)

    return asummarize


@pytest.mark.parametrize("wrap", [lambda summarize: summarize, _awaiting], ids=["blocking", "awaiting"])
def test_what_leaves_the_window_is_summarized(open_memory: OpenMemory, wrap: Callable[[Summarizer], object]) -> None:
    calls: list[tuple[str | None, list[str]]] = []
    memory = open_memory(message_window=4, summarizer=wrap(_counting(calls)))

    for message in numbered(8):
        memory.add_memory("a", [message])

    assert calls == [(None, ["1", "2", "3"]), ("summary 1", ["4", "5", "6"])]
    remembered = memory.get_memory("a")
    assert remembered.summary.content == "summary 2"
    assert texts(remembered.messages) == ["7", "8"]
    assert [summary.seq for summary in memory.list_summaries("a")] == [3, 6]


def test_a_burst_is_summarized_as_a_whole(open_memory: OpenMemory) -> None:
    calls: list[tuple[str | None, list[str]]] = []
    memory = open_memory(message_window=4, summarizer=_counting(calls))

    memory.add_memory("a", numbered(20))

    assert calls == [(None, [str(number) for number in range(1, 19)])]
    assert texts(memory.get_memory("a").messages) == ["19", "20"]


def test_nothing_is_summarized_while_the_window_holds_it(open_memory: OpenMemory) -> None:
    memory = open_memory(message_window=4, summarizer=pytest.fail)

    memory.add_memory("a", numbered(4))
    memory.add_memory("a", [])

    assert memory.list_summaries("a") == []


def test_the_summarizer_is_called_outside_of_any_transaction(open_memory: OpenMemory) -> None:
    managers: list[SessionManager] = []
    seen: list[list[str]] = []

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        managers[0].update_session(Session(session_id="a", metadata={"summarized": True}))
        seen.append(texts(managers[0].list_messages("a")))
        return "short"

    memory = open_memory(message_window=2, summarizer=summarize)
    managers.append(memory.manager)
    memory.add_memory("a", numbered(3))

    assert seen == [["1", "2", "3"]]
    assert memory.get_session("a").metadata == {"summarized": True}
    assert memory.get_memory("a").summary.content == "short"


class _Failure(Exception):
    """What an application's model may raise."""


def _fail(previous: Summary | None, messages: list[Message]) -> str:
    raise _Failure(f"cannot summarize {texts(messages)}")


@pytest.mark.parametrize(
    ("summarizer", "kind"),
    [
        (_fail, "_Failure"),
        (_awaiting(_fail), "_Failure"),
        (lambda previous, messages: None, "InvalidInput"),
        (lambda previous: SECRET, "TypeError"),
    ],
    ids=["blocking", "awaiting", "no text", "wrong signature"],
)
def test_a_failing_summarizer_loses_no_message(
    open_memory: OpenMemory, caplog: pytest.LogCaptureFixture, summarizer: object, kind: str
) -> None:
    memory = open_memory(message_window=2, summarizer=summarizer)

    with caplog.at_level(logging.DEBUG):
        stored = memory.add_memory("a", said("one", "two", SECRET))

    assert memory.list_messages("a") == stored
    assert memory.list_summaries("a") == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"summarizing session 'a' failed: {kind}"
    ]
    assert SECRET not in caplog.text


def test_a_failed_summary_is_made_up_for_after_the_next_write(open_memory: OpenMemory) -> None:
    calls: list[tuple[str | None, list[str]]] = []
    answer = _counting(calls)

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        return answer(previous, messages) if len(messages) > 2 else _fail(previous, messages)

    memory = open_memory(message_window=2, summarizer=summarize)
    memory.add_memory("a", numbered(3))
    memory.add_memory("a", said("4"))

    assert calls == [(None, ["1", "2", "3"])]
    assert memory.get_memory("a").summary.content == "summary 1"


def test_a_session_that_is_deleted_meanwhile_stays_deleted(open_memory: OpenMemory) -> None:
    managers: list[SessionManager] = []

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        managers[0].delete_session("a")
        return "too late"

    memory = open_memory(message_window=2, summarizer=summarize)
    managers.append(memory.manager)
    memory.add_memory("a", numbered(3))

    assert memory.list_sessions() == []
    assert memory.get_memory("a") == Memory()


def test_a_given_uuid_and_moment_of_a_summary_are_kept(memory: Caller) -> None:
    (message,) = memory.add_memory("a", said("one"))
    given = Summary(content="short", uuid=UUID(int=7), created_at=message.created_at, token_count=3, seq=1)

    assert memory.add_summary("a", given) == given


def test_clearing_takes_a_summary_of_what_was_before_the_first_message(memory: Caller) -> None:
    memory.add_session(Session(session_id="a"))
    memory.add_summary("a", Summary(content="from elsewhere"))

    memory.clear_memory("a")

    assert memory.get_memory("a").summary is None
