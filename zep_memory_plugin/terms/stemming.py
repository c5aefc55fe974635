"""Stems of English words: Porter's algorithm (Program 14, 1980), and the irregular forms that no suffix rule joins."""

import re

_STEP_2 = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "bli": "ble",
    "alli": "al",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
    "logi": "log",
}
_STEP_3 = {
    "icate": "ic",
    "ative": "",
    "alize": "al",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
}
_STEP_4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split()

# The leftmost ending that reaches the end of a word is its longest.
_ENDING_2, _ENDING_3, _ENDING_4 = (re.compile(f"(?:{'|'.join(step)})$") for step in (_STEP_2, _STEP_3, _STEP_4))

# A query says "buy", the answer "bought".
_FAMILIES = """
    become became|begin began begun|bend bent|bind bound|bite bit bitten|blow blew blown|break broke broken|
    bring brought|build built|buy bought|catch caught|child children|choose chose chosen|come came|draw drew drawn|
    dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|
    fight fought|find found|fly flew flown|foot feet|forget forgot forgotten|get got gotten|give gave given|
    go went gone goes|good better best|bad worse worst|grow grew grown|hear heard|hide hid hidden|hold held|keep kept|
    know knew known|lead led|learn learnt|leave left|lend lent|life lives|light lit|lose lost|make made|man men|
    mean meant|meet met|mouse mice|pay paid|person people|ride rode ridden|rise rose risen|run ran|say said|
    see saw seen|sell sold|send sent|shake shook shaken|shoot shot|sing sang sung|sit sat|sleep slept|
    speak spoke spoken|spend spent|stand stood|steal stole stolen|strike struck|swim swam swum|take took taken|
    teach taught|tear tore torn|tell told|think thought|throw threw thrown|tooth teeth|understand understood|
    wake woke woken|wear wore worn|wife wives|win won|woman women|write wrote written"""


def stem(word: str) -> str:
    """Return the stem of a lower-case English word; any other word comes back as it is."""
    if len(word) <= 2 or not (word.isascii() and word.isalpha()):
        return word
    plain = _without_suffixes(word)
    return _FIRST_OF_FAMILY.get(plain, plain)


def roots(stems: frozenset[str]) -> list[str]:
    """Return beginnings of which every English word with one of these *stems* has at least one.

    That is the stem, or an irregular form's, less what a suffix rule may have changed at its end.
    """
    forms = {form for stem in stems for form in (stem, *_OTHERS_OF_FAMILY.get(stem, ()))}
    return [form[: max(1, len(form) - (2 if len(form) > 6 else 1))] for form in forms]


def _without_suffixes(word: str) -> str:
    word = _y_to_i(_without_past(_without_plural(word)))
    word = _replaced(_replaced(word, _ENDING_2, _STEP_2), _ENDING_3, _STEP_3)
    return _without_end(_without_step_4(word))


def _without_plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _without_past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        if word.endswith(ending) and "v" in _shape(word[: -len(ending)]):
            return _mended(word[: -len(ending)])
    return word


def _mended(word: str) -> str:
    """Return *word*, from which -ed or -ing was cut, as it was before that was added."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if len(word) > 1 and word[-1] == word[-2] and word[-1] not in "aeioulsz":
        return word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_short(word) else word


def _y_to_i(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and "v" in _shape(word[:-1]) else word


def _replaced(word: str, ending: re.Pattern[str], suffixes: dict[str, str]) -> str:
    end = ending.search(word)
    if end and _measure(word[: end.start()]) > 0:
        return word[: end.start()] + suffixes[end[0]]
    return word


def _without_step_4(word: str) -> str:
    end = _ENDING_4.search(word)
    if end is None:
        return word
    rest = word[: end.start()]
    return rest if _measure(rest) > 1 and (end[0] != "ion" or rest.endswith(("s", "t"))) else word


def _without_end(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_short(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _shape(word: str) -> str:
    """Return *word* as a string of v and c, its vowels and consonants."""
    shape = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and shape[-1:] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    """Count how often a vowel is followed by a consonant: about once less than there are syllables."""
    return _shape(word).count("vc")


def _ends_short(word: str) -> bool:
    return len(word) > 2 and _shape(word)[-3:] == "cvc" and word[-1] not in "wxy"


def _families() -> dict[str, str]:
    """Return the stem of each irregular form with the stem that its family goes by."""
    families = [family.split() for family in _FAMILIES.split("|")]
    return {_without_suffixes(form): _without_suffixes(first) for first, *forms in families for form in forms}


_FIRST_OF_FAMILY = _families()
_OTHERS_OF_FAMILY = {
    first: [form for form, of in _FIRST_OF_FAMILY.items() if of == first] for first in _FIRST_OF_FAMILY.values()
}
