"""Ranking messages of conversations: one scorer for every database.

In a conversation the answer stands next to the words of the question, not in them. So a message is scored by what it
*hears*: its own words and, fading with distance, those of the messages around it in the same sitting. BM25 (Robertson,
Zaragoza 2009) saturates after words were lent: a topic word that is said in five turns in a row counts about once,
while different words of the question, spread over neighbours, add up.
"""

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from .dates import date_parts
from .stemming import roots
from .tokens import terms

SATURATION = 0.8
"""BM25's k1: the second mention of a word adds less than the first."""

LENGTH = 0.25
"""BM25's b: messages are all short; a long one has more to say rather than more to dilute."""

BEFORE = 0.5
"""Share of its words that a message lends to the next one: an answer follows the words it answers."""

AFTER = 0.3
"""Share of its words that a message lends to the one before it."""

FADE = 0.5
"""What is left of such a share with each step further away."""

REACH = 4
"""Messages to either side that hear a message; beyond them a sixteenth of it would be left."""

ASKED = 2.0
"""How much better the message after a question hears it: that message is its answer."""

SITTING = timedelta(hours=6)
"""A longer silence starts a new sitting: a night, not a lunch. Words do not reach across it."""

_CONSIDERED = 8
"""How many times more messages than asked for `promising` weighs with what stands beside them."""

_QUESTION_MARKS = ("?", "？", "؟")  # noqa: RUF001 - full-width and Arabic question marks are meant


class Passage(NamedTuple):
    """One live message as the ranking sees it: who said it and what, and when."""

    text: str
    at: datetime | None = None


Run = Sequence[Passage]
"""Live messages of one session that stand beside each other."""


class Ranked(NamedTuple):
    """The score of a passage, higher is better, whether it has words of the question itself, its run, its place there.

    An answer may hear all of its question and score the same; then what says the words comes first.
    """

    score: float
    says_it: bool
    run: int
    position: int


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: terms, and parts of a date that the question names."""

    terms: Sequence[str]
    dates: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many messages of the scope of a search have each term, and how many there are."""

    frequency: Mapping[str, float]
    total: float

    def weight(self, term: str) -> float:
        """Return how much *term* tells: BM25's inverse document frequency."""
        frequency = self.frequency.get(term, 0)
        return math.log(1 + (max(self.total, frequency) - frequency + 0.5) / (frequency + 0.5))


def rank(question: Question, runs: Sequence[Run], statistics: Statistics | None = None) -> list[Ranked]:
    """Return every passage with a score, best first; of equals the later one first.

    Without *statistics* the runs are the whole scope.
    """
    hits = Hits(question.terms)
    found = [[hits.of(passage.text) for passage in run] for run in runs]
    known = statistics or _statistics(found)
    weights = {term: known.weight(term) for term in question.terms}
    dates = _date_weights(question.dates, runs)
    mean = _mean_length(runs)
    ranked: list[Ranked] = []
    for number, (run, said) in enumerate(zip(runs, found, strict=True)):
        scores = [_score(heard, weights) if heard else 0.0 for heard in _heard(run, said, mean)]
        for position, score in enumerate(_dated(scores, run, dates) if dates else scores):
            if score > 0:
                ranked.append(Ranked(score, bool(said[position]), number, position))
    return sorted(ranked, reverse=True)


class Hits:
    """Counts the wanted terms of texts."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)
        self._root = re.compile("|".join(map(re.escape, roots(self._wanted))))

    def of(self, text: str) -> dict[str, int]:
        """Return how often *text* has each wanted term."""
        if text.isascii() and not self._root.search(text.lower().replace("'", "")):
            return {}  # no word of it can have a wanted term, which is far cheaper to know than its words
        hits: dict[str, int] = {}
        for term in terms(text):
            if term in self._wanted:
                hits[term] = hits.get(term, 0) + 1
        return hits


def _statistics(found: Sequence[Sequence[Mapping[str, int]]]) -> Statistics:
    frequency = Counter(term for run in found for hits in run for term in hits)
    return Statistics(frequency, sum(map(len, found)))


def _mean_length(runs: Sequence[Run]) -> float:
    lengths = [len(passage.text) for run in runs for passage in run]
    return max(sum(lengths) / len(lengths), 1) if lengths else 1


def _heard(run: Run, said: Sequence[Mapping[str, int]], mean: float) -> list[dict[str, float]]:
    """Return what each message of *run* hears of each term, its own words and those lent to it."""
    heard: list[dict[str, float]] = [{} for _ in run]
    if not any(said):
        return heard
    sittings = _sittings(run)
    for position, hits in enumerate(said):
        if hits:
            norm = 1 - LENGTH + LENGTH * len(run[position].text) / mean
            _lend(position, {term: count / norm for term, count in hits.items()}, run, sittings, heard)
    return heard


def _lend(
    position: int, words: Mapping[str, float], run: Run, sittings: Sequence[int], heard: Sequence[dict[str, float]]
) -> None:
    shares = _SHARES_OF_QUESTION if any(mark in run[position].text for mark in _QUESTION_MARKS) else _SHARES
    for distance, share in shares.items():
        target = position + distance
        if not 0 <= target < len(run) or sittings[target] != sittings[position]:
            continue
        ear = heard[target]
        for term, count in words.items():
            ear[term] = ear.get(term, 0.0) + share * count


def _shares(asked: float) -> dict[int, float]:
    """Return what share of a message is heard at each distance, in messages; below zero: before it."""
    later = {step: BEFORE * FADE ** (step - 1) for step in range(1, REACH + 1)}
    earlier = {-step: AFTER * FADE ** (step - 1) for step in range(1, REACH + 1)}
    return {**earlier, 0: 1.0, **later, 1: BEFORE * asked}


_SHARES = _shares(1.0)
_SHARES_OF_QUESTION = _shares(ASKED)


def _score(heard: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weights[term] * amount * (SATURATION + 1) / (amount + SATURATION) for term, amount in heard.items())


def _sittings(run: Run) -> list[int]:
    """Return the number of the sitting that each message of *run* belongs to."""
    numbers: list[int] = []
    number, last = 0, None
    for passage in run:
        if last is not None and passage.at is not None and abs(passage.at - last) > SITTING:
            number += 1
        last = passage.at or last
        numbers.append(number)
    return numbers


def _date_weights(wanted: Sequence[str], runs: Sequence[Run]) -> dict[str, float]:
    """Return what each wanted part of a date tells, if any."""
    if not wanted:
        return {}
    counts = Counter(part for run in runs for passage in run for part in date_parts(passage.at) if part in wanted)
    statistics = Statistics(counts, sum(map(len, runs)))
    return {part: statistics.weight(part) for part in counts}


def _dated(scores: Iterable[float], run: Run, weights: Mapping[str, float]) -> list[float]:
    """Add to each score what the date of its message tells; a date is not lent."""
    return [
        score + sum(weights.get(part, 0.0) for part in date_parts(passage.at))
        for score, passage in zip(scores, run, strict=True)
    ]


def promising(places: Mapping[str, Iterable[int]], statistics: Statistics, count: int) -> list[int]:
    """Return the *count* messages that most deserve to be read, best first, of those an index found for each term.

    A message is an integer here, the next of its session the next integer. Only whether it has a term is known: each
    counts its weight, and the messages beside lend as in `rank`.
    """
    own: dict[int, float] = {}
    for term, having in places.items():
        weight = statistics.weight(term)
        for place in having:
            own[place] = own.get(place, 0.0) + weight
    hear = own.get
    strongest = heapq.nlargest(_CONSIDERED * count, own, key=lambda place: (own[place], place))
    near = {place: own[place] + BEFORE * hear(place - 1, 0.0) + AFTER * hear(place + 1, 0.0) for place in strongest}
    return heapq.nlargest(count, near, key=lambda place: (near[place], place))
