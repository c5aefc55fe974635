"""The newest part of a session: `last_messages`, and tokens, which are counted once."""

from typing import Any

import pytest

from tests.conftest import OpenMemory
from tests.support.colours import Caller
from tests.support.messages import numbered, said, texts
from zep_memory_plugin import InvalidInput, Message, Session, SessionManager, Summary, ToolCall

QUESTION, CALL, RESULT, ANSWER = "user", "assistant", "tool", "assistant"


def _spoken(*turns: tuple[str, str, int]) -> list[Message]:
    """Return messages of role, text and token count."""
    return [Message(role=role, content=text, token_count=tokens) for role, text, tokens in turns]


CONVERSATION = _spoken(
    ("system", "rules", 1),
    (QUESTION, "q1", 1),
    (ANSWER, "a1", 1),
    (QUESTION, "q2", 1),
    (CALL, "c2", 1),
    (RESULT, "r2", 10),
    (ANSWER, "a2", 1),
)


def test_without_bounds_everything_is_returned(memory: Caller) -> None:
    stored = memory.add_memory("a", CONVERSATION)

    assert memory.last_messages("a") == memory.list_messages("a") == stored


def test_the_newest_messages_come_oldest_first(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(5))

    assert memory.last_messages("a", 2) == stored[3:]
    assert memory.last_messages("a", 5) == memory.last_messages("a", 6) == stored
    assert memory.last_messages("a", 0) == []
    assert memory.last_messages("unknown", 5) == []


def test_deleted_messages_do_not_count(memory: Caller) -> None:
    stored = memory.add_memory("a", numbered(5))
    memory.delete_messages("a", [stored[3].uuid])

    assert texts(memory.last_messages("a", 2)) == ["3", "5"]
    assert texts(memory.last_messages("a", max_tokens=2)) == ["3", "5"]


@pytest.mark.parametrize(
    ("max_tokens", "expected"),
    [
        (0, []),
        (1, ["a2"]),
        (10, ["a2"]),
        (11, ["r2", "a2"]),
        (13, ["q2", "c2", "r2", "a2"]),
        (1000, ["rules", "q1", "a1", "q2", "c2", "r2", "a2"]),
    ],
)
def test_messages_are_returned_while_their_tokens_fit(memory: Caller, max_tokens: int, expected: list[str]) -> None:
    memory.add_memory("a", CONVERSATION)

    assert texts(memory.last_messages("a", max_tokens=max_tokens)) == expected


def test_a_message_that_does_not_fit_ends_the_window(memory: Caller) -> None:
    memory.add_memory("a", _spoken((QUESTION, "small", 1), (ANSWER, "large", 100), (QUESTION, "last", 5)))

    assert texts(memory.last_messages("a", max_tokens=50)) == ["last"]
    assert texts(memory.last_messages("a", max_tokens=4)) == []


def test_a_bound_of_messages_and_one_of_tokens_both_hold(memory: Caller) -> None:
    memory.add_memory("a", CONVERSATION)

    assert texts(memory.last_messages("a", 3, max_tokens=1000)) == ["c2", "r2", "a2"]
    assert texts(memory.last_messages("a", 3, max_tokens=1)) == ["a2"]


@pytest.mark.parametrize(
    ("limit", "max_tokens", "expected"),
    [
        (7, None, ["q1", "a1", "q2", "c2", "r2", "a2"]),
        (6, None, ["q1", "a1", "q2", "c2", "r2", "a2"]),
        (5, None, ["q2", "c2", "r2", "a2"]),
        (4, None, ["q2", "c2", "r2", "a2"]),
        (3, None, ["q2", "c2", "r2", "a2"]),
        (1, None, ["q2", "c2", "r2", "a2"]),
        (0, None, []),
        (None, 14, ["q2", "c2", "r2", "a2"]),
        (None, 11, ["q2", "c2", "r2", "a2"]),
        (None, 1, ["q2", "c2", "r2", "a2"]),
        (None, 15, ["q1", "a1", "q2", "c2", "r2", "a2"]),
        (5, 15, ["q2", "c2", "r2", "a2"]),
    ],
)
def test_whole_turns_start_at_a_question_and_hold_the_last_one(
    memory: Caller, limit: int | None, max_tokens: int | None, expected: list[str]
) -> None:
    memory.add_memory("a", CONVERSATION)

    assert texts(memory.last_messages("a", limit, max_tokens=max_tokens, whole_turns=True)) == expected


def test_whole_turns_hold_a_last_turn_that_is_too_large(memory: Caller) -> None:
    memory.add_memory("a", _spoken((QUESTION, "q1", 1), (ANSWER, "a1", 1), (QUESTION, "q2", 5), (ANSWER, "a2", 100)))

    assert texts(memory.last_messages("a", max_tokens=50, whole_turns=True)) == ["q2", "a2"]


def test_whole_turns_of_a_session_without_questions_are_its_newest_messages(memory: Caller) -> None:
    memory.add_memory("a", said("one", "two", "three", role="assistant"))

    assert texts(memory.last_messages("a", 2, whole_turns=True)) == ["two", "three"]


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", 2**63], ids=repr)
def test_bounds_are_whole_numbers_from_zero(memory: Caller, value: object) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        memory.last_messages("a", value)
    with pytest.raises(InvalidInput, match="max_tokens"):
        memory.last_messages("a", max_tokens=value)


def test_tokens_are_estimated_when_nobody_counts_them(memory: Caller) -> None:
    stored = memory.add_memory("a", said("", "abcd", "abcde"))

    assert [message.token_count for message in stored] == [0, 1, 2]


def test_tokens_are_counted_once_at_the_write(open_memory: OpenMemory) -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return 7

    memory = open_memory(token_counter=count)
    memory.add_memory("a", said("one", "two"))
    memory.add_memory("a", [Message(role="user", content="given", token_count=3)])
    memory.last_messages("a", max_tokens=100)
    memory.get_memory("a")

    assert [message.token_count for message in memory.list_messages("a")] == [7, 7, 3]
    assert counted == ["one", "two"]


def test_tool_calls_cost_tokens_too(open_memory: OpenMemory) -> None:
    memory = open_memory(token_counter=len)

    (stored,) = memory.add_memory(
        "a", [Message(role="ai", content="ok", tool_calls=[ToolCall(id="1", name="f", args={"x": 1})])]
    )

    assert stored.token_count == len("ok") + len('[{"id":"1","name":"f","args":{"x":1}}]')
    assert memory.update_message("a", stored.uuid, content="okay").token_count == stored.token_count + 2


def test_summaries_are_counted_too(open_memory: OpenMemory) -> None:
    memory = open_memory(token_counter=len)
    memory.add_memory("a", said("one"))

    assert memory.add_summary("a", Summary(content="short")).token_count == 5
    assert memory.add_summary("a", Summary(content="short", token_count=3)).token_count == 3


def test_tokens_are_counted_while_nothing_is_locked(open_memory: OpenMemory) -> None:
    managers: list[SessionManager] = []

    def count(text: str) -> int:
        for manager in managers:
            manager.update_session(Session(session_id="a", metadata={"counted": text}))
        return len(text)

    memory = open_memory(token_counter=count)
    (stored,) = memory.add_memory("a", said("one"))
    managers.append(memory.manager)

    assert memory.update_message("a", stored.uuid, content="four").token_count == 4
    assert memory.get_session("a").metadata == {"counted": "four"}
    assert memory.add_summary("a", Summary(content="short")).token_count == 5
    assert memory.get_session("a").metadata == {"counted": "short"}


def test_a_token_counter_that_fails_costs_no_message(open_memory: OpenMemory, caplog: pytest.LogCaptureFixture) -> None:
    """The tokens are estimated, and the failure is logged without its words."""

    def count(text: str) -> int:
        raise ValueError(f"a special token in {text!r}")

    memory = open_memory(token_counter=count)

    (stored,) = memory.add_memory("a", said("five letters"))

    assert stored.token_count == 3
    assert memory.update_message("a", stored.uuid, content="others").token_count == 2
    assert memory.add_summary("a", Summary(content="in short")).token_count == 2
    assert "the token counter failed with ValueError" in caplog.text
    assert "special token" not in caplog.text


class Awaiting:
    """An object that awaits when it is called, which its type does not tell."""

    async def __call__(self, text: str) -> int:
        return len(text)


COUNTED = [lambda _, counted=counted: counted for counted in (-1, 2**31, 1.5, None, "5", [5, 6], float("nan"))]


@pytest.mark.parametrize("count", [*COUNTED, Awaiting()], ids=[*map(str, range(len(COUNTED))), "awaiting"])
@pytest.mark.filterwarnings("error")
def test_a_token_counter_that_returns_no_number_costs_no_message(
    open_memory: OpenMemory, count: Any, caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_memory(token_counter=count)

    (stored,) = memory.add_memory("a", said("five letters"))

    assert stored.token_count == 3
    assert memory.update_message("a", stored.uuid, content="others").token_count == 2
    assert memory.add_summary("a", Summary(content="in short")).token_count == 2
    assert "is no number of tokens; they are estimated" in caplog.text
