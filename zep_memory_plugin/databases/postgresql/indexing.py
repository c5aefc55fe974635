"""What search notes about a write on Postgres: the numbers of its terms in each message's own row, and embeddings.

Not here: how a search reads them (`searching`, `pgvector`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ... import units
from ...tables import TermNumbers, UtcDateTime, message_embeddings, messages, sessions
from ...terms.cutting import index_numbers
from ...terms.texts import text_of
from ...types import RebuildProgress
from ...units import Flow, Stamp
from .. import embeddings
from ..keys import same_key
from ..prepared import Prepared
from ..protocol import Key, Rows, Scope
from ..scopes import size_of
from ..statements import SEARCHED_CONTENT
from . import pgvector

READ_AT_ONCE = 1_000
"""Messages that a rebuild reads and indexes at once."""


class Indexing:
    """How the index follows what is written: a column goes in with its message, and out when autovacuum comes by."""

    def columns(self, name: str | None, content: str) -> dict[str, str]:
        return {"terms": index_numbers(text_of(name, content))}

    def replace(self, connection: Connection, session_id: str, seqs: Sequence[int]) -> None:
        embeddings.remove(connection, [(session_id, seq) for seq in seqs])

    drop = replace

    def copy(self, connection: Connection, source: str, target: str) -> None:
        embeddings.copy(connection, source, target)

    def remove(
        self, connection: Connection, condition: ColumnElement[bool], parameters: Mapping[str, Any]
    ) -> tuple[int, datetime | None]:
        locked = connection.execute(_locking(condition), dict(parameters)).scalars().all()
        ((count, last),) = _removal(condition).rows(connection, {**parameters, "locked": list(locked)})
        return count, last

    def rebuild(self, progress: RebuildProgress) -> Flow[int]:
        total: int = yield units.read(size_of, Scope())
        done = 0
        after: Key = ("", 0)
        while rows := (yield units.read(_read_after, after)):
            # Cut into words here, while nothing is locked.
            numbers = [index_numbers(text_of(row.name, row.content)) for row in rows]
            yield units.write(_index_anew, rows, numbers)
            done, after = done + len(rows), (rows[-1].session_id, rows[-1].seq)
            progress(done, max(done, total))
        return done

    def index_vectors(self, connection: Connection, dimensions: int) -> None:
        if pgvector.is_installed(connection):
            pgvector.create_index(connection, dimensions)


def forgetting_changed(stored: CTE) -> Delete:
    """Build the part of the usual append that forgets what the *stored* messages meant that got new content."""
    of_session = message_embeddings.c.session_id == bindparam("session")
    changed = (message_embeddings.c.seq == stored.c.seq, stored.c.updated_at.is_not(None))
    return delete(message_embeddings).where(of_session, *changed)


@cache
def _locking(condition: ColumnElement[bool]) -> Select[Any]:
    """Build the statement that locks, in the order of their keys, the sessions of the messages that meet *condition*.

    A statement of its own: what was committed before it had its locks, the removal that follows sees.
    """
    of_messages = sessions.c.session_id.in_(select(messages.c.session_id).where(condition))
    return select(sessions.c.session_id).where(of_messages).order_by(sessions.c.session_id).with_for_update()


@cache
def _removal(condition: ColumnElement[bool]) -> Prepared:
    columns = (messages.c.session_id, messages.c.seq, messages.c.deleted_at)
    locked = messages.c.session_id == func.any(bindparam("locked", type_=ARRAY(Text)))
    removed = delete(messages).where(condition, locked).returning(*columns).cte("removed")
    forgetting = delete(message_embeddings).where(same_key(message_embeddings, removed))
    return Prepared(select(func.count(), func.max(removed.c.deleted_at)).add_cte(forgetting.cte()))


def _read_after(connection: Connection, after: Key) -> Rows:
    key = tuple_(messages.c.session_id, messages.c.seq)
    columns = [*(messages.c[name] for name in ("session_id", "seq", "name", "uuid", "updated_at")), SEARCHED_CONTENT]
    return connection.execute(select(*columns).where(key > after).order_by(*columns[:2]).limit(READ_AT_ONCE)).all()


def _index_anew(connection: Connection, stamp: Stamp, rows: Rows, numbers: Sequence[str]) -> None:
    """Index messages as *rows* were read, but for those that were changed since: their writer did that."""
    session_ids = {row.session_id for row in rows}
    locked = select(sessions.c.session_id).where(sessions.c.session_id.in_(session_ids)).order_by(sessions.c.session_id)
    connection.execute(locked.with_for_update())
    parameters = {
        "sessions": [row.session_id for row in rows],
        "seqs": [row.seq for row in rows],
        "uuids": [row.uuid for row in rows],
        "changes": [row.updated_at for row in rows],
        "numbers": list(numbers),
    }
    _indexing_anew().run(connection, [parameters])


@cache
def _indexing_anew() -> Prepared:
    item = (
        func.unnest(
            bindparam("sessions", type_=ARRAY(Text)),
            bindparam("seqs", type_=ARRAY(BigInteger)),
            bindparam("uuids", type_=ARRAY(Uuid())),
            bindparam("changes", type_=ARRAY(UtcDateTime)),
            bindparam("numbers", type_=ARRAY(Text)),
        )
        .table_valued("session_id", "seq", "uuid", "updated_at", "terms")
        .render_derived("item")
    )
    unchanged = and_(
        same_key(messages, item),
        messages.c.uuid == item.c.uuid,
        messages.c.updated_at.is_not_distinct_from(item.c.updated_at),
    )
    made = cast(item.c.terms, TermNumbers)
    return Prepared(update(messages).where(unchanged, messages.c.terms.is_distinct_from(made)).values(terms=made))
