"""Batches of messages that say which batch they are of, so that a torn or lost one is seen."""

import itertools
from collections.abc import Iterable, Sequence

from zep_memory_plugin import Message


def batch(name: str, size: int) -> list[Message]:
    """Return the messages of a batch."""
    return [Message(role="user", content=f"{name} {part} of {size}") for part in range(1, size + 1)]


def violations(stored: Iterable[str], acknowledged: Sequence[str]) -> list[str]:
    """Say which batches among the contents that are *stored*, in order, are torn, and which *acknowledged* are lost."""
    seen: set[str] = set()
    torn: list[str] = []
    for name, parts in itertools.groupby(stored, key=lambda content: content.partition(" ")[0]):
        contents = list(parts)
        size = int(contents[0].rpartition(" ")[2])
        if name in seen or contents != [message.content for message in batch(name, size)]:
            torn.append(name)
        seen.add(name)
    return [f"{name} is torn" for name in torn] + [f"{name} is lost" for name in acknowledged if name not in seen]
