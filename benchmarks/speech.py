"""Texts in which words are as common, as long and as often repeated as in a language.

An index of search costs as much as a message has different words, and a text of one word over and over flatters it.
200 characters are 37 words with 32 different terms here, as in LoCoMo's conversations; only that these terms take 178
bytes, those of English 153.
"""

import itertools
import math
import random

WORDS = 30_000


class Speech:
    """Draws words, the commonest first, as often as a language does (Zipf)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words = _vocabulary()
        self._shares = list(itertools.accumulate(1 / (rank + 1) for rank in range(WORDS)))

    def say(self, words: int) -> str:
        """Return what somebody may say in so many words."""
        return " ".join(self.random.choices(self.words, cum_weights=self._shares, k=words))

    def text(self, characters: int) -> str:
        """Return what somebody may say in so many characters; its last word may be cut off."""
        return self.say(characters // 2)[:characters]

    def question(self, count: int, rarest: float = 4.0) -> str:
        """Return words of all degrees of rarity, but for the commonest thirty."""
        return " ".join(self.words[min(WORDS - 1, int(10 ** self.random.uniform(1.5, rarest)))] for _ in range(count))


def _vocabulary() -> list[str]:
    """Make different words, rarer ones longer."""
    letters = random.Random(0)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        length = letters.gauss(2.0 + 0.5 * math.log1p(len(words)), 1.2)
        words["".join(letters.choices("abcdefghiklmnoprstuvwz", k=max(2, round(length))))] = None
    return list(words)
