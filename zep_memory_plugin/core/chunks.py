"""Long lists of values, cut to what one statement takes."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MOST_PARAMETERS = 30_000
"""Bound parameters of one statement; SQLite's own limit is 32,766."""

T = TypeVar("T")


def chunked(items: Sequence[T], size: int = MOST_PARAMETERS) -> Iterator[Sequence[T]]:
    """Cut *items* into pieces of at most *size*, by default what one statement can be given."""
    return (items[start : start + size] for start in range(0, len(items), size))
