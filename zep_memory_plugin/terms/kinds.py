"""Words of a kind: what a query asks for by a common name, and the answer by its own.

"Which sports does she do?" is answered by "tennis", a word that nothing in the conversation links with "sport". What is
here is English, and what people tell each other about.
"""

from collections.abc import Iterable, Mapping, Sequence

from .cutting import term_of

_KINDS = {
    "sport": """
        football soccer basketball tennis golf swimming running yoga boxing volleyball baseball hockey cycling skiing
        surfing climbing badminton skating karate rugby gym workout match""",
    "country": """
        france italy spain germany england america usa canada mexico japan china india turkey greece brazil egypt
        thailand australia portugal switzerland sweden norway russia poland africa europe asia""",
    "city": """
        paris london rome tokyo berlin madrid barcelona miami chicago boston york angeles vegas seattle francisco dubai
        athens amsterdam vienna""",
    "hobby activity interest": """
        painting reading cooking hiking gardening photography dancing singing drawing knitting gaming running swimming
        yoga fishing guitar piano""",
    "food dish cuisine meal": """
        pizza pasta soup bread cake rice chicken salad sushi burger cheese egg taco steak sandwich fruit vegetable
        dessert""",
    "pet": "dog cat puppy kitten hamster rabbit fish parrot turtle",
    "animal": "dog cat bird horse fish turtle bear lion elephant",
    "instrument": "guitar piano violin drums flute clarinet trumpet saxophone cello ukulele",
    "game": "chess poker minecraft mario zelda fortnite nintendo playstation xbox play",
    "illness ailment disease": "cold flu covid fever cough sick headache allergy pain",
    "drink beverage": "coffee tea wine beer cocktail juice water smoothie",
    "season": "spring summer autumn fall winter",
    "color colour": "red blue green yellow black white pink purple orange brown blonde",
    "exercise": "yoga running gym workout pilates swimming weights cardio",
    "vehicle": "car truck bike motorcycle van boat",
    "job career profession": "teacher doctor nurse engineer manager lawyer developer artist writer intern work",
}
_MEMBERS: Mapping[str, Sequence[str]] = {
    term_of(name): [*dict.fromkeys(map(term_of, words.split()))]
    for names, words in _KINDS.items()
    for name in names.split()
}


def kinds_of(terms: Iterable[str]) -> dict[str, Sequence[str]]:
    """Return which of *terms* name a kind, each with the terms that are of it."""
    return {term: _MEMBERS[term] for term in terms if term in _MEMBERS}
