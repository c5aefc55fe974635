"""What writing operations tell the search index and the embeddings, in their own transactions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection

from ...database import Stamp
from ...dialects import Append, Appended
from . import vectors
from .indexes import index_of


def terms(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, str]:
    """Return what an append has to bring along for the index, made before anything is locked."""
    return index_of(connection).terms(rows)


def add(connection: Connection, append: Append, placed: Sequence[Mapping[str, Any]]) -> None:
    """Take in new messages, which stand in a row."""
    index_of(connection).add(connection, append, placed)


def replace(connection: Connection, session_id: str, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Take in that messages are about to get the name and content of *rows*, by their seq."""
    if rows:
        index_of(connection).replace(connection, session_id, rows)
        vectors.remove(connection, [(session_id, seq) for seq in rows])


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


def remove(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Remove the messages that meet *condition* for good, with all that was derived from them, and count them."""
    return index_of(connection).remove(connection, condition)


def forget_removed(connection: Connection, stamp: Stamp) -> bool:
    """Rid the index of what it still holds of removed messages, a part at a time, and tell whether there is more."""
    return index_of(connection).forget_removed(connection)
