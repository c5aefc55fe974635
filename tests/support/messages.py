"""Short ways to write a conversation down and to read it back."""

from collections.abc import Iterable

from zep_memory_plugin import Message


def said(*texts: str, role: str = "user") -> list[Message]:
    """Return a message of *role* for each of *texts*."""
    return [Message(role=role, content=text) for text in texts]


def numbered(count: int) -> list[Message]:
    """Return messages that say "1", "2" … up to *count*."""
    return said(*(str(number) for number in range(1, count + 1)))


def texts(messages: Iterable[Message]) -> list[str]:
    """Return what *messages* say, in order."""
    return [message.content for message in messages]
