"""Long lists of values, cut to what one statement takes."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MOST_PARAMETERS = 30_000
"""Bound parameters of one statement; SQLite's own limit is 32,766."""

T = TypeVar("T")


def chunked(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut *items* into pieces that each fit into one statement."""
    return (items[start : start + MOST_PARAMETERS] for start in range(0, len(items), MOST_PARAMETERS))
