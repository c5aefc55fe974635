"""What an operator should know of a database: what its kind looks at, and whether our rows agree with each other."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, func, select

from ..databases import database_of
from ..databases.protocol import INTEGRITY, Finding
from ..tables import message_embeddings, messages, sessions

__all__ = ["Finding", "findings"]


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield what is found, one check after the other; large tables are read, so that it takes a while."""
    for finding in database_of(connection).examine(connection):
        yield finding
        if finding.check == INTEGRITY and not finding.is_good:
            return  # what is damaged cannot be read any further
    ahead = exists().where(messages.c.session_id == sessions.c.session_id, messages.c.seq > sessions.c.last_seq)
    wrong = connection.execute(select(func.count()).select_from(sessions).where(ahead)).scalar_one()
    says = f"{wrong} sessions have messages above their last_seq, and take no further ones"
    yield Finding("order", not wrong, says if wrong else "every session goes on after its last message")
    known = exists().where(
        messages.c.session_id == message_embeddings.c.session_id, messages.c.seq == message_embeddings.c.seq
    )
    left = connection.execute(select(func.count()).select_from(message_embeddings).where(~known)).scalar_one()
    yield Finding("embeddings", not left, f"{left} are of no message" if left else "each is of a message")
