"""What is searched of a message."""

LONGEST_TEXT = 256 * 1024
"""Characters of one message that are searched."""


def text_of(name: str | None, content: str) -> str:
    """Return what is searched of a message: who said it is part of it."""
    return f"{name}: {content}" if name else content
