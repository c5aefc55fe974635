"""Dates in the text of a search: which are named, and which messages they meet."""

from datetime import UTC, date, datetime, timedelta

import pytest

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.core.search.dates import date_parts, dates_named


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("the pasta of 29 Dec 2023", ["year 2023", "month 12", "day 2023-12-29"]),
        ("on January 6 2024", ["year 2024", "month 1", "day 2024-1-6"]),
        ("on December 1,2023", ["year 2023", "month 12", "day 2023-12-1"]),
        ("the 31st of December 2023", ["year 2023", "month 12", "day 2023-12-31"]),
        ("on 10.01.2024", ["year 2024", "month 1", "day 2024-1-10"]),
        ("on 2024-01-10", ["year 2024", "month 1", "day 2024-1-10"]),
        ("on 1/5/2024", ["year 2024", "month 5", "day 2024-5-1", "month 1", "day 2024-1-5"]),
        ("June 10 or 11, in 2022", ["year 2022", "month 6", "day 2022-6-10"]),
        ("in mar", ["month 3"]),
        ("on Sept. 4", ["month 9", "day 9-4"]),
        ("in July 2022", ["year 2022", "month 7"]),
        ("at 4 May 10:30", ["month 5", "day 5-4"]),
        ("may I march with Jan?", []),
        ("31.31.2024 or 2024-99-99", ["year 2024", "month 31", "day 2024-31-31", "month 99", "day 2024-99-99"]),
        ("", []),
    ],
)
def test_a_text_names_dates_in_many_ways(text: str, parts: list[str]) -> None:
    """One that is in no calendar meets no message."""
    assert sorted(dates_named(text)) == sorted(parts)


def test_what_was_done_on_a_day_is_told_then_or_soon_after() -> None:
    wanted = dates_named("on 31 December 2023")

    told = [date_parts(date(2023, 12, 30) + timedelta(days)).get(wanted[-1], 0.0) for days in range(5)]

    assert told[0] == told[4] == 0
    assert told[1] > told[2] > told[3] > 0


def test_the_first_days_of_all_have_none_before_them() -> None:
    assert "day 1-1-1" in date_parts(date.min)


def test_a_message_of_the_day_comes_before_one_that_has_the_words(database_url: str) -> None:
    start = datetime(2024, 1, 1, 12, tzinfo=UTC)
    talk = [Message(role="user", content="lunch", created_at=start + timedelta(days)) for days in range(30)]
    with SessionManager(database_url) as manager:
        manager.add_memory("s", talk)

        found = manager.search_memory("lunch on 10.01.2024", session_id="s", limit=3)

    assert [result.message.created_at.day for result in found if result.message and result.message.created_at] == [
        10,
        11,
        12,
    ]
