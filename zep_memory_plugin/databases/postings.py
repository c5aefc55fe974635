"""What an index of terms finds for a search: which messages have which term, and how common each is.

A message is an integer here, its rowid: the number of its session, shifted left by `SEQ_BITS`, and its seq.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..tables import SEQ_BITS

SEQ_MASK = (1 << SEQ_BITS) - 1

POSTINGS = 20_000
"""Most messages that are taken from an index for one term: those that are newest, where it can tell."""

Span = tuple[int, int]
"""The first and last rowid of messages of one session."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many messages of the scope of a search have each term, and how many there are."""

    frequency: Mapping[str, float]
    total: float


@dataclass(slots=True)
class Postings:
    """Which messages have which term, deleted ones too, and how common each term is in the scope."""

    rowids: dict[str, list[int]]
    statistics: Statistics
    session_ids: dict[int, str] = field(default_factory=dict)
    """The sessions behind the numbers in rowids, where those are not the sessions' own."""

    session: int | None = None
    """The number of the session that was searched, where it was one."""

    def within(self, spans: Sequence[Span]) -> list[int]:
        """Return the messages in *spans* that have any term."""
        having = sorted(set().union(*self.rowids.values()))
        bounds = ((bisect_left(having, first), bisect_right(having, last)) for first, last in spans)
        return [rowid for start, end in bounds for rowid in having[start:end]]


def rarest(rarest_first: Sequence[str], frequency: Mapping[str, float], most: int) -> list[str]:
    """Return the first of the terms, at least one, that together *most* messages have."""
    chosen: list[str] = []
    for term in rarest_first:
        if chosen and frequency[term] > most:
            break
        chosen.append(term)
        most -= int(frequency[term])
    return chosen
