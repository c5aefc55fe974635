"""Messages that are refused, and strange ones that are not."""

import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import Refuses
from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import FIXED, said, texts
from zep_memory_plugin import Message, Session, Summary, ToolCall, User

MEBIBYTE = 1024 * 1024


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: every driver is asked after the same checks."""
    return request.param


on_each_database = pytest.mark.parametrize("backend", ONE_EACH, ids=lambda backend: backend.name)

SAME = {
    "empty": "",
    "NUL": "a\0b",
    "only NUL": "\0",
    "half a surrogate pair": "a\ud800b",
    "the other half": "\udfff",
    "halves the wrong way round": "\udc00\ud800",
    "NUL and halves": "\0\ud800\\u0000\0",
    "U+FFFF": "a\uffffb",
    "U+10FFFF": "a\U0010ffffb",
    "white space": " \t ",
    "100,000 newlines": "\n" * 100_000,
    "200,000 words": " ".join(f"word{number}" for number in range(200_000)),
    "a long word": "w" * 5_000,
    "emoji": "👩‍👩‍👧‍👦 🫖",
    "backslashes": "\\ \\u0000 \\x00 \\\\ '\" %s :x $1 ?",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_strange_content_is_the_same_when_read_back(memory: Caller, text: str) -> None:
    (stored,) = memory.add_memory("a", said(text))

    assert stored.content == text
    assert memory.list_messages("a") == memory.get_memory("a").messages == [stored]
    assert memory.get_message("a", stored.uuid) == stored
    assert (stored.native_format, stored.native) == (None, None)
    assert memory.update_message("a", stored.uuid, content=text).content == text


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=ascii)
def test_strange_text_is_the_same_in_every_field_of_a_message(memory: Caller, text: str) -> None:
    new = Message(
        role=text,
        content="plain",
        name=text,
        tool_calls=[ToolCall(id=text, name=text, args={text: [text]})],
        tool_call_id=text,
        metadata={text: text},
    )

    (stored,) = memory.add_memory("a", [new])

    assert memory.list_messages("a") == [stored]
    filled = {"uuid", "seq", "created_at", "token_count", "role_type"}
    assert stored.model_dump(exclude=filled) == new.model_dump(exclude=filled)


def test_a_changed_text_replaces_a_strange_one(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", said("a\0b"))

    assert memory.update_message("a", stored.uuid, content="plain").content == "plain"
    assert memory.add_memory("a", [stored])[0].content == "a\0b"
    assert memory.get_message("a", stored.uuid).content == "a\0b"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=ascii)
def test_strange_texts_of_users_and_summaries_are_stored_as_a_database_takes_them(memory: Caller, text: str) -> None:
    memory.add_memory("a", [Message(role="user", content="", native_format=text, native=f'"{text}"')])
    user = memory.add_user(User(user_id="bob", email=text, first_name=text, last_name=text, metadata={"a": text}))
    summary = memory.add_summary("a", Summary(content=text, metadata={"a": text}))

    assert user == memory.get_user("bob")
    assert memory.list_summaries("a") == [summary]
    assert user.metadata == summary.metadata == {"a": text}
    assert summary.content == user.email == text.translate({0: " ", 0xD800: "\ufffd"})
    assert memory.update_user(User(user_id="bob", email=text)).email == user.email


def test_no_content_is_empty_content(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", [Message(role="ai", content=None)])

    assert stored.content == ""
    assert memory.list_messages("a") == [stored]


@pytest.mark.parametrize("field", ["content", "native", "tool_calls"])
def test_a_message_holds_sixteen_mebibytes(memory: Caller, refuses: Refuses, field: str) -> None:
    def message(size: int) -> Message:
        if field == "tool_calls":
            overhead = len('[{"id":null,"name":"f","args":""}]')
            return Message(role="ai", token_count=0, tool_calls=[ToolCall(name="f", args="x" * (size - overhead))])
        return Message(role="ai", token_count=0, **{field: "x" * size})

    error = refuses(field, lambda: memory.add_memory("a", [message(16 * MEBIBYTE + 1)]))
    assert str(error) == f"{field} has 16777217 bytes; allowed are 16777216"

    (stored,) = memory.add_memory("a", [message(16 * MEBIBYTE)])
    assert memory.get_message("a", stored.uuid) == stored


def test_the_size_of_a_message_is_counted_in_bytes_not_characters(memory: Caller, refuses: Refuses) -> None:
    refuses("content", lambda: memory.add_memory("a", said("é" * (8 * MEBIBYTE + 1))))
    refuses("content", lambda: memory.update_message("a", FIXED, content="é" * (8 * MEBIBYTE + 1)))
    refuses("content", lambda: memory.add_summary("a", Summary(content="é" * (8 * MEBIBYTE + 1))))


@pytest.mark.parametrize("content", [b"bytes", 5, ["text"], [{"type": "text", "text": "hi"}], {"a": 1}], ids=repr)
def test_content_that_is_no_text_is_refused(memory: Caller, refuses: Refuses, content: object) -> None:
    refuses("content", lambda: Message(role="user", content=content))
    refuses("content", lambda: memory.update_message("a", FIXED, content=content))
    refuses("content", lambda: Summary(content=content))


def test_a_tool_call_may_have_a_mebibyte_of_arguments(memory: Caller) -> None:
    call = ToolCall(id="1", name="write", args={"lines": ["x" * 1023] * 1024})

    (stored,) = memory.add_memory("a", [Message(role="ai", tool_calls=[call])])

    assert stored.tool_calls == [call]
    assert memory.list_messages("a") == [stored]


def test_ids_of_tool_calls_may_be_missing_or_the_same(memory: Caller) -> None:
    calls = [ToolCall(name="f"), ToolCall(id="1", name="f"), ToolCall(id="1", name="g", args="{not json")]

    memory.add_memory("a", [Message(role="ai", tool_calls=calls), Message(role="tool", content="result")])

    assert memory.list_messages("a")[0].tool_calls == calls
    assert memory.list_messages("a")[1].tool_call_id is None


def _deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


BAD_ARGUMENTS = {
    "object": {"a": object()},
    "bytes": {"a": b"x"},
    "NaN": {"a": math.nan},
    "10**5000": {"a": 10**5000},
    "101 levels": _deep(101),
    "5,000 levels": _deep(5_000),
    "a number": 5,
    "a list": ["a"],
    "None": None,
}


@pytest.mark.parametrize("args", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_arguments_of_tool_calls_are_bounded_json(memory: Caller, refuses: Refuses, args: dict[str, Any]) -> None:
    refuses(
        "tool_calls", lambda: memory.add_memory("a", [Message(role="ai", tool_calls=[ToolCall(name="f", args=args)])])
    )


def test_arguments_of_tool_calls_may_be_a_hundred_levels_deep(memory: Caller) -> None:
    call = ToolCall(name="f", args=_deep(100))

    memory.add_memory("a", [Message(role="ai", tool_calls=[call])])

    assert memory.list_messages("a")[0].tool_calls == [call]


def test_an_unknown_role_is_kept(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", said("one", role="critic"))

    assert (stored.role, stored.role_type) == ("critic", "other")
    assert memory.list_messages("a") == [stored]


def test_a_role_is_text_of_at_most_64_characters(memory: Caller, refuses: Refuses) -> None:
    refuses("role", lambda: memory.add_memory("a", said("one", role="r" * 65)))
    refuses("role", lambda: Message(role=5, content="one"))
    refuses("role", lambda: Message(role=None, content="one"))
    refuses("role", lambda: Message(content="one"))
    refuses("role_type", lambda: Message(role="user", role_type="critic"))

    assert memory.add_memory("a", said("one", role="r" * 64))[0].role == "r" * 64


@pytest.mark.parametrize("field", ["name", "tool_call_id", "native_format"])
def test_other_texts_of_a_message_are_bounded(memory: Caller, refuses: Refuses, field: str) -> None:
    def message(length: int) -> Message:
        return Message(role="user", **({"native": "{}"} | {field: "x" * length}))

    refuses(field, lambda: memory.add_memory("a", [message(1025)]))
    refuses(field, lambda: Message(role="user", **{field: 5}))

    assert getattr(memory.add_memory("a", [message(1024)])[0], field) == "x" * 1024


def test_the_native_format_of_this_package_is_its_own(memory: Caller, refuses: Refuses) -> None:
    mine = Message(role="user", content="one", native_format="zep_memory_plugin", native="not json")

    refuses("native_format", lambda: memory.add_memory("a", [mine]))


@pytest.mark.parametrize("field", ["email", "first_name", "last_name"])
def test_texts_of_a_user_are_bounded(memory: Caller, refuses: Refuses, field: str) -> None:
    refuses(field, lambda: memory.add_user(User(user_id="bob", **{field: "x" * 1025})))
    refuses(field, lambda: memory.update_user(User(user_id="alice", **{field: "x" * 1025})))
    refuses(field, lambda: User(user_id="bob", **{field: 5}))


def test_an_empty_batch_does_not_touch_the_session(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    before = memory.tables.snapshot()

    assert memory.add_memory("a", []) == []
    assert memory.tables.snapshot() == before


def test_a_batch_holds_ten_thousand_messages(memory: Caller, refuses: Refuses) -> None:
    def endless() -> Iterator[Message]:
        while True:
            yield message

    (message,) = said("x")

    refuses("messages", lambda: memory.add_memory("a", [message] * 10_001))
    refuses("messages", lambda: memory.add_memory("a", endless()))

    assert len(memory.add_memory("b", [message] * 10_000)) == 10_000
    assert memory.count_messages(["b"]) == {"b": 10_000}


def test_a_large_batch_of_known_messages_is_rewritten(memory: Caller) -> None:
    stored = memory.add_memory("a", said(*["x"] * 3_000))
    changed = [message.model_copy(update={"content": "y", "metadata": {"a": 1}}) for message in stored[:100]]

    memory.add_memory("a", [*stored[100:], *changed])
    memory.delete_messages("a", [message.uuid for message in stored])

    assert memory.count_messages(["a"]) == {"a": 0}


def test_any_number_of_ids_may_be_asked_for(memory: Caller, refuses: Refuses) -> None:
    many = [f"s{number}" for number in range(66_000)]

    assert memory.count_messages([*many, "a"]) == dict.fromkeys(many, 0) | {"a": 1}
    with pytest.raises(LookupError):
        memory.delete_messages("a", [FIXED, *(UUID(int=number) for number in range(30_000))])
    assert memory.count_messages(["a"]) == {"a": 1}


def test_the_same_message_twice_is_stored_once(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED)] * 2)

    assert memory.list_messages("a") == [stored]


def test_the_last_of_several_messages_with_one_uuid_counts(memory: Caller) -> None:
    batch = [
        Message(role="user", content="one", uuid=FIXED, metadata={"a": 1}),
        *said("between"),
        Message(role="user", content="two", uuid=FIXED, metadata={"b": 2}),
    ]

    stored = memory.add_memory("a", batch)

    assert memory.list_messages("a") == stored
    assert texts(stored) == ["two", "between"]
    assert stored[0].metadata == {"a": 1, "b": 2}


def test_a_generator_that_fails_stores_nothing(memory: Caller) -> None:
    def failing() -> Iterator[Message]:
        yield from said("one", "two")
        raise OSError("the file ended")

    memory.add_session(Session(session_id="a"))
    before = memory.tables.snapshot()

    with pytest.raises(OSError, match="the file ended"):
        memory.add_memory("a", failing())

    assert memory.tables.snapshot() == before
