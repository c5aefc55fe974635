"""Numbers and moments that are refused, and strange ones that are not."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Refuses
from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.messages import said
from zep_memory_plugin import Message, Session, Summary, User


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: every driver is asked after the same checks."""
    return request.param


@pytest.mark.parametrize("token_count", [-1, 2**31, 2**63, 2**70], ids=repr)
def test_a_token_count_that_does_not_fit_is_refused(memory: Caller, refuses: Refuses, token_count: int) -> None:
    refuses("token_count", lambda: memory.add_memory("a", [Message(role="user", token_count=token_count)]))
    refuses("token_count", lambda: memory.add_summary("a", Summary(content="x", token_count=token_count)))


@pytest.mark.parametrize("token_count", [1.5, 1.0, math.nan, "5", True], ids=repr)
def test_a_token_count_is_a_whole_number(refuses: Refuses, token_count: object) -> None:
    refuses("token_count", lambda: Message(role="user", token_count=token_count))
    refuses("token_count", lambda: Summary(content="x", token_count=token_count))


LISTINGS: dict[str, tuple[str, ...]] = {
    "list_sessions": (),
    "list_users": (),
    "list_messages": ("a",),
    "list_summaries": ("a",),
    "get_user_sessions": ("alice",),
}


def test_the_largest_limits_and_cursors_are_accepted(memory: Caller) -> None:
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
def test_a_naive_moment_is_told_to_get_a_timezone(
    memory: Caller, refuses: Refuses, give: Callable[[Caller, Any], datetime]
) -> None:
    error = refuses("created_at", lambda: give(memory, datetime(2024, 1, 1)))

    assert "give a timezone" in str(error)


MOMENTS = {
    "+05:30": datetime(2024, 5, 6, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "1960": datetime(1960, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "year 1": datetime(1, 1, 2, tzinfo=UTC),
    "year 9999": datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    "the first two o'clock": datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    "the second two o'clock": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "an hour that is left out": datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
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
        for row in memory.tables.rows(table)
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
        "the first of January",
    ],
    ids=[
        "after 9999",
        "before 1",
        "infinity",
        "minus infinity",
        "the last day",
        "the first day",
        "date",
        "int",
        "float",
        "text",
    ],
)
def test_a_moment_is_a_datetime_that_every_timezone_can_hold(
    memory: Caller,
    refuses: Refuses,
    give: Callable[[Caller, Any], datetime],
    moment: object,
) -> None:
    refuses("created_at", lambda: give(memory, moment))
