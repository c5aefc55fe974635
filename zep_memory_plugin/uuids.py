"""Ids of messages, which grow with time.

Random ids would be written all over the index of a session's ids, each to another page of it; these go to its end.
"""

import os
import time
from uuid import UUID, uuid5

_NAMES = UUID("0b7d2f3e-6a0c-5f0e-9a5d-6f1c2b7a94e1")
"""Namespace of the uuids that stand for ids that are none. Stored uuids depend on it: it never changes."""

BEGINNING = UUID(int=0)
"""Stands for the message that the first one of a session follows."""

_MILLISECOND = 1_000_000
_VERSION = 7 << 76
_VARIANT = 2 << 62
_RANDOM = (1 << 62) - 1


def new_uuid() -> UUID:
    """Make a UUID of version 7 (RFC 9562): the milliseconds since 1970, 4096ths of one, and 62 random bits."""
    milliseconds, rest = divmod(time.time_ns(), _MILLISECOND)
    fraction = (rest << 12) // _MILLISECOND
    random = int.from_bytes(os.urandom(8)) & _RANDOM
    return UUID(int=milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | random)


def uuid_of(name: str) -> UUID:
    """Return the UUID that *name* is, however it is written, or the one that always stands for it."""
    try:
        return UUID(name)
    except ValueError:
        return uuid5(_NAMES, name.encode("unicode_escape").decode("ascii"))
