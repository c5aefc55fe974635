"""What people filter by in commands and forms: entries of metadata and moments, as they write them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from .errors import InvalidInput, shown
from .types import JsonScalar


def metadata_of(option: str, entries: Iterable[str] | None) -> dict[str, JsonScalar] | None:
    """Return the filter that *entries*, each `key=value`, stand for.

    Raises:
        InvalidInput: an entry has no `=`.
    """
    return dict(_entry(option, entry) for entry in entries) if entries else None


def _entry(option: str, entry: str) -> tuple[str, JsonScalar]:
    key, equals, value = entry.partition("=")
    if not equals:
        raise InvalidInput(option, f"is {shown(entry)}; give KEY=VALUE, such as topic=travel or open=true")
    return key, _scalar(value)


def _scalar(value: str) -> JsonScalar:
    try:
        read: object = json.loads(value)
    except ValueError:
        return value
    return read if read is None or isinstance(read, str | int | float | bool) else value


def moment(option: str, text: str | None) -> datetime | None:
    """Return the moment that *text*, a date or a time in ISO 8601, names; without a timezone it is one of UTC.

    Raises:
        InvalidInput: it names none.
    """
    if text is None:
        return None
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(option, f"is {shown(text)}; give a date such as 2026-11-25 or 2026-11-25T18:00") from None
    return named if named.tzinfo else named.replace(tzinfo=UTC)
