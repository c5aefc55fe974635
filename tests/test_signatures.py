"""What holds for every method of a manager, the next one too: the tests here walk its signatures.

A new parameter fails `test_every_parameter_is_covered` until `BAD` has values for it that are refused, or `ANYTHING`
says why there are none; one that has to be given needs a value in `GOOD` of `tests/support/signatures.py` as well.
"""

import inspect
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import FIXED, said
from tests.support.signatures import GOOD, GOOD_OF, METHODS, call, fill, good_arguments, is_optional, parameters_of
from zep_memory_plugin import InvalidInput, Message, Session, SessionOwnedByAnotherUser, Summary, User

BAD_IDS = ["", "a" * 256, "a" * 10_000, "a\0b", "a\ud800", "a\nb", "a\tb", "a\x1b[0m", "a\x7f", 5, b"a", None, FIXED]
BAD_UUIDS = ["", 5, None, b"\0" * 16, [str(FIXED)]]
BAD_NUMBERS = [-1, 2**63, 2**64, True, 1.5, "5", math.nan, [1]]
BAD_POSITIONS = [2**63, -(2**64), True, 1.5, "5", math.nan, [1]]
BAD_OBJECTS = [5, "text", ["a"], {"a": math.nan}, {"a": {1}}, {1: "a"}]
BAD_MOMENTS = [datetime(2026, 1, 1), "2026-01-01", 5]
BAD_TEXTS = [5, b"text", ["text"]]


def of_another_kind(other: object) -> list[object]:
    """Return what is no model of the kind that is wanted, among them the model *other*."""
    return [None, 5, "a", {"session_id": "a"}, other]


BAD: dict[str, list[Any]] = {
    "after": BAD_UUIDS,
    "as_of": [-1, 2**64, True, 1.5, "5", math.nan, [1], datetime(2026, 1, 1), "2026-01-01"],
    "by": [None, "", "week", 5],
    "batch_size": [*BAD_NUMBERS, None, 0, 100_001],
    "chunk_size": [*BAD_NUMBERS, None, 0],
    "comment": [*BAD_TEXTS, "a" * 10_001],
    "content": BAD_TEXTS,
    "context": [*BAD_NUMBERS, 101],
    "change": [None, 5, "{}"],
    "cursor": BAD_NUMBERS,
    "days": [*BAD_NUMBERS, None, 0, 3_661],
    "end_date": BAD_MOMENTS,
    "expected_revision": BAD_NUMBERS,
    "from_user_id": BAD_IDS,
    "grace": [None, 5, timedelta(seconds=-1), timedelta.max],
    "known": [None, "", "replace", 5],
    "lastn": BAD_NUMBERS,
    "limit": BAD_NUMBERS,
    "max_tokens": [*BAD_NUMBERS, None],
    "file_format": [None, "", "xml", 5],
    "messages": [None, 5, "text", b"text", Message(role="user"), ["text"], [None], [Session(session_id="a")]],
    "metadata": BAD_OBJECTS,
    "mmr_lambda": [-0.1, 1.1, math.nan, "0.5", True],
    "mode": [None, "", "magic", 5],
    "new_session_id": BAD_IDS,
    "order": [None, "", "newest", 5],
    "older_than": [None, 5, timedelta(seconds=-1), timedelta.max],
    "rules": [None, 5, "a", [None], [timedelta(0)], [Session(session_id="a")]],
    "score": [None, "1", True, math.nan, math.inf, 1e16, [1]],
    "scope": [None, "", "documents", 5],
    "session": [*of_another_kind(User(user_id="a")), *(Session(session_id=bad) for bad in BAD_IDS if type(bad) is str)],
    "session_id": BAD_IDS,
    "session_ids": [None, 5, "a", *(["a", bad] for bad in BAD_IDS)],
    "since": [None, "", "newest", 5],
    "since_seq": BAD_NUMBERS,
    "source": [None, 5, b"text"],
    "start": BAD_POSITIONS,
    "start_date": BAD_MOMENTS,
    "state": [5, b"{}", {}, "", "{", "NaN,", '"\ud83d"', "9" * (2**20 + 1)],
    "status": ["", "gone", 5],
    "stop": BAD_POSITIONS,
    "summary": [
        *of_another_kind(Message(role="user")),
        Summary(content="", token_count=-1),
        Summary(content="", seq=-1),
    ],
    "target": [None, 5, b"text"],
    "text": BAD_TEXTS,
    "to_uuid": BAD_UUIDS,
    "turns": [*BAD_NUMBERS, None],
    "until_seq": BAD_NUMBERS,
    "after_seq": BAD_NUMBERS,
    "until_uuid": BAD_UUIDS,
    "user": [*of_another_kind(Session(session_id="a")), *(User(user_id=bad) for bad in BAD_IDS if type(bad) is str)],
    "user_id": BAD_IDS,
    "uuid": BAD_UUIDS,
    "uuids": [None, 5, str(FIXED), *([FIXED, bad] for bad in BAD_UUIDS)],
    "words": [5, "text", b"text", [5], [""], ["a"] * 101],
    "where": [5, "$.a", ["$.a"], {"json_path": "$.a"}, {"jsonpath": "$.a ? (@ == "}, {"and": {}}],
}
"""For each parameter, values that are refused; None is none of them where a signature has it as its default."""

ANYTHING = {
    "create_user": "anything is true or false",
    "deleted": "anything is true or false",
    "dry_run": "anything is true or false",
    "embeddings": "anything is true or false",
    "exist_ok": "anything is true or false",
    "explain": "anything is true or false",
    "progress": "it is called; what is no function fails as any call of it",
    "whole_turns": "anything is true or false",
    "with_preview": "anything is true or false",
    "with_state": "anything is true or false",
}
"""The parameters of which no value is refused, and why."""

NAMES_A_SESSION = {"session", "session_id", "session_ids"}


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: arguments are the same to every driver."""
    return request.param


def test_every_parameter_is_covered() -> None:
    """A parameter of tomorrow has to be added; one that no method takes any more has to go."""
    taken = {(method, name): parameter for method in METHODS for name, parameter in parameters_of(method).items()}
    names = {name for _, name in taken}
    given = {name for method in METHODS for name in good_arguments(method)}

    assert sorted(names - {*BAD, *ANYTHING}) == [], "add values that are refused to BAD in tests/test_signatures.py"
    assert sorted({*BAD, *ANYTHING} - names) == [], "no method takes these parameters: take them out"
    assert sorted(given - {*GOOD}) == [], "add a value that works to GOOD in tests/support/signatures.py"
    assert {*GOOD_OF} <= {*taken}


@pytest.mark.parametrize("method", [method for method in METHODS if method != "close"])
def test_good_arguments_are_accepted(memory: Caller, method: str) -> None:
    """What the other tests here change one argument of is a call that works."""
    fill(memory)

    call(memory, method)


def _bad_values(parameter: inspect.Parameter) -> Iterator[Any]:
    return (bad for bad in BAD.get(parameter.name, []) if not (bad is None and is_optional(parameter)))


@pytest.mark.parametrize("method", [method for method in METHODS if parameters_of(method)])
def test_every_bad_argument_is_refused_and_nothing_is_stored(memory: Caller, method: str) -> None:
    """The error names the parameter or the part of it that is bad, and is short enough to be read."""
    fill(memory)
    before = memory.tables.snapshot()

    for name, parameter in parameters_of(method).items():
        for bad in _bad_values(parameter):
            with pytest.raises(InvalidInput) as caught:
                call(memory, method, **{name: bad})
            assert len(str(caught.value)) < 300, (name, bad)
            assert str(caught.value).isprintable(), (name, bad)
            assert _is_about(caught.value.field, name), (name, bad, caught.value)

    assert memory.tables.snapshot() == before


def _is_about(field: str, name: str) -> bool:
    """Tell whether an error about *field* is one about the parameter *name*, or about what a model in it holds."""
    inside = {"session": ("session_id",), "summary": ("seq", "token_count"), "user": ("user_id",)}
    return any(field.startswith(part) or part in name for part in (name, field, *inside.get(name, ())))


GIVES_TO_A_USER = {"move_session"}
"""The methods whose user is not who calls, but who gets the session."""

OF_A_SESSION = [
    method
    for method in METHODS
    if "user_id" in parameters_of(method)
    and NAMES_A_SESSION & {*parameters_of(method)}
    and method not in GIVES_TO_A_USER
]

OWNING = {"add_memory", "replace_memory"}
"""The writes that give a session of nobody to the user whom they name."""


def test_every_method_that_names_a_session_takes_a_user() -> None:
    """But for the one that stores a new session, which names its user itself."""
    methods = {method for method in METHODS if NAMES_A_SESSION & {*parameters_of(method)}}

    assert methods - {*OF_A_SESSION} == {"add_session", *GIVES_TO_A_USER}


def naming_a_session(method: str) -> dict[str, str]:
    """Return the session "a" as an argument, also for a method that need not be given one."""
    return {"session_id": "a"} if "session_id" in parameters_of(method) else {}


@pytest.mark.parametrize("state", ["live", "deleted"])
@pytest.mark.parametrize("method", OF_A_SESSION)
def test_the_session_of_another_user_is_out_of_reach_of_every_method(memory: Caller, method: str, state: str) -> None:
    """It is refused in every method that names a session, and nothing is read or written."""
    fill(memory)
    if state == "deleted":
        memory.delete_session("a")
    before = memory.tables.snapshot()

    with pytest.raises(SessionOwnedByAnotherUser):
        call(memory, method, **naming_a_session(method), user_id="bob")

    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("method", OF_A_SESSION)
@pytest.mark.parametrize("user_id", ["alice", None])
def test_a_session_is_in_reach_of_its_user_and_of_who_names_none(
    memory: Caller, method: str, user_id: str | None
) -> None:
    fill(memory)

    call(memory, method, **naming_a_session(method), user_id=user_id)


@pytest.mark.parametrize("method", [method for method in OF_A_SESSION if method not in OWNING])
def test_a_session_of_nobody_is_in_reach_of_all_and_stays_nobodys(memory: Caller, method: str) -> None:
    """Only a write of messages gives it an owner."""
    memory.add_memory("a", [*said("before"), Message(role="user", content="kept", uuid=FIXED)])

    call(memory, method, **naming_a_session(method), user_id="bob")

    assert {row["user_id"] for row in memory.tables.rows("sessions")} == {None}
