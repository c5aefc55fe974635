"""The terms of a text: what an index stores of a message and what a query is looked up by.

A term is made of letters, digits and combining marks alone, so it can be syntax in no query language. Words of scripts
with spaces are folded (no case, no accents) and stemmed; runs of Chinese, Japanese, Korean, Thai and their like are cut
into overlapping pairs of characters.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
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
"""Characters of a query that count."""

MOST_QUERY_TERMS = 64
"""Different terms of a query that count: the first ones."""

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
"""Words that carry grammar or politeness, not what a query is about. They leave the query, never the index."""

_FRAMING_WORDS = """
    many much kind type sort mention ask tell talk discuss say please based previous conversation chat session list
    order different various aspect across throughout item give provide help show summarize summary summarise explain
    describe one two three first last currently ever still like favorite favourite want think know make go use thing
    time"""

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
IN_ASCII_WORDS = "".join(char.lower() if char.isalnum() or char == "'" else " " for char in map(chr, range(128)))
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
    """Return the different terms of a query, without stop words unless nothing else is left."""
    words = dict.fromkeys(_words(text[:LONGEST_QUERY], with_characters=False))
    telling = [word for word in words if _plain(word) not in STOP_WORDS]
    return list(dict.fromkeys(_TERM_OF[word] for word in telling or words))[:MOST_QUERY_TERMS]


def query_words(text: str) -> dict[str, str]:
    """Return the first word of a query for each of its terms, in order."""
    first: dict[str, str] = {}
    for word in _words(text[:LONGEST_QUERY], with_characters=False):
        first.setdefault(_TERM_OF[word], _plain(word))
    return first


def plain_words(text: str) -> str:
    """Return the words of a text as they are, in lower case and each between spaces, to look for a phrase in them."""
    words = filter(None, map(_plain, _words(text[:LONGEST_TEXT], with_characters=False)))
    return f" {' '.join(words)} "


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
    words = text.translate(IN_ASCII_WORDS).split()
    if "'" not in text:
        return words
    return [part for word in words for part in (parts_of_ascii(word) if "'" in word else (word,))]


def parts_of_ascii(word: str) -> list[str]:
    """Return the words of which *word*, with apostrophes in it, consists."""
    return _ASCII_WORD.findall(word)


def parts_at(text: str) -> Iterator[tuple[int, str]]:
    """Yield the words that an apostrophe stands in or beside, and their starts, of what `IN_ASCII_WORDS` made."""
    apostrophe = text.find("'")
    while apostrophe >= 0:
        start, end = text.rfind(" ", 0, apostrophe) + 1, text.find(" ", apostrophe)
        end = len(text) if end < 0 else end
        for part in _ASCII_WORD.finditer(text, start, end):
            yield part.start(), part[0]
        apostrophe = text.find("'", end)


def words_at(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the words of any text, their starts, and whether one is a run of an unspaced script."""
    for match in _word_pattern().finditer(text):
        yield match.start(), match[0], match[1] is not None


def term_of(word: str) -> str:
    """Return the term that a *word* is, as it was cut from a text."""
    return _TERM_OF[word]


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


class _Memory(dict[str, str]):
    """What a function returned for each word met so far."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, word: str) -> str:
        if len(self) >= _KNOWN_WORDS:
            self.clear()
        value = self[word] = self._function(word)
        return value


_SIGN = 1 << 31
_TERM_OF = _Memory(lambda word: stem(_plain(word)))
_NUMBER_OF = _Memory(lambda word: str(term_number(stem(_plain(word)))))
"""The number of each word's term, in digits.

Looked up in one step, as what a long-lived program remembers lies far apart in its memory, where each step takes time.
"""

FRAMING_TERMS = frozenset(map(_TERM_OF.__getitem__, _FRAMING_WORDS.split()))
"""Terms of a query that say more often what kind of answer is wanted than what about."""
