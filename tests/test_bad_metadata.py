"""Metadata that is refused, and strange metadata that is not."""

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import FIXED
from zep_memory_plugin import InvalidInput, Message, Session, Summary, User


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: every driver is asked after the same checks."""
    return request.param


def _said(metadata: Any) -> list[Message]:
    return [Message(role="user", content="one", uuid=FIXED, metadata=metadata)]


# Each stores metadata in one way and returns what the store says that it holds then.
WRITES: dict[str, Callable[[Caller, Any], Any]] = {
    "add_session": lambda memory, value: memory.add_session(Session(session_id="new", metadata=value)).metadata,
    "update_session": lambda memory, value: memory.update_session(Session(session_id="a", metadata=value)).metadata,
    "add_memory": lambda memory, value: memory.add_memory("new", _said(value))[0].metadata,
    "add_memory, known": lambda memory, value: memory.add_memory("a", _said(value))[0].metadata,
    "update_message": lambda memory, value: memory.update_message("a", FIXED, metadata=value).metadata,
    "add_summary": lambda memory, value: memory.add_summary("a", Summary(content="x", metadata=value)).metadata,
    "add_user": lambda memory, value: memory.add_user(User(user_id="new", metadata=value)).metadata,
    "update_user": lambda memory, value: memory.update_user(User(user_id="alice", metadata=value)).metadata,
}

MERGES = ("update_session", "add_memory, known", "update_message", "update_user")

FILTERS: dict[str, Callable[[Caller, Any], Any]] = {
    "list_sessions": lambda memory, wanted: memory.list_sessions(metadata=wanted),
    "list_all_sessions": lambda memory, wanted: list(memory.list_all_sessions(metadata=wanted)),
    "list_users": lambda memory, wanted: memory.list_users(metadata=wanted),
    "list_all_users": lambda memory, wanted: list(memory.list_all_users(metadata=wanted)),
}


@pytest.fixture
def written(memory: Caller) -> Caller:
    """Return a store of which every part can have metadata and none has."""
    memory.add_memory("a", _said(None), user_id="alice")
    return memory


def _refused_everywhere(memory: Caller, calls: dict[str, Callable[[Caller, Any], Any]], value: object) -> str:
    before = memory.tables.snapshot()

    for name, call in calls.items():
        with pytest.raises(InvalidInput, match="metadata") as caught:
            call(memory, value)
        assert len(str(caught.value)) < 400, name

    assert memory.tables.snapshot() == before
    return str(caught.value)


def _deep(levels: int) -> dict[str, Any]:
    """Return an object of *levels* levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def _exactly(size: int) -> dict[str, str]:
    """Return an object whose JSON has *size* bytes."""
    return {"a": "é" * ((size - len('{"a":""}')) // 2) + "x" * (size % 2)}


def _same(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal in type, order of keys and sign of zero as well."""
    return repr(one) == repr(other)


SAME = {
    "empty": {},
    "32 levels": _deep(32),
    "-0.0": {"a": -0.0},
    "1e308": {"a": 1e308},
    "the smallest number": {"a": 5e-324},
    "2**63": {"a": 2**63},
    "2**70": {"a": [2**70, -(2**70)]},
    "strange keys": {"": 1, "a.b": 2, 'a"b': 3, "$": 4, "*": 5, "a[0]": 6, "é": 7, "a\\b": 8},
    "NUL": {"a\0b": "c\0d"},
    "half a surrogate pair": {"a\ud800b": "c\udfffd"},
    "64 KiB": _exactly(64 * 1024),
    "order of keys": {"z": 1, "a": {"y": 2, "b": 3}, "mm": 4},
    "types": {"a": [True, False, None, 0, 1, 0.5, "", "text", [], {}]},
}


@pytest.mark.parametrize("value", SAME.values(), ids=SAME)
@pytest.mark.parametrize("write", WRITES)
def test_strange_metadata_is_the_same_when_read_back(written: Caller, write: str, value: dict[str, Any]) -> None:
    returned = WRITES[write](written, value)

    # {} merged into nothing is nothing: a touch.
    assert _same(returned, None if value == {} and write in MERGES else value)
    stored = [
        *(session.metadata for session in written.list_sessions()),
        *(user.metadata for user in written.list_users()),
        *(message.metadata for name in ("a", "new") for message in written.list_messages(name)),
        *(summary.metadata for summary in written.list_summaries("a")),
    ]
    assert any(_same(metadata, returned) for metadata in stored)


@pytest.mark.parametrize("write", WRITES)
def test_no_metadata_stays_none(written: Caller, write: str) -> None:
    assert WRITES[write](written, None) is None


@pytest.mark.parametrize("write", MERGES)
def test_none_as_metadata_changes_nothing(written: Caller, write: str) -> None:
    WRITES[write](written, {"a": 1, "b": 2})

    assert WRITES[write](written, None) == {"a": 1, "b": 2}


@pytest.mark.parametrize("write", ["update_session", "update_message", "update_user"])
def test_none_in_a_key_of_an_update_takes_it_out(written: Caller, write: str) -> None:
    WRITES[write](written, {"a": 1, "b": 2})

    assert WRITES[write](written, {"a": None}) == {"b": 2}


def test_none_in_a_key_of_a_known_message_is_stored(written: Caller) -> None:
    """It is the message as it is said again, not an update."""
    WRITES["add_memory, known"](written, {"a": 1, "b": 2})

    assert WRITES["add_memory, known"](written, {"a": None}) == {"a": None, "b": 2}


def _circular() -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    value["self"] = [value]
    return value


def _doubling(levels: int) -> dict[str, Any]:
    """Return an object that is small in memory and has 2**levels parts as JSON."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value, "b": value}
    return value


class Plain(Enum):
    """An enumeration whose members are no JSON."""

    RED = 1


REFUSED = {
    "a list": [1],
    "text": "text",
    "a number": 5,
    "33 levels": _deep(33),
    "33 levels of lists": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
    "1,000 levels": _deep(1_000),
    "5,000 levels": _deep(5_000),
    "itself": _circular(),
    "NaN": {"a": math.nan},
    "infinity": {"a": [math.inf]},
    "minus infinity": {"a": {"b": -math.inf}},
    "10**5000": {"a": 10**5000},
    "datetime": {"a": datetime(2024, 1, 1, tzinfo=UTC)},
    "date": {"a": date(2024, 1, 1)},
    "Decimal": {"a": Decimal("1.5")},
    "UUID": {"a": FIXED},
    "bytes": {"a": b"bytes"},
    "set": {"a": {1}},
    "Enum": {"a": Plain.RED},
    "object": {"a": object()},
    "tuple": {"a": (1, 2)},
    "key 1": {1: "a"},
    "key None": {None: "a"},
    "key True": {"a": {True: "a"}},
    "two keys of one name": {1: "a", "1": "b"},
    "one byte more": _exactly(64 * 1024 + 1),
    "100,000 keys": {str(number): number for number in range(100_000)},
    "20 MB": {"a": "x" * 20_000_000},
    "much in little memory": _doubling(31),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_bad_metadata_is_refused_everywhere(written: Caller, value: object) -> None:
    _refused_everywhere(written, WRITES, value)


def test_the_path_to_what_is_no_json_is_named(written: Caller) -> None:
    said = _refused_everywhere(written, WRITES, {"a": [1, {"b c": {1}}]})

    assert said == "metadata['a'][1]['b c'] is of type set, no JSON type"


def test_a_merge_that_grows_too_large_is_refused(written: Caller) -> None:
    half = {name: {name: "x" * 40_000} for name in ("a", "b")}

    for write in MERGES:
        assert WRITES[write](written, {"a": half["a"]}) == {"a": half["a"]}
    _refused_everywhere(written, {write: WRITES[write] for write in MERGES}, {"b": half["b"]})


def test_kinds_of_text_numbers_and_objects_are_stored_as_what_they_are_kinds_of(written: Caller) -> None:
    class Number(IntEnum):
        ONE = 1

    class Word(StrEnum):
        RED = "red"

    value = OrderedDict(number=Number.ONE, word=Word.RED)

    returned = written.add_session(Session(session_id="new", metadata=value)).metadata

    assert _same(returned, {"number": 1, "word": "red"})


def test_what_the_caller_keeps_is_not_what_is_stored(memory: Caller) -> None:
    given = {"a": {"b": [1]}}
    stored = memory.add_session(Session(session_id="a", metadata=given))
    returned = memory.add_memory("a", _said(given))

    given["a"]["b"].append(2)
    stored.metadata["a"]["b"].append(3)
    returned[0].metadata["a"]["b"].append(4)

    assert memory.get_session("a").metadata == {"a": {"b": [1]}}
    assert memory.list_messages("a")[0].metadata == {"a": {"b": [1]}}


def test_filters_match_none_and_tell_true_from_one(written: Caller) -> None:
    written.add_user(User(user_id="bob", metadata={"none": None, "true": True, "": 1}))

    def found(wanted: dict[str, Any]) -> list[str]:
        return [user.user_id for user in written.list_users(metadata=wanted)]

    assert found({"none": None}) == found({"true": True}) == found({"": 1}) == ["bob"]
    assert found({"true": 1}) == found({"": True}) == found({"missing": None}) == []


REFUSED_FILTERS = {
    "NUL in a key": {"a\0": 1},
    "NUL in a value": {"a": "a\0"},
    "half a surrogate pair in a key": {"\ud800": 1},
    "half a surrogate pair in a value": {"a": "\ud800"},
    "a list": {"a": [1]},
    "an object": {"a": {"b": 1}},
    "a tuple": {"a": (1,)},
    "bytes": {"a": b"a"},
    "NaN": {"a": math.nan},
    "infinity": {"a": math.inf},
    "2**63": {"a": 2**63},
    "key 1": {1: "a"},
    "key None": {None: "a"},
    "text": "a",
    "a list of pairs": [("a", 1)],
    "a number": 5,
}


@pytest.mark.parametrize("wanted", REFUSED_FILTERS.values(), ids=REFUSED_FILTERS)
def test_a_bad_filter_is_refused_everywhere(written: Caller, wanted: object) -> None:
    _refused_everywhere(written, FILTERS, wanted)
