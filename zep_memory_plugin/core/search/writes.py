"""What writing operations tell the search index and the embeddings, in their own transactions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection

from ...database import Stamp
from ...dialects import Appended, Row
from . import vectors
from .indexes import index_of


def columns(connection: Connection, name: str | None, content: str) -> dict[str, str]:
    """Return what a message's own row has to hold for the index, made before anything is locked."""
    return index_of(connection).columns(name, content)


def add(connection: Connection, session_id: str, before: int, rows: Sequence[Row]) -> None:
    """Take in new messages, which are stored by now in the places of their session after *before*."""
    index_of(connection).add(connection, session_id, before, rows)


def replace(connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
    """Take in that messages are about to get another name and content, and their columns for the index."""
    if seqs:
        index_of(connection).replace(connection, session_id, seqs)
        vectors.remove(connection, [(session_id, seq) for seq in seqs])


def drop(connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
    """Take in that messages are about to leave their places."""
    if seqs:
        index_of(connection).drop(connection, session_id, seqs)
        vectors.remove(connection, [(session_id, seq) for seq in seqs])


def tend(connection: Connection, session_id: str, appended: Sequence[Appended]) -> None:
    """Do now and then, after an append, what appends have left for later, outside a transaction."""
    index_of(connection).tend(connection, session_id, appended)


def copy(connection: Connection, source: str, target: str) -> None:
    """Take in the messages of the session *target*, which are a copy of *source*'s."""
    index_of(connection).copy(connection, source, target)
    vectors.copy(connection, source, target)


def remove(
    connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
) -> tuple[int, datetime | None]:
    """Remove the messages that meet *condition* for good, with all that was derived from them.

    It becomes part of a statement that is kept, so what it compares with comes as *parameters*. Return how many there
    were, and when the last one was soft-deleted.
    """
    return index_of(connection).remove(connection, condition, parameters)


def forget_removed(connection: Connection, stamp: Stamp) -> bool:
    """Rid the index of what it still holds of removed messages, a part at a time, and tell whether there is more."""
    return index_of(connection).forget_removed(connection)
