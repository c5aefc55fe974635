"""What a tool tells a model of a user's earlier conversations: the same words in every framework."""

from collections.abc import Iterable

from ..errors import InvalidInput
from ..models import Message, SearchResult

NAME = "search_memory"

DESCRIPTION = (
    "Search what the user and you said in earlier conversations. Use it when the user refers to something that is not "
    "in this conversation, or when facts or preferences that they mentioned before would help. "
    "Returns the passages that fit best, each with its date and who said it."
)

NOTHING_FOUND = "Nothing was found in earlier conversations."

LONGEST_PASSAGE = 1_000
"""Characters of a message that the model is shown."""


def checked_user(user_id: str | None, remedy: str) -> str:
    """Return the user whose conversations are searched.

    Raises:
        InvalidInput: there is none; *remedy* says how to name one.
    """
    if user_id is None:
        raise InvalidInput("user_id", f"is missing; {remedy}")
    return user_id


def is_told(result: SearchResult, left_out: str | None) -> bool:
    """Tell whether *result* is a message of another session than that which is *left_out*, and none of the tool's."""
    message = result.message
    if message is None or (message.role_type == "tool" and message.name == NAME):
        return False
    return left_out is None or result.session_id != left_out


def told(results: Iterable[SearchResult]) -> str:
    """Return what a model is shown of *results*: a line for each."""
    lines = [_line(result.message) for result in results if result.message is not None]
    return "\n".join(lines) or NOTHING_FOUND


def _line(message: Message) -> str:
    """Return *message* on one line, however many it has, so that none can pass for several."""
    text = " ".join(message.content.split())
    shortened = text if len(text) <= LONGEST_PASSAGE else f"{text[:LONGEST_PASSAGE]}…"
    day = message.created_at and f"{message.created_at:%Y-%m-%d}"
    return f"{day} {message.role_type}: {shortened}"
