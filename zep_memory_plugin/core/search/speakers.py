"""Who speaks: whose words a query asks for, and who says a text.

What somebody did is mostly told by themselves: "What does Ann paint?" is answered by Ann, "When is my flight?" by the
user. What others say to Ann has her name in it all the more often.
"""

import re

from ...terms.cutting import LONGEST_QUERY

_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself)\b", re.IGNORECASE)
_OF_BOTH = re.compile(r"\b(?:did|have) you\b|\bsummar", re.IGNORECASE)
"""What the assistant said is asked for, or a summary of it all, even where it is about the user."""

_SPEAKER = re.compile(r"\w[\w .'-]{0,40}: ")


def is_of_user(query: str) -> bool:
    """Tell whether a query, in English, asks what the user who asks has said."""
    query = query[:LONGEST_QUERY]
    return _FIRST_PERSON.search(query) is not None and _OF_BOTH.search(query) is None


def speaker_of(text: str) -> str:
    """Return who says a text, at its beginning as in a script: the name and a colon. Empty where nobody is named."""
    speaker = _SPEAKER.match(text)
    return speaker[0] if speaker else ""
