"""Ranking messages of conversations: one scorer for every database.

In a conversation the answer stands next to the words of a query, not in them. So a message is scored by what it
*hears*: its own words and, fading with distance, those of the messages around it in the same sitting. BM25 (Robertson,
Zaragoza 2009) saturates after words were lent: a topic word that is said in five turns in a row counts about once,
while different words of the query, spread over neighbours, add up.

How much a length tells is measured where the search looks: see `Lengths`.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import mul
from typing import NamedTuple

from ...databases.postings import Statistics
from ...terms.cutting import FRAMING_TERMS
from ...terms.hits import Hits
from .dates import date_parts
from .speakers import speaker_of

SATURATION = 1.0
"""BM25's k1: the second mention of a word adds less than the first."""

SPREAD = 0.6
"""BM25's b for messages whose lengths have a variance of 1, in logarithms; the usual b where it is above 1."""

LENT_LENGTH = 0.5
"""The same b for words that are lent: of a long message each says less about what stands beside it."""

HEARD_LENGTH = 0.75
"""Share of that b by which a message hears less that is longer than usual: it has said what it is about."""

KIND = 0.5
"""What is left of the weight of a word that is but of a kind that the query names."""

FRAMING = 0.5
"""What is left of the weight of a word that says what kind of answer is wanted, not what about."""

BEFORE = 0.4
"""Share of its words that a message lends to the next one: an answer follows the words it answers."""

AFTER = 0.3
"""Share of its words that a message lends to the one before it."""

FADE = 0.5
"""What is left of such a share with each step further away."""

REACH = 4
"""Messages to either side that hear a message; beyond them a sixteenth of it would be left."""

NEAR = 2
"""Messages to either side that hear enough to come before others that have words of the query themselves."""

ASKED = 2.0
"""How much better the message after a question hears it: that message is its answer."""

SITTING = timedelta(hours=6).total_seconds()
"""A longer silence starts a new sitting: a night, not a lunch. Words do not reach across it."""

SPOKEN = 0.35
"""What it brings that those speak whom the query asks about: this share of what a word of one message alone tells.

A name in itself would tell little where two people speak, and most where one says it to the other.
"""

DAY = timedelta(days=1).total_seconds()

CONSIDERED = 8
"""How many times more messages than asked for `promising` weighs with what stands beside them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BY_SPEAKER = "by speaker"
"""Under what a score has what is due to who says it; no term and no part of a date."""


class Passages(NamedTuple):
    """Live messages as the ranking sees them: for each, at its position, what is known of it."""

    runs: Sequence[int]
    """Which messages stand beside it: those of its run, which come one after the other."""

    texts: Sequence[str | None]
    """Who said it and what; None where it is known to have no word of the query."""

    lengths: Sequence[int]
    """Bytes of all of that in UTF-8."""

    by_user: Sequence[bool]
    """Whether a user said it."""

    moments: Sequence[float | None]
    """When it was created, in seconds since 1970."""


class Ranked(NamedTuple):
    """The score of a passage, higher is better, whether it has words of the query itself, and its position.

    An answer may hear all of its query and score the same; then what says the words comes first.
    """

    score: float
    says_it: bool
    position: int
    shares: Mapping[str, float]
    """What the score consists of, by terms, parts of a date and `BY_SPEAKER`."""

    says: Mapping[str, int]
    """How often the passage itself has each term."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: terms, and parts of a date that its text names."""

    terms: Sequence[str]
    dates: Sequence[str] = ()
    of_user: bool = False
    """Whether it asks what the user has said."""

    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Terms that name a kind, each with terms that are of it: all of these count as one, `of_kind`."""

    @property
    def looked_up(self) -> list[str]:
        """Every term that an answer may have."""
        return list(dict.fromkeys([*self.terms, *chain.from_iterable(self.kinds.values())]))


def of_kind(term: str) -> str:
    """Return what stands for all terms of the kind that *term* names; no term itself."""
    return f"kind {term}"


class Hit(NamedTuple):
    """A message with terms of the query."""

    says: Mapping[str, int]
    """How often it has which, apart from who says it."""

    names: int
    """How many are names of who says it."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long messages are, in bytes, and how much that tells of one.

    Where all are about as long, as between people, a longer one has more to say; where a user's lines stand between
    answers of pages, as with an assistant, a word of the lines says more. So the spread of the lengths decides, in
    logarithms, as a few pages among lines must not make every line short.
    """

    typical: float
    """The geometric mean."""

    slope: float
    """BM25's b for a message's own words."""

    @classmethod
    def of(cls, lengths: Iterable[int]) -> "Lengths":
        """Measure messages of these lengths."""
        logarithms = [*map(math.log, filter(None, lengths))]
        mean = sum(logarithms) / max(1, len(logarithms))
        variance = sum(map(mul, logarithms, logarithms)) / max(1, len(logarithms)) - mean * mean
        return cls(math.exp(mean), min(1.0, SPREAD * max(0.0, variance)))

    def of_own(self, length: int) -> float:
        """Return what the own words of a message are divided by."""
        return 1 - self.slope + self.slope * length / self.typical

    def of_lent(self, length: int) -> float:
        """Return what the words that a message lends are divided by."""
        return 1 - LENT_LENGTH + LENT_LENGTH * length / self.typical

    def of_heard(self, lengths: Iterable[int]) -> list[float]:
        """Return what is left of the words that messages are lent; a short one does not hear better."""
        slope = HEARD_LENGTH * self.slope
        least, growth = 1 - slope, slope / self.typical
        return [1 / heard if (heard := least + growth * length) > 1 else 1.0 for length in lengths]


def seconds_of(moment: datetime | None) -> float | None:
    """Return *moment* as a passage has it."""
    return None if moment is None else (moment - _EPOCH).total_seconds()


def moment_of(seconds: float | None) -> datetime | None:
    """Return the moment that a passage has; None where it is beyond what Python knows."""
    try:
        return None if seconds is None else _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def weight(statistics: Statistics, term: str) -> float:
    """Return how much *term* tells: BM25's inverse document frequency, less where it but frames the query."""
    tells = _rarity(statistics.total, statistics.frequency.get(term, 0))
    if term in FRAMING_TERMS:
        return tells * FRAMING
    return tells * KIND if term.startswith(of_kind("")) else tells


def _rarity(total: float, frequency: float) -> float:
    return math.log(1 + (max(total, frequency) - frequency + 0.5) / (frequency + 0.5))


def rank(
    query: Query, passages: Passages, statistics: Statistics | None = None, wanted: int | None = None
) -> list[Ranked]:
    """Return the passages with the best scores, best first; of equals the later one first.

    At least *wanted* of them, where so many have a score; all with None. Without *statistics* the passages are the
    whole scope.
    """
    hits = _hits(query, passages.texts)
    if statistics is None:
        frequency = Counter(term for hit in hits.values() for term in hit.says)
        statistics = Statistics(frequency, len(passages.texts))
    amounts = _amounts(hits, passages)
    weights = {term: weight(statistics, term) for term in amounts}
    scores = _scores(amounts, weights)
    besides = _besides(query, passages, hits, scores, statistics.total)
    for position, shares in besides.items():
        scores[position] = scores.get(position, 0.0) + sum(shares.values())
    ranked = (_ranked(position, scores, hits, amounts, weights, besides) for position in _best(scores, wanted))
    return sorted(ranked, key=lambda each: each[:3], reverse=True)


def _ranked(
    position: int,
    scores: Mapping[int, float],
    hits: Mapping[int, Hit],
    amounts: Mapping[str, Sequence[float]],
    weights: Mapping[str, float],
    besides: Mapping[int, Mapping[str, float]],
) -> Ranked:
    shares = {term: _saturated(weights[term], amount) for term, heard in amounts.items() if (amount := heard[position])}
    says = hits[position].says if position in hits else {}
    return Ranked(scores[position], position in hits, position, {**shares, **besides.get(position, {})}, says)


def _hits(query: Query, texts: Sequence[str | None]) -> dict[int, Hit]:
    """Return which terms of *query* each text has, by the positions of those that have any."""
    counts_of = Hits(query.looked_up).of_each(texts)
    names_of = Hits(query.terms).of_each([speaker_of(texts[position] or "") for position in counts_of])
    return {
        position: _hit(_of_kinds(query, counts), names_of.get(number))
        for number, (position, counts) in enumerate(counts_of.items())
    }


def _of_kinds(query: Query, counts: Mapping[str, int]) -> Mapping[str, int]:
    """Return how often a text has each term, those of a kind as one."""
    if not query.kinds:
        return counts
    own = {term: count for term, count in counts.items() if term in query.terms}
    kinds = {of_kind(kind): sum(counts.get(term, 0) for term in members) for kind, members in query.kinds.items()}
    return own | {kind: count for kind, count in kinds.items() if count}


def _hit(counts: Mapping[str, int], names: Mapping[str, int] | None) -> Hit:
    """Return what a message says that has terms so often, some of them in the *names* of who says it."""
    if not names:
        return Hit(counts, 0)
    return Hit(
        {term: count - names.get(term, 0) for term, count in counts.items() if count > names.get(term, 0)}, len(names)
    )


def _best(scores: Mapping[int, float], wanted: int | None) -> Sequence[int]:
    """Return the positions of the *wanted* best scores, and of those that are as good as the last of them."""
    best = sorted(scores, key=scores.__getitem__, reverse=True)
    if wanted is None or len(best) <= wanted:
        return best
    last = scores[best[wanted - 1]]
    while wanted < len(best) and scores[best[wanted]] == last:
        wanted += 1
    return best[:wanted]


def _amounts(hits: Mapping[int, Hit], passages: Passages) -> dict[str, list[float]]:
    """Return how much of each term there is where: own words and those that are lent, for each message."""
    lengths = Lengths.of(passages.lengths)
    sittings = _sittings(passages)
    hearing = lengths.of_heard(passages.lengths)
    amounts: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(sittings))
    for position, (says, _) in hits.items():
        text, length = passages.texts[position] or "", passages.lengths[position]
        own, lent = 1 / lengths.of_own(length), 1 / lengths.of_lent(length)
        others = _listeners(position, text, lent, sittings, hearing)
        for term, count in says.items():
            heard = amounts[term]
            heard[position] += count * own
            for other, amount in others:  # how often it says one does not matter to them
                heard[other] += amount
    return dict(amounts)


def _listeners(
    position: int, text: str, lent: float, sittings: Sequence[int], hearing: Sequence[float]
) -> list[tuple[int, float]]:
    """Return who hears the message at a position: those beside it in its sitting, and how much of what it lends."""
    sitting, end = sittings[position], len(sittings)
    shares = _SHARES_OF_QUESTION if _asks(text) else _SHARES
    return [
        (other, share * lent * hearing[other])
        for distance, share in shares
        if 0 <= (other := position + distance) < end and sittings[other] == sitting
    ]


def _asks(text: str) -> bool:
    return "?" in text or "？" in text or "؟" in text  # noqa: RUF001 - full-width and Arabic question marks are meant


def _scores(amounts: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> dict[int, float]:
    """Return the score of each message of which there is any term: more of one adds ever less."""
    scores: dict[int, float] = {}
    for term, heard in amounts.items():
        most = weights[term]
        for position, amount in enumerate(heard):
            if amount:
                scores[position] = scores.get(position, 0.0) + _saturated(most, amount)
    return scores


def _saturated(most: float, amount: float) -> float:
    return most * (SATURATION + 1) * amount / (amount + SATURATION)


def _shares(asked: float) -> dict[int, float]:
    """Return what share of a message is heard at each distance, in messages; below zero: before it."""
    later = {step: BEFORE * FADE ** (step - 1) for step in range(1, REACH + 1)}
    earlier = {-step: AFTER * FADE ** (step - 1) for step in range(1, REACH + 1)}
    return {**earlier, **later, 1: BEFORE * asked}


_SHARES = list(_shares(1.0).items())
_SHARES_OF_QUESTION = list(_shares(ASKED).items())


def _sittings(passages: Passages) -> list[int]:
    """Return the number of the sitting of each message; messages of two runs never share one."""
    numbers: list[int] = []
    number, last_run, last = 0, None, None
    for run, at in zip(passages.runs, passages.moments, strict=True):
        if run != last_run:
            number, last_run, last = number + 1, run, at
        elif at is not None:
            if last is not None and abs(at - last) > SITTING:
                number += 1
            last = at
        numbers.append(number)
    return numbers


def _date_shares(wanted: Sequence[str], moments: Sequence[float | None]) -> dict[int, dict[str, float]]:
    """Return what the dates of messages tell, by their positions; a date is not lent."""
    if not wanted:
        return {}
    days = [None if at is None else at // DAY for at in moments]
    parts_of = {day: _parts_of(day, wanted) for day in {*days}}
    frequency = Counter(part for day in days for part in parts_of[day])
    tells = {part: _rarity(len(moments), count) for part, count in frequency.items()}
    return {
        position: {part: tells[part] * share for part, share in parts.items()}
        for position, day in enumerate(days)
        if (parts := parts_of[day])
    }


def _parts_of(day: float | None, wanted: Sequence[str]) -> dict[str, float]:
    """Return which of the parts of dates that are *wanted* a day belongs to, by its number since 1970, and how much."""
    moment = None if day is None else moment_of(day * DAY)
    return {part: share for part, share in date_parts(moment.date()).items() if part in wanted} if moment else {}


def _besides(
    query: Query, passages: Passages, hits: Mapping[int, Hit], scores: Iterable[int], total: float
) -> dict[int, dict[str, float]]:
    """Return what counts beside words, by the positions of messages: when they were sent, and who speaks."""
    besides = _date_shares(query.dates, passages.moments)
    speaks = Counter({position: hit.names for position, hit in hits.items() if hit.names})
    if query.of_user:
        speaks.update(position for position in {*scores, *besides} if passages.by_user[position])
    share = SPOKEN * _rarity(total, 1)
    for position, times in speaks.items():
        besides.setdefault(position, {})[BY_SPEAKER] = share * times
    return besides


def promising(rowids: Mapping[str, Iterable[int]], statistics: Statistics, count: int) -> list[int]:
    """Return the *count* messages that most deserve to be read, best first, of those an index found for each term.

    A message is an integer here, the next of its session the next integer. Only whether it has a term is known: each
    counts its weight, and the messages beside lend as in `rank`.
    """
    own: dict[int, float] = {}
    for term, having in rowids.items():
        worth = weight(statistics, term)
        for rowid in having:
            own[rowid] = own.get(rowid, 0.0) + worth
    if len(own) <= count:
        return sorted(own, key=lambda rowid: (own[rowid], rowid), reverse=True)
    hear = own.get
    strongest: Iterable[int] = own
    if len(own) > CONSIDERED * count:
        strongest = heapq.nlargest(CONSIDERED * count, own, key=lambda rowid: (own[rowid], rowid))
    near = {rowid: own[rowid] + BEFORE * hear(rowid - 1, 0.0) + AFTER * hear(rowid + 1, 0.0) for rowid in strongest}
    return heapq.nlargest(count, near, key=lambda rowid: (near[rowid], rowid))
