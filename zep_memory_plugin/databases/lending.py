"""A connection that the application lends for a block: what is done there is part of the application's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

_LENT = "zep_memory_lent"
"""The key under which a connection has how many blocks it is lent for."""

SAVEPOINT = "zep_memory"
"""The name of every savepoint: one inside of another hides it."""


def is_lent(connection: Connection) -> bool:
    """Tell whether *connection* is lent, and inside of a transaction that is the application's to end."""
    return bool(connection.info.get(_LENT))


@contextmanager
def lent(connection: Connection) -> Iterator[None]:
    """Let *connection* be lent for the block."""
    info: dict[Any, Any] = connection.info
    info[_LENT] = info.get(_LENT, 0) + 1
    try:
        yield
    finally:
        info[_LENT] -= 1
