"""Numbers and moments that are refused, and strange ones that are not: rows 68 to 80 of the catalogue of bad input."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import OpenMemory, Refuses
from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.messages import said
from tests.support.rows import rows
from zep_memory_plugin import InvalidInput, Message, Session, Summary, User


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend of every driver."""
    return request.param


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
def test_row_80_a_token_count_fits(memory: Caller, refuses: Refuses, token_count: int) -> None:
    refuses("token_count", lambda: memory.add_memory("a", [Message(role="user", token_count=token_count)]))
    refuses("token_count", lambda: memory.add_summary("a", Summary(content="x", token_count=token_count)))


@pytest.mark.parametrize("token_count", [1.5, 1.0, math.nan, "5", True], ids=repr)
def test_rows_79_and_80_a_token_count_is_a_whole_number(refuses: Refuses, token_count: object) -> None:
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
    memory: Caller, refuses: Refuses, bad: object
) -> None:
    for method, arguments in LISTINGS.items():
        refuses("limit", lambda m=method, a=arguments: getattr(memory, m)(*a, limit=bad))
        refuses("cursor", lambda m=method, a=arguments: getattr(memory, m)(*a, cursor=bad))
    refuses("lastn", lambda: memory.get_memory("a", bad))
    refuses("limit", lambda: memory.last_messages("a", bad))
    refuses("seq", lambda: memory.add_summary("a", Summary(content="x", seq=bad)))


def test_row_69_no_cursor_is_none(memory: Caller, refuses: Refuses) -> None:
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
    memory: Caller, refuses: Refuses, give: Callable[[Caller, Any], datetime]
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
    refuses: Refuses,
    give: Callable[[Caller, Any], datetime],
    moment: object,
) -> None:
    refuses("created_at", lambda: give(memory, moment))
