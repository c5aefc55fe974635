"""Short ways to write a conversation down and to read it back."""

from collections.abc import Iterable
from uuid import UUID

from zep_memory_plugin import Message

FIXED = UUID("6b1e7a52-9f0c-4d1e-8a55-0d6f7c3b2a10")
"""A uuid that a test may give to a message."""


def said(*texts: str, role: str = "user") -> list[Message]:
    """Return a message of *role* for each of *texts*."""
    return [Message(role=role, content=text) for text in texts]


def numbered(count: int) -> list[Message]:
    """Return messages that say "1", "2" … up to *count*."""
    return said(*(str(number) for number in range(1, count + 1)))


def texts(messages: Iterable[Message]) -> list[str]:
    """Return what *messages* say, in order."""
    return [message.content for message in messages]
