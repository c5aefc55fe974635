"""The words of a search in a text, as those that found it: `flights` is marked where somebody looks for `flight`."""

from collections.abc import Sequence
from typing import NamedTuple

from ...terms.hits import Span

AROUND = 240
"""Characters that are shown before and after the first word of a search."""


class Part(NamedTuple):
    """A part of a text, and whether it is what somebody looked for."""

    text: str
    is_marked: bool


def excerpt(text: str, highlights: Sequence[Span]) -> list[Part]:
    """Return the part of *text* around the first of its *highlights*, all of them marked."""
    if len(text) <= 3 * AROUND:
        return _parts(text, highlights)
    first = highlights[0][0] if highlights else 0
    start, stop = max(0, first - AROUND), first + 2 * AROUND
    inside = [(begin - start, end - start) for begin, end in highlights if start <= begin and end <= stop]
    parts = _parts(text[start:stop], inside)
    return [Part("… ", False)] * (start > 0) + parts + [Part(" …", False)] * (stop < len(text))


def _parts(text: str, highlights: Sequence[Span]) -> list[Part]:
    parts: list[Part] = []
    last = 0
    for start, end in highlights:
        parts += [Part(text[last:start], False), Part(text[start:end], True)]
        last = end
    return [part for part in (*parts, Part(text[last:], False)) if part.text]
