"""Embeddings: what messages mean, as vectors of length 1."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, exists, insert, literal, select

from ...tables import message_embeddings, messages

_REMOVE = delete(message_embeddings).where(
    message_embeddings.c.session_id == bindparam("session"), message_embeddings.c.seq == bindparam("place")
)


def remove(connection: Connection, keys: Sequence[tuple[str, int]]) -> None:
    """Remove the embeddings of messages, named by session and seq."""
    if keys:
        connection.execute(_REMOVE, [{"session": session_id, "place": seq} for session_id, seq in keys])


def copy(connection: Connection, source: str, target: str) -> None:
    """Copy the embeddings of the messages that the session *target* has from *source*."""
    there = exists().where(messages.c.session_id == target, messages.c.seq == message_embeddings.c.seq)
    copied = select(literal(target), message_embeddings.c.seq, message_embeddings.c.embedding).where(
        message_embeddings.c.session_id == source, there
    )
    connection.execute(insert(message_embeddings).from_select(["session_id", "seq", "embedding"], copied))
