"""The terms of a query in texts."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from .cutting import IN_ASCII_WORDS, parts_at, term_of, terms, words_at
from .stemming import roots
from .texts import LONGEST_TEXT

LONGEST_JOINED = 16 * 1024
"""Characters of a text up to which it is looked through together with others."""

Span = tuple[int, int]
"""Where a part of a text starts and ends."""


class Hits:
    """Finds the wanted terms in texts."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)
        self._roots = tuple(root for root in roots(self._wanted) if root.isascii())

    def of(self, text: str) -> dict[str, int]:
        """Return how often *text* has each wanted term."""
        found = (term_of(word) for _, word in self._likely_words(text)) if text.isascii() else terms(text)
        hits: dict[str, int] = {}
        for term in filter(self._wanted.__contains__, found):
            hits[term] = hits.get(term, 0) + 1
        return hits

    def of_each(self, texts: Sequence[str | None]) -> dict[int, dict[str, int]]:
        """Return how often each of *texts* has each wanted term, by the positions of those that have any, in order.

        Most are looked through as if they were one text, as beginning with each would take most of the time.
        """
        given = [(position, text) for position, text in enumerate(texts) if text]
        joined = [(position, text) for position, text in given if _is_joined(text)]
        hits = self._of_joined(joined)
        hits |= {position: counts for position, text in given if not _is_joined(text) and (counts := self.of(text))}
        return dict(sorted(hits.items()))

    def _of_joined(self, texts: Sequence[tuple[int, str]]) -> dict[int, dict[str, int]]:
        """Return the same of ASCII texts with their positions."""
        starts = list(accumulate((len(text) + 1 for _, text in texts), initial=0))
        hits: dict[int, dict[str, int]] = {}
        for start, word in self._likely_words(" ".join(text for _, text in texts)):
            term = term_of(word)
            if term in self._wanted:
                counts = hits.setdefault(texts[bisect_right(starts, start) - 1][0], {})
                counts[term] = counts.get(term, 0) + 1
        return hits

    def spans(self, text: str) -> list[Span]:
        """Return where *text* has words with a wanted term, in order; in unspaced scripts, where it has the term."""
        text = text[:LONGEST_TEXT]
        if text.isascii():
            likely = self._likely_words(text)
            return sorted((start, start + len(word)) for start, word in likely if term_of(word) in self._wanted)
        return [span for start, word, unspaced in words_at(text) for span in self._spans_of(start, word, unspaced)]

    def _spans_of(self, start: int, word: str, unspaced: bool) -> list[Span]:
        """Return where a word from *start* on has wanted terms."""
        if unspaced:
            terms_at = sorted((at, at + len(term)) for term in self._wanted for at in _starts(word, term))
            return [(start + first, start + end) for first, end in _joined(terms_at)]
        if word.isascii() and not word.lower().startswith(self._roots):
            return []  # which is far cheaper to know than its term
        return [] if self._wanted.isdisjoint(terms(word)) else [(start, start + len(word))]

    def _likely_words(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the words of an ASCII text that may have a wanted term, and their starts.

        That is far cheaper to know than all words. An apostrophe may stand anywhere in a word, and cut one in two; such
        words are all looked at.
        """
        spaced = f" {text.translate(IN_ASCII_WORDS)} "
        starts = {start: None for root in self._roots for start in _starts(spaced, " " + root)}
        for start in starts:
            word = spaced[start + 1 : spaced.index(" ", start + 1)]
            if "'" not in word:
                yield start, word
        if "'" in text:
            for position, word in parts_at(spaced):
                yield position - 1, word


def _is_joined(text: str) -> bool:
    return len(text) <= LONGEST_JOINED and text.isascii()


def _starts(text: str, beginning: str) -> Iterator[int]:
    """Yield where *beginning* is in *text*."""
    start = text.find(beginning)
    while start >= 0:
        yield start
        start = text.find(beginning, start + 1)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return *spans*, which are in order, with those that touch as one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
