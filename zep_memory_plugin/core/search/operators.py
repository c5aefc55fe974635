"""What a text of a search says beside its words: phrases, words that must not be there, and whose messages are wanted.

1. `"by the harbour"`: messages with these words in this order; where there is none, they count as words.
2. `-storm`: no messages with that word, in any form.
3. `role:user`: messages of users; or of `assistant`, `system`, `tool`, `other`.

Anything else is plain text: a quotation mark without its fellow, a single word in quotation marks, `a - b`, `-5`.
"""

import re
from dataclasses import dataclass
from typing import get_args

from ...terms.cutting import plain_words, query_terms
from ...types import RoleType

_OPERATORS = re.compile(
    r'["\u201c](?P<phrase>[^"\u201c\u201d]+)["\u201d]|(?<!\S)-(?P<without>[^\W\d_]\S*)|(?<!\S)role:(?P<role>\w+)(?!\S)'
)


@dataclass(frozen=True, slots=True)
class Operators:
    """What a message has to meet beside its words."""

    phrases: tuple[str, ...] = ()
    """What it has to say, in words as `plain_words` cuts them."""

    without: frozenset[str] = frozenset()
    """Terms that it must not have."""

    roles: frozenset[str] = frozenset()
    """Who may say it; empty for anybody."""


NO_OPERATORS = Operators()


def parsed(text: str) -> tuple[str, Operators]:
    """Return the words of a *text*, and the operators in it."""
    phrases, without, roles, words, end = [], set[str](), set[str](), [], 0
    for match in _OPERATORS.finditer(text):
        kept = None
        if match["phrase"] is not None:
            kept = match["phrase"]
            phrases += [phrase for phrase in [plain_words(kept)] if " " in phrase.strip()]
        elif match["without"] is not None:
            without.update(query_terms(match["without"]))
        elif match["role"] in get_args(RoleType):
            roles.add(match["role"])
        else:
            kept = match[0]
        words += [text[end : match.start()], kept or " "]
        end = match.end()
    operators = Operators(tuple(phrases), frozenset(without), frozenset(roles))
    return "".join([*words, text[end:]]).strip(), operators
