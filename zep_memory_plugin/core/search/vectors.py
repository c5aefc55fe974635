"""Embeddings: what messages mean, as vectors of length 1."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, insert, literal, select, tuple_

from ...tables import message_embeddings, messages

_KEYS_AT_ONCE = 10_000


def remove(connection: Connection, keys: Sequence[tuple[str, int]]) -> None:
    """Remove the embeddings of messages, named by session and seq."""
    key = tuple_(message_embeddings.c.session_id, message_embeddings.c.seq)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        connection.execute(delete(message_embeddings).where(key.in_(keys[start : start + _KEYS_AT_ONCE])))


def copy(connection: Connection, source: str, target: str) -> None:
    """Copy the embeddings of the messages that the session *target* has from *source*."""
    there = exists().where(messages.c.session_id == target, messages.c.seq == message_embeddings.c.seq)
    copied = select(literal(target), message_embeddings.c.seq, message_embeddings.c.embedding).where(
        message_embeddings.c.session_id == source, there
    )
    connection.execute(insert(message_embeddings).from_select(["session_id", "seq", "embedding"], copied))
