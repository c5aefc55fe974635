"""Values of a message as JSON can hold them."""

import base64
import json
from numbers import Integral, Real
from typing import Any

from pydantic_core import to_jsonable_python

DEEPEST = 200
"""Levels of nesting that are kept; what lies deeper is left out."""

_MOST_BITS = 14_000
"""Larger integers have more decimal digits than Python turns into text."""


class Plain:
    """Turns values into what JSON can hold, and remembers whether that changed any of them."""

    def __init__(self) -> None:
        self.lossy = False
        self.finite = True

    def of(self, value: Any, above: tuple[int, ...] = ()) -> Any:
        """Return *value*, which lies inside the containers *above*, as JSON can hold it."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, dict | list):
            return self._container(value, above)
        if isinstance(value, float):
            self.finite = self.finite and value - value == 0
            return value
        if isinstance(value, int) and value.bit_length() <= _MOST_BITS:
            return value
        self.lossy = True
        return self._foreign(value, above)

    def _container(self, value: Any, above: tuple[int, ...]) -> Any:
        if len(above) == DEEPEST or id(value) in above:
            self.lossy = True
            return _marker(value)
        inside = (*above, id(value))
        if isinstance(value, dict):
            return {self._key(key): self.of(entry, inside) for key, entry in value.items()}
        return [self.of(entry, inside) for entry in value]

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return key
        self.lossy = True
        return str(key)

    def _foreign(self, value: Any, above: tuple[int, ...]) -> Any:
        """Return the nearest thing to *value*, whose type JSON does not have."""
        if isinstance(value, bytes | bytearray):
            return self._bytes(value)
        if isinstance(value, Integral):
            return hex(value) if int(value).bit_length() > _MOST_BITS else int(value)
        if isinstance(value, Real):
            return self.of(float(value), above)
        if isinstance(value, tuple | set | frozenset):
            return self._container(list(value), above)
        return self.of(_dump(value), above)

    def _bytes(self, value: bytes | bytearray) -> Any:
        return {"base64": base64.b64encode(value).decode("ascii")}


def _dump(value: Any) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode="constants", bytes_mode="base64", fallback=_readable)
    except Exception:  # whatever the object's own code raises, the message around it is kept
        return _marker(value)


def _readable(value: Any) -> Any:
    """Return what pydantic does not know in a form that can be read: an array as a list, an error with its kind."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return value.tolist() if callable(getattr(value, "tolist", None)) else str(value)


def _marker(value: object) -> str:
    return f"<{type(value).__qualname__}>"


def without_nan(value: Any) -> Any:
    """Return plain *value* with None for the numbers that strict JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and value - value != 0 else value


def readable(value: Any) -> Any:
    """Return any *value* as the nearest thing to it that strict JSON has."""
    return without_nan(Plain().of(value))


def text_of(value: Any) -> str:
    """Return any *value* as JSON text that people and models can read."""
    plain = Plain().of(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
