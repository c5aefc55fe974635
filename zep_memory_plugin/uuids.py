"""Ids of messages, which grow with time.

Random ids would be written all over the index of a session's ids, each to another page of it; these go to its end.
"""

import os
import time
from uuid import UUID

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
