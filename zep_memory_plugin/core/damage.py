"""Rows that cannot be read as they were written, as when a disk or another program has garbled them.

Such a row hides nothing but its own part that is garbled: that is read as None, or as the text that is left. Which row
it is gets logged once, by its key and never with a word of it.
"""

import json
import logging
from typing import Any

from ..databases.garbled import decoded

logger = logging.getLogger(__name__)

RowKey = tuple[object, ...]
"""The key of a row and its uuid: rows of several databases may have one key."""

MOST_LOGGED = 1_000
"""Rows that are remembered as logged, before all are forgotten."""

_logged: set[tuple[str, RowKey]] = set()


def key_of(row: Any) -> RowKey:
    """Return what names the *row* of a message or summary in the log."""
    return row.session_id, row.seq, row.uuid


def report(part: str, key: RowKey) -> None:
    """Log, once, that *part* of the row with *key* cannot be read."""
    if (part, key) in _logged:
        return
    if len(_logged) >= MOST_LOGGED:
        _logged.clear()
    _logged.add((part, key))
    logger.warning("the %s %r cannot be read as it was written", part, tuple(map(str, key)))


def text(value: Any, part: str, key: RowKey) -> Any:
    """Return what is left of a text column's *value* as text; None and other plain text are as they are."""
    if value is None or value.__class__ is str:
        return value
    report(part, key)
    return str(value) if isinstance(value, str) else decoded(bytes(value)) if isinstance(value, bytes) else repr(value)


def number(value: Any, part: str, key: RowKey) -> int | None:
    """Return the integer that a column's *value* is, or None where it is none."""
    if value.__class__ is int:
        return int(value)
    report(part, key)
    return None


def json_object(text: str | None, part: str, key: RowKey) -> dict[str, Any] | None:
    """Return the JSON object that *text* is, or None where there is none or it cannot be read."""
    if text is None:
        return None
    value = _parsed(text)
    if isinstance(value, dict):
        return value
    report(part, key)
    return None


def json_objects(text: str, part: str, key: RowKey) -> list[dict[str, Any]] | None:
    """Return the JSON objects that *text* lists, or None where it cannot be read."""
    value = _parsed(text)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    report(part, key)
    return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (RecursionError, TypeError, ValueError):
        return None
