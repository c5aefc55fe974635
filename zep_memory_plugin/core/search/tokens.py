"""The terms of a text: what an index stores of a message and what a question is looked up by.

A term is made of letters, digits and combining marks alone, so it can be syntax in no query language. Words of scripts
with spaces are folded (no case, no accents) and stemmed; runs of Chinese, Japanese, Korean, Thai and their like are cut
into overlapping pairs of characters.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from zlib import crc32

from .stemming import stem
from .texts import LONGEST_TEXT

TOKENIZER = 1
"""Version of what this module makes of a text; an index made by another version has to be rebuilt."""

LONGEST_WORD = 64
"""Characters of a word that count; longer is no word but an id, a hash or a line of base64."""

LARGEST_TERMS = 900_000
"""Bytes of the different terms of one message that are indexed."""

LONGEST_QUERY = 4_096
"""Characters of a question that count."""

MOST_QUERY_TERMS = 64
"""Different terms of a question that count: the first ones."""

STOP_WORDS = frozenset(
    """a about after again against all also am an and any are as at be because been before being below between both
    but by can cannot could did do does doing done down during each few for from further get got had has have having
    he her here hers herself him himself his how i if in into is it its itself just let may me might more most must
    my myself no nor not of off on once only or other our ours ourselves out over own same shall she should so some
    such than that the their theirs them themselves then there these they this those through to too under until up us
    very was we were what when where which while who whom whose why will with would you your yours yourself
    yourselves arent cant couldnt didnt doesnt dont hadnt hasnt havent hed hes id ill im isnt itd itll ive lets shes
    shouldnt thats theres theyd theyll theyre theyve wasnt werent weve whats wheres whos wont wouldnt youd youll youre
    youve""".split()
)
"""Words that carry grammar or politeness, not what a question is about. They leave the question, never the index."""

_KNOWN_WORDS = 100_000
"""Words whose terms are remembered before all are forgotten: a flood of ids must not fill the memory."""

# Hangul is written with spaces, but its particles are glued to the nouns.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\uac00-\ud7a3\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_APOSTROPHE = "\u2019"
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)?")
_IN_ASCII_WORDS = "".join(char.lower() if char.isalnum() or char == "'" else " " for char in map(chr, range(128)))
"""What each ASCII character is in a word: a table for `str.translate`, which takes a quarter of a pattern's time."""

_ACCENT = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]+")  # and Hebrew's and Arabic's optional points


def terms(text: str) -> list[str]:
    """Return the terms of a message in order, with repetitions."""
    return list(_terms(text))


def index_terms(text: str) -> str:
    """Return the different terms of a message, separated by spaces: what an index stores."""
    different = dict.fromkeys(_terms(text))
    return " ".join(different if len(text) < LARGEST_TERMS // 8 else _fitting(different))


def index_numbers(text: str) -> str:
    """Return the numbers of the different terms of a message, as an array of Postgres."""
    return _array(dict.fromkeys(map(_NUMBER_OF.__getitem__, _words(text[:LONGEST_TEXT], with_characters=True))))


def term_numbers(terms: Iterable[str]) -> str:
    """Return the numbers of *terms*, as an array of Postgres."""
    return _array(str(term_number(term)) for term in terms)


def term_number(term: str) -> int:
    """Return the number of *term*: its CRC-32, as a signed integer.

    A number takes four bytes and is compared at once, a term about seven and more time. Two terms may share a number,
    one pair in four thousand millions; a search reads the messages that it finds.
    """
    return (crc32(term.encode()) ^ _SIGN) - _SIGN


def _array(numbers: Iterable[str]) -> str:
    return f"{{{','.join(numbers)}}}"


def query_terms(text: str) -> list[str]:
    """Return the different terms of a question, without stop words unless nothing else is left."""
    words = dict.fromkeys(_words(text[:LONGEST_QUERY], with_characters=False))
    telling = [word for word in words if _plain(word) not in STOP_WORDS]
    return list(dict.fromkeys(_TERM_OF[word] for word in telling or words))[:MOST_QUERY_TERMS]


def _terms(text: str) -> Iterator[str]:
    return map(_TERM_OF.__getitem__, _words(text[:LONGEST_TEXT], with_characters=True))


def _fitting(different: Iterable[str]) -> list[str]:
    fitting, size = [], 0
    for term in different:
        size += len(term.encode())
        if size > LARGEST_TERMS:
            break
        fitting.append(term)
    return fitting


def _words(text: str, *, with_characters: bool) -> list[str]:
    """Return the words of *text* in lower case; of unspaced scripts the pairs, perhaps *with_characters* alone."""
    if text.isascii():
        return _ascii_words(text)
    words: list[str] = []
    for run, word in _word_pattern().findall(_folded(text)):
        if word:
            words.append(word)
            continue
        if with_characters or len(run) == 1:
            words += run
        words += map("".join, pairwise(run))
    return words


def _ascii_words(text: str) -> list[str]:
    words = text.translate(_IN_ASCII_WORDS).split()
    if "'" not in text:
        return words
    return [part for word in words for part in (_ASCII_WORD.findall(word) if "'" in word else (word,))]


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", _ACCENT.sub("", folded))


@cache
def _word_pattern() -> re.Pattern[str]:
    r"""Return the pattern of a run of unspaced script or of a word: `\w` and combining marks, which Hindi needs."""
    marks = "".join(mark for mark in map(chr, range(0x0370, 0xAC00)) if unicodedata.category(mark)[0] == "M")
    letter = rf"(?:(?![{_UNSPACED}_])[\w{re.escape(marks)}])"
    return re.compile(rf"([{_UNSPACED}]+)|({letter}+(?:['{_APOSTROPHE}]{letter}+)?)")


def _plain(word: str) -> str:
    """Return *word* without its possessive, its apostrophe and what is longer than a word."""
    return word.replace(_APOSTROPHE, "'").removesuffix("'s").replace("'", "")[:LONGEST_WORD]


class _Terms(dict[str, str]):
    """The term of each word met so far."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _KNOWN_WORDS:
            self.clear()
        term = self[word] = stem(_plain(word))
        return term


class _Numbers(dict[str, str]):
    """The number of the term of each word met so far, in digits.

    Found at once, as what a long-lived program remembers lies far apart in its memory, where each step takes its time.
    """

    def __missing__(self, word: str) -> str:
        if len(self) >= _KNOWN_WORDS:
            self.clear()
        number = self[word] = str(term_number(stem(_plain(word))))
        return number


_SIGN = 1 << 31
_TERM_OF = _Terms()
_NUMBER_OF = _Numbers()
