"""What is searched of a message."""

LONGEST_TEXT = 256 * 1024
"""Characters of one message that are searched."""


def text_of(name: str | None, content: str | bytes) -> str:
    """Return what is searched of a message: who said it is part of it. What is no text holds nothing."""
    if isinstance(content, bytes):
        return name or ""
    return f"{name}: {content}" if name else content
