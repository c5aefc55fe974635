"""Text that is not in the encoding of its database, as a disk or another program leaves it."""


class Garbled(str):
    """What is left of such a text: U+FFFD stands for what cannot be read."""

    __slots__ = ()


def decoded(data: bytes) -> str:
    """Return *data* as text, as well as that goes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Garbled(data.decode(errors="replace"))
