"""Durations as people write them: `30d`, `60m`, `1h30m`."""

import re
from datetime import timedelta

from ..errors import InvalidInput, shown

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def duration(option: str, text: str) -> timedelta:
    """Return the duration that *text* names.

    Raises:
        InvalidInput: it names none.
    """
    if not text or _PART.sub("", text):
        raise InvalidInput(option, f"is {shown(text)}; give a duration such as 30d, 12h, 90m or 45s")
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)), timedelta(0))
    except OverflowError:
        raise InvalidInput(option, f"is {shown(text)}, longer than time reaches") from None
