"""The dates that a query names: the day on which a message was sent is part of what it says.

Years, months and whole days, as `2024-01-10`, `10.01.2024`, `1/10/2024`, `10 Jan 2024` or `January 10th`. What was done
on a day is told on that day, or soon after.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from ...terms.cutting import LONGEST_QUERY

TOLD = {0: 1.0, 1: 0.8, 2: 0.6}
"""How much it tells that a message was sent so many days after a day: when one ends depends on where one is, too."""

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_NAMES = """
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sept sep oct nov dec""".split()
_CLEAR = frozenset(_NAMES[:12]) - {"march", "may"}
"""Names of months that are hardly ever another word, or somebody's name."""

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d{1,2})-(\d{1,2})\b")
_NUMBERS = re.compile(r"\b(\d{1,2})([./])(\d{1,2})\2((?:19|20)\d\d)\b")
_WRITTEN = re.compile(
    rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? )?({'|'.join(_NAMES)})\b\.?(?: (\d{{1,2}})(?:st|nd|rd|th)?\b(?! *:))?"
    r"(?:,? ?((?:19|20)\d\d)\b)?"
)


def dates_named(text: str) -> list[str]:
    """Return the days, months and years, in English, that a query names, as `date_parts` calls them."""
    text = text[:LONGEST_QUERY].lower()
    years = _YEAR.findall(text)
    parts = [f"year {year}" for year in years]
    only_year = years[0] if len(years) == 1 else ""
    for year, month, day in _named(text):
        parts.append(f"month {month}")
        if day:
            parts.append(_day(year or only_year, month, day))
    return list(dict.fromkeys(parts))


def date_parts(day: date) -> Mapping[str, float]:
    """Return what a message of a *day* belongs to, and how much: its year, its month, and whole days before it."""
    parts = {f"year {day.year}": 1.0, f"month {day.month}": 1.0}
    for days, share in TOLD.items():
        if day.toordinal() > days:
            told = day - timedelta(days)
            parts[_day(told.year, told.month, told.day)] = share
            parts[_day("", told.month, told.day)] = share
    return parts


def _day(year: int | str, month: int, day: int) -> str:
    """Return what a whole day is called, perhaps one of any year."""
    return f"day {year}-{month}-{day}" if year else f"day {month}-{day}"


def _named(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield year, month and day of what a text names; no year, or day 0, where it leaves that open."""
    for year, month, day in _ISO.findall(text):
        yield year, int(month), int(day)
    for first, sign, second, year in _NUMBERS.findall(text):
        yield year, int(second), int(first)
        if sign == "/":  # which some put between month and day
            yield year, int(first), int(second)
    for before, month, after, year in _WRITTEN.findall(text):
        day = before or after
        if month in _CLEAR or day or year or f"in {month}" in text:
            yield year, 1 + _MONTHS.index(month[:3]), int(day or 0)
