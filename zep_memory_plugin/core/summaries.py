"""Summaries: what a session's older messages said, in short."""

from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.sql.selectable import ScalarSelect

from ..database import Stamp
from ..dialects import dialect_of
from ..errors import InvalidInput
from ..models import Message, Summary
from ..tables import messages, summaries
from . import checks, jsontext
from . import sessions as session_rows
from .batches import TokenCounter
from .messages import COLUMNS, get, of_session, read

_COLUMNS = [column for column in summaries.c if column.name not in ("session_id", "deleted_at")]


def add(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    summary: Summary,
    token_counter: TokenCounter,
    until_uuid: object | None = None,
) -> Summary:
    """Store a summary of everything up to one message, by default the newest; it replaces one of the same place."""
    checked = checks.session_id(session_id)
    last_seq: int = session_rows.lock_live(connection, checked).last_seq
    seq = summary.seq if until_uuid is None else get(connection, checked, until_uuid).seq
    if seq is not None and checks.positive("seq", seq) > last_seq:
        raise InvalidInput("seq", f"is {seq}, after the session's last message ({last_seq})")
    content = jsontext.clean(summary.content)
    values = {
        "uuid": summary.uuid or stamp.uuid,
        "content": checks.size("content", content),
        "token_count": token_counter(content)
        if summary.token_count is None
        else checks.token_count(summary.token_count),
        "metadata": checks.metadata(summary.metadata),
        "created_at": checks.moment("created_at", summary.created_at or stamp.now),
        "deleted_at": None,
    }
    insert = dialect_of(connection).insert(summaries).values(session_id=checked, seq=seq or last_seq, **values)
    place = [summaries.c.session_id, summaries.c.seq]
    return read_summary(
        connection.execute(insert.on_conflict_do_update(index_elements=place, set_=values).returning(*_COLUMNS)).one()
    )


def listed(connection: Connection, session_id: str, limit: int | None, cursor: int) -> list[Summary]:
    """Return summaries in order, those after the seq *cursor*."""
    live = (summaries.c.session_id == checks.session_id(session_id), summaries.c.deleted_at.is_(None))
    query = select(*_COLUMNS).where(*live, summaries.c.seq > checks.cursor(cursor))
    return [read_summary(row) for row in connection.execute(query.order_by(summaries.c.seq).limit(checks.limit(limit)))]


def latest(connection: Connection, session_id: str) -> Summary | None:
    """Return the summary that covers most."""
    live = (summaries.c.session_id == checks.session_id(session_id), summaries.c.deleted_at.is_(None))
    found = connection.execute(select(*_COLUMNS).where(*live).order_by(summaries.c.seq.desc()).limit(1)).first()
    return None if found is None else read_summary(found)


def covered(session_id: str) -> ScalarSelect[int]:
    """Return the seq that the latest summary covers, 0 where there is none."""
    live = (summaries.c.session_id == session_id, summaries.c.deleted_at.is_(None))
    return select(func.coalesce(func.max(summaries.c.seq), 0)).where(*live).scalar_subquery()


def due(connection: Connection, session_id: str, window: int) -> tuple[Summary | None, list[Message]]:
    """Return the latest summary and the messages to summarise: none while no more than *window* follow it.

    The newest half of the window is left as it is.
    """
    after = (of_session(session_id), messages.c.seq > covered(session_id))
    count: int = connection.execute(select(func.count()).select_from(messages).where(*after)).scalar_one()
    if count <= window:
        return None, []
    query = select(*COLUMNS).where(*after).order_by(messages.c.seq).limit(count - window // 2)
    return latest(connection, session_id), read(connection.execute(query))


def read_summary(row: Row[Any]) -> Summary:
    """Return the summary that *row* holds."""
    return Summary.model_construct(
        content=row.content,
        seq=row.seq,
        token_count=row.token_count,
        metadata=jsontext.loads(row.metadata),
        uuid=row.uuid,
        created_at=row.created_at,
    )
