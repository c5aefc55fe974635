"""Messages, numbers and moments that are refused, and strange ones that are not.

Rows 25 to 46 and 68 to 88 of the catalogue of bad input.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import OpenMemory
from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.messages import said, texts
from tests.support.rows import rows, snapshot
from zep_memory_plugin import (
    DatabaseUnavailable,
    InvalidInput,
    Message,
    Session,
    SessionManager,
    Summary,
    ToolCall,
    User,
)

FIXED = UUID("6b1e7a52-9f0c-4d1e-8a55-0d6f7c3b2a10")
MEBIBYTE = 1024 * 1024


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend of every driver."""
    return request.param


@pytest.fixture
def refuses(memory: Caller) -> Callable[..., InvalidInput]:
    """Return a function that sees a call being refused and nothing being stored."""
    memory.add_memory("a", [Message(role="user", content="kept", uuid=FIXED, metadata={"kept": 1})], user_id="alice")
    before = snapshot(memory.manager)

    def refuses(field: str, call: Callable[[], object]) -> InvalidInput:
        with pytest.raises(InvalidInput, match=field) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert len(str(caught.value)) < 300
        assert snapshot(memory.manager) == before
        return caught.value

    return refuses


SAME = {
    "row 25: empty": "",
    "row 29: NUL": "a\0b",
    "row 29: only NUL": "\0",
    "row 30: half a surrogate pair": "a\ud800b",
    "row 30: the other half": "\udfff",
    "row 30: halves the wrong way round": "\udc00\ud800",
    "row 30: NUL and halves": "\0\ud800\\u0000\0",
    "row 31: U+FFFF": "a\uffffb",
    "row 31: U+10FFFF": "a\U0010ffffb",
    "row 38: white space": " \t ",
    "row 38: 100,000 newlines": "\n" * 100_000,
    "row 39: 200,000 words": " ".join(f"word{number}" for number in range(200_000)),
    "row 40: a long word": "w" * 5_000,
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
def test_rows_29_and_30_hold_for_every_text_of_a_message(memory: Caller, text: str) -> None:
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


def test_rows_29_and_30_a_changed_text_replaces_a_strange_one(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", said("a\0b"))

    assert memory.update_message("a", stored.uuid, content="plain").content == "plain"
    assert memory.add_memory("a", [stored])[0].content == "a\0b"
    assert memory.get_message("a", stored.uuid).content == "a\0b"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=ascii)
def test_rows_29_and_30_other_texts_are_stored_as_a_database_takes_them(memory: Caller, text: str) -> None:
    memory.add_memory("a", [Message(role="user", content="", native_format=text, native=f'"{text}"')])
    user = memory.add_user(User(user_id="bob", email=text, first_name=text, last_name=text, metadata={"a": text}))
    summary = memory.add_summary("a", Summary(content=text, metadata={"a": text}))

    assert user == memory.get_user("bob")
    assert memory.list_summaries("a") == [summary]
    assert user.metadata == summary.metadata == {"a": text}
    assert summary.content == user.email == text.translate({0: " ", 0xD800: "\ufffd"})
    assert memory.update_user(User(user_id="bob", email=text)).email == user.email


def test_row_26_no_content_is_empty_content(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", [Message(role="ai", content=None)])

    assert stored.content == ""
    assert memory.list_messages("a") == [stored]


@pytest.mark.parametrize("field", ["content", "native", "tool_calls"])
def test_rows_27_and_28_a_message_holds_sixteen_mebibytes(
    memory: Caller, refuses: Callable[..., InvalidInput], field: str
) -> None:
    def message(size: int) -> Message:
        if field == "tool_calls":
            overhead = len('[{"id":null,"name":"f","args":""}]')
            return Message(role="ai", token_count=0, tool_calls=[ToolCall(name="f", args="x" * (size - overhead))])
        return Message(role="ai", token_count=0, **{field: "x" * size})

    error = refuses(field, lambda: memory.add_memory("a", [message(16 * MEBIBYTE + 1)]))
    assert str(error) == f"{field} has 16777217 bytes; allowed are 16777216"

    (stored,) = memory.add_memory("a", [message(16 * MEBIBYTE)])
    assert memory.get_message("a", stored.uuid) == stored


def test_row_27_bytes_are_counted_not_characters(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    refuses("content", lambda: memory.add_memory("a", said("é" * (8 * MEBIBYTE + 1))))
    refuses("content", lambda: memory.update_message("a", FIXED, content="é" * (8 * MEBIBYTE + 1)))
    refuses("content", lambda: memory.add_summary("a", Summary(content="é" * (8 * MEBIBYTE + 1))))


@pytest.mark.parametrize("content", [b"bytes", 5, ["text"], [{"type": "text", "text": "hi"}], {"a": 1}], ids=repr)
def test_rows_32_and_33_content_is_text(memory: Caller, refuses: Callable[..., InvalidInput], content: object) -> None:
    refuses("content", lambda: Message(role="user", content=content))
    refuses("content", lambda: memory.update_message("a", FIXED, content=content))
    refuses("content", lambda: Summary(content=content))


def test_row_34_a_tool_call_may_have_a_mebibyte_of_arguments(memory: Caller) -> None:
    call = ToolCall(id="1", name="write", args={"lines": ["x" * 1023] * 1024})

    (stored,) = memory.add_memory("a", [Message(role="ai", tool_calls=[call])])

    assert stored.tool_calls == [call]
    assert memory.list_messages("a") == [stored]


def test_row_35_ids_of_tool_calls_may_be_missing_or_the_same(memory: Caller) -> None:
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
def test_arguments_of_tool_calls_are_bounded_json(
    memory: Caller, refuses: Callable[..., InvalidInput], args: dict[str, Any]
) -> None:
    refuses(
        "tool_calls", lambda: memory.add_memory("a", [Message(role="ai", tool_calls=[ToolCall(name="f", args=args)])])
    )


def test_arguments_of_tool_calls_may_be_a_hundred_levels_deep(memory: Caller) -> None:
    call = ToolCall(name="f", args=_deep(100))

    memory.add_memory("a", [Message(role="ai", tool_calls=[call])])

    assert memory.list_messages("a")[0].tool_calls == [call]


def test_row_36_an_unknown_role_is_kept(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", said("one", role="critic"))

    assert (stored.role, stored.role_type) == ("critic", "other")
    assert memory.list_messages("a") == [stored]


def test_row_36_a_role_is_text_of_at_most_64_characters(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    refuses("role", lambda: memory.add_memory("a", said("one", role="r" * 65)))
    refuses("role", lambda: Message(role=5, content="one"))
    refuses("role", lambda: Message(role=None, content="one"))
    refuses("role", lambda: Message(content="one"))
    refuses("role_type", lambda: Message(role="user", role_type="critic"))

    assert memory.add_memory("a", said("one", role="r" * 64))[0].role == "r" * 64


@pytest.mark.parametrize("field", ["name", "tool_call_id", "native_format"])
def test_other_texts_of_a_message_are_bounded(memory: Caller, refuses: Callable[..., InvalidInput], field: str) -> None:
    def message(length: int) -> Message:
        return Message(role="user", **({"native": "{}"} | {field: "x" * length}))

    refuses(field, lambda: memory.add_memory("a", [message(1025)]))
    refuses(field, lambda: Message(role="user", **{field: 5}))

    assert getattr(memory.add_memory("a", [message(1024)])[0], field) == "x" * 1024


def test_the_native_format_of_this_package_is_its_own(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    mine = Message(role="user", content="one", native_format="zep_memory_plugin", native="not json")

    refuses("native_format", lambda: memory.add_memory("a", [mine]))


@pytest.mark.parametrize("field", ["email", "first_name", "last_name"])
def test_texts_of_a_user_are_bounded(memory: Caller, refuses: Callable[..., InvalidInput], field: str) -> None:
    refuses(field, lambda: memory.add_user(User(user_id="bob", **{field: "x" * 1025})))
    refuses(field, lambda: memory.update_user(User(user_id="alice", **{field: "x" * 1025})))
    refuses(field, lambda: User(user_id="bob", **{field: 5}))


def test_row_41_an_empty_batch_does_not_touch_the_session(memory: Caller) -> None:
    memory.add_memory("a", said("one"))
    before = snapshot(memory.manager)

    assert memory.add_memory("a", []) == []
    assert snapshot(memory.manager) == before


def test_row_42_a_batch_holds_ten_thousand_messages(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    def endless() -> Iterator[Message]:
        while True:
            yield message

    (message,) = said("x")

    refuses("messages", lambda: memory.add_memory("a", [message] * 10_001))
    refuses("messages", lambda: memory.add_memory("a", endless()))

    assert len(memory.add_memory("b", [message] * 10_000)) == 10_000
    assert memory.count_messages(["b"]) == {"b": 10_000}


def test_row_42_a_batch_of_known_messages_is_cut_into_statements(memory: Caller) -> None:
    stored = memory.add_memory("a", said(*["x"] * 10_000))
    changed = [message.model_copy(update={"content": "y", "metadata": {"a": 1}}) for message in stored[:100]]

    memory.add_memory("a", [*stored[100:], *changed])
    memory.delete_messages("a", [message.uuid for message in stored])

    assert memory.count_messages(["a"]) == {"a": 0}


def test_row_42_any_number_of_ids_may_be_asked_for(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    many = [f"s{number}" for number in range(66_000)]

    assert memory.count_messages([*many, "a"]) == dict.fromkeys(many, 0) | {"a": 1}
    with pytest.raises(LookupError):
        memory.delete_messages("a", [FIXED, *(UUID(int=number) for number in range(30_000))])
    assert memory.count_messages(["a"]) == {"a": 1}


def test_row_43_the_same_message_twice_is_stored_once(memory: Caller) -> None:
    (stored,) = memory.add_memory("a", [Message(role="user", content="one", uuid=FIXED)] * 2)

    assert memory.list_messages("a") == [stored]


def test_row_44_the_last_of_several_messages_with_one_uuid_counts(memory: Caller) -> None:
    batch = [
        Message(role="user", content="one", uuid=FIXED, metadata={"a": 1}),
        *said("between"),
        Message(role="user", content="two", uuid=FIXED, metadata={"b": 2}),
    ]

    stored = memory.add_memory("a", batch)

    assert memory.list_messages("a") == stored
    assert texts(stored) == ["two", "between"]
    assert stored[0].metadata == {"a": 1, "b": 2}


def test_row_46_a_generator_that_fails_stores_nothing(memory: Caller) -> None:
    def failing() -> Iterator[Message]:
        yield from said("one", "two")
        raise OSError("the file ended")

    memory.add_session(Session(session_id="a"))
    before = snapshot(memory.manager)

    with pytest.raises(OSError, match="the file ended"):
        memory.add_memory("a", failing())

    assert snapshot(memory.manager) == before


NO_MESSAGES = [None, 5, "text", b"bytes", ["text"], [None], [{"role": "user", "content": "x"}], said("x")[0]]


@pytest.mark.parametrize("messages", NO_MESSAGES, ids=lambda value: type(value).__name__)
def test_what_are_no_messages_is_refused(
    memory: Caller, refuses: Callable[..., InvalidInput], messages: object
) -> None:
    refuses("message", lambda: memory.add_memory("a", messages))


def test_what_is_no_model_is_refused(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    session, user = Session(session_id="new"), User(user_id="new")
    for bad in (None, "a", {"session_id": "a"}, user):
        refuses("session", lambda bad=bad: memory.add_session(bad))
        refuses("session", lambda bad=bad: memory.update_session(bad))
    for bad in (None, "a", {"user_id": "a"}, session):
        refuses("user", lambda bad=bad: memory.add_user(bad))
        refuses("user", lambda bad=bad: memory.update_user(bad))
    for bad in (None, "text", {"content": "text"}, user):
        refuses("summary", lambda bad=bad: memory.add_summary("a", bad))


@pytest.mark.parametrize("bad", [None, 5, "abc", b"abc"], ids=repr)
def test_several_ids_are_no_text(memory: Caller, refuses: Callable[..., InvalidInput], bad: object) -> None:
    refuses("session_ids", lambda: memory.count_messages(bad))
    refuses("uuids", lambda: memory.delete_messages("a", bad))


def test_a_model_knows_its_fields(refuses: Callable[..., InvalidInput]) -> None:
    refuses("contents", lambda: Message(role="user", contents="x"))
    refuses("session_id", lambda: Session())
    refuses("uuid", lambda: Message(role="user", uuid="not a uuid"))
    refuses("tool_calls", lambda: Message(role="ai", tool_calls=[5]))
    refuses("name", lambda: ToolCall(name=5))


def test_a_model_checks_what_is_assigned_to_it(refuses: Callable[..., InvalidInput]) -> None:
    (message,) = said("one")
    session = Session(session_id="a")

    refuses("content", lambda: setattr(message, "content", b"two"))
    refuses("created_at", lambda: setattr(message, "created_at", datetime(2024, 1, 1)))
    refuses("session_id", lambda: setattr(session, "session_id", 5))
    message.content, message.uuid = "two", str(FIXED)

    assert (message.content, message.uuid) == ("two", FIXED)
    assert (session.session_id, message.created_at) == ("a", None)


@pytest.mark.parametrize("counted", [-1, 2**31, 1.5, None, "5", [5, 6]], ids=repr)
def test_a_token_counter_returns_a_number_of_tokens(open_memory: OpenMemory, counted: object) -> None:
    memory = open_memory(token_counter=lambda text: counted)
    memory.add_session(Session(session_id="a"))

    with pytest.raises(InvalidInput, match="token_counter"):
        memory.add_memory("a", said("one"))
    with pytest.raises(InvalidInput, match="token_counter"):
        memory.add_summary("a", Summary(content="short"))
    assert memory.list_messages("a") == []


@pytest.mark.parametrize("token_count", [-1, 2**31, 2**63, 2**70], ids=repr)
def test_row_80_a_token_count_fits(memory: Caller, refuses: Callable[..., InvalidInput], token_count: int) -> None:
    refuses("token_count", lambda: memory.add_memory("a", [Message(role="user", token_count=token_count)]))
    refuses("token_count", lambda: memory.add_summary("a", Summary(content="x", token_count=token_count)))


@pytest.mark.parametrize("token_count", [1.5, 1.0, math.nan, "5", True], ids=repr)
def test_rows_79_and_80_a_token_count_is_a_whole_number(
    refuses: Callable[..., InvalidInput], token_count: object
) -> None:
    refuses("token_count", lambda: Message(role="user", token_count=token_count))
    refuses("token_count", lambda: Summary(content="x", token_count=token_count))


LISTINGS: dict[str, tuple[str, ...]] = {
    "list_sessions": (),
    "list_users": (),
    "list_messages": ("a",),
    "list_summaries": ("a",),
    "get_user_sessions": ("alice",),
}


@pytest.mark.parametrize("bad", [-1, 2**63, 2**64, True, 1.5, "5", math.nan, [1]], ids=repr)
def test_rows_68_and_69_limits_and_cursors_are_whole_numbers_from_zero(
    memory: Caller, refuses: Callable[..., InvalidInput], bad: object
) -> None:
    for method, arguments in LISTINGS.items():
        refuses("limit", lambda m=method, a=arguments: getattr(memory, m)(*a, limit=bad))
        refuses("cursor", lambda m=method, a=arguments: getattr(memory, m)(*a, cursor=bad))
    refuses("lastn", lambda: memory.get_memory("a", bad))
    refuses("limit", lambda: memory.last_messages("a", bad))
    refuses("seq", lambda: memory.add_summary("a", Summary(content="x", seq=bad)))


def test_row_69_no_cursor_is_none(memory: Caller, refuses: Callable[..., InvalidInput]) -> None:
    for method, arguments in LISTINGS.items():
        refuses("cursor", lambda m=method, a=arguments: getattr(memory, m)(*a, cursor=None))


def test_rows_68_to_72_the_largest_numbers_are_numbers(memory: Caller) -> None:
    stored = memory.add_memory("a", said("one", "two"), user_id="alice")

    for method, arguments in LISTINGS.items():
        assert getattr(memory, method)(*arguments, limit=2**63 - 1) == getattr(memory, method)(*arguments)
        assert getattr(memory, method)(*arguments, cursor=2**63 - 1) == []
    assert memory.get_memory("a", 2**63 - 1).messages == stored
    assert memory.last_messages("a", 2**63 - 1, max_tokens=2**63 - 1, whole_turns=True) == stored


GIVEN_MOMENTS: dict[str, Callable[[Caller, Any], datetime]] = {
    "session": lambda memory, moment: memory.add_session(Session(session_id="m", created_at=moment)).created_at,
    "user": lambda memory, moment: memory.add_user(User(user_id="m", created_at=moment)).created_at,
    "message": lambda memory, moment: memory.add_memory("m", [Message(role="user", created_at=moment)])[0].created_at,
    "summary": lambda memory, moment: memory.add_summary("a", Summary(content="x", created_at=moment)).created_at,
}


@pytest.mark.parametrize("give", GIVEN_MOMENTS.values(), ids=GIVEN_MOMENTS)
def test_row_73_a_naive_moment_is_told_to_get_a_timezone(
    memory: Caller, refuses: Callable[..., InvalidInput], give: Callable[[Caller, Any], datetime]
) -> None:
    error = refuses("created_at", lambda: give(memory, datetime(2024, 1, 1)))

    assert "give a timezone" in str(error)


MOMENTS = {
    "row 74: +05:30": datetime(2024, 5, 6, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "row 75: 1960": datetime(1960, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "row 75: year 1": datetime(1, 1, 2, tzinfo=UTC),
    "row 75: year 9999": datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    "row 78: the first two o'clock": datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    "row 78: the second two o'clock": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "row 78: an hour that is left out": datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
}


@pytest.mark.parametrize("give", GIVEN_MOMENTS.values(), ids=GIVEN_MOMENTS)
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_moments_are_the_same_in_utc(memory: Caller, moment: datetime, give: Callable[[Caller, Any], datetime]) -> None:
    memory.add_memory("a", said("one"))

    returned = give(memory, moment)

    assert returned == moment.astimezone(UTC)
    assert returned.tzinfo is UTC
    stored = [
        row["created_at"]
        for table in ("sessions", "users", "messages", "summaries")
        for row in rows(memory.manager, table)
    ]
    assert moment.astimezone(UTC) in stored


@pytest.mark.parametrize("give", GIVEN_MOMENTS.values(), ids=GIVEN_MOMENTS)
@pytest.mark.parametrize(
    "moment",
    [
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
        datetime(1, 1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(1, 1, 1, 23, 59, tzinfo=UTC),
        date(2024, 1, 1),
        1704067200,
        1704067200.5,
        "2024-01-01T00:00:00Z",
    ],
    ids=[
        "row 76: after 9999",
        "row 76: before 1",
        "infinity",
        "minus infinity",
        "the last day",
        "the first day",
        "row 77: date",
        "row 77: int",
        "row 77: float",
        "row 77: text",
    ],
)
def test_rows_76_and_77_a_moment_is_a_datetime_that_every_timezone_can_hold(
    memory: Caller,
    refuses: Callable[..., InvalidInput],
    give: Callable[[Caller, Any], datetime],
    moment: object,
) -> None:
    refuses("created_at", lambda: give(memory, moment))


def test_row_88_a_manager_can_be_closed_twice_and_not_used_after(open_memory: OpenMemory) -> None:
    memory = open_memory()
    memory.add_memory("a", said("one"))

    memory.manager.close()
    memory.manager.close()

    with pytest.raises(DatabaseUnavailable, match="closed"):
        memory.list_messages("a")


@pytest.mark.parametrize("option", ["message_window", "durability", "database"])
def test_options_of_a_manager_are_checked(option: str) -> None:
    bad = {"message_window": [0, -1, True, 1.5, "5", None], "durability": ["", "FULL", None, 1], "database": [None, 5]}

    for value in bad[option]:
        with pytest.raises(InvalidInput, match=option):
            SessionManager(**{option: value})
