"""JSON as it is stored: text, which keeps key order, -0.0, large numbers, NUL and lone surrogates as they are."""

import json
import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def dumps(value: Any) -> str:
    """Return *value* as JSON text that every database takes: readable, but NUL and lone surrogates escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text if is_plain(text) else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def loads(text: str | None) -> Any:
    """Return what *text* says, or None."""
    return None if text is None else json.loads(text)


def is_plain(text: str) -> bool:
    """Tell whether *text* holds neither NUL nor a lone surrogate."""
    if "\0" in text:
        return False
    return text.isascii() or _SURROGATE.search(text) is None


def clean(text: str) -> str:
    """Return *text* as a text column takes it: NUL becomes a space, a lone surrogate U+FFFD."""
    return text if is_plain(text) else _SURROGATE.sub("\ufffd", text).replace("\0", " ")


def patched(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    """Merge *new* into *old* as `merged` does, but let None take its key out, at any depth."""
    if not new:
        return old
    result = dict(old or {})
    for key, value in new.items():
        there = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = patched(there, value) if isinstance(there, dict) else patched({}, value)
        else:
            result[key] = value
    return result


def merged(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    """Merge *new* into *old*, as Zep does.

    Objects are merged key by key at any depth; everything else, lists too, is replaced by what comes in, None
    included. An empty object changes nothing.
    """
    if not new:
        return old
    result = dict(old or {})
    for key, value in new.items():
        there = result.get(key)
        both = isinstance(value, dict) and isinstance(there, dict)
        result[key] = merged(there, value) if both else value
    return result
