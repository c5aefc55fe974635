"""The dates that a query names: the day on which a message was sent is part of what it says."""

import re
from datetime import datetime

from ...terms.cutting import LONGEST_QUERY

_MONTHS = "january february march april may june july august september october november december".split()
_VERBS = ("march", "may")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_MONTH = re.compile(
    r"\b(?:(\d{1,2})(?:st|nd|rd|th)?(?: of)? )?(" + "|".join(_MONTHS) + r")\b(?: (\d{1,2})(?:st|nd|rd|th)?\b(?! *:))?"
)


def dates_named(text: str) -> list[str]:
    """Return the days, months and years, in English, that a query names, as `date_parts` calls them."""
    text = text[:LONGEST_QUERY].lower()
    parts = [f"year {year}" for year in _YEAR.findall(text)]
    for before, month, after in _MONTH.findall(text):
        day = before or after
        if month in _VERBS and not (day or parts or f"in {month}" in text):
            continue
        parts.append(f"month {_MONTHS.index(month) + 1}")
        if day:
            parts.append(f"day {int(day)}")
    return list(dict.fromkeys(parts))


def date_parts(at: datetime | None) -> tuple[str, ...]:
    """Return the year, month and day of a moment, in UTC."""
    return (f"year {at.year}", f"month {at.month}", f"day {at.day}") if at else ()
