"""Summaries: what a session's older messages said, in short."""

from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, select

from ..database import Stamp
from ..dialects import dialect_of
from ..errors import InvalidInput
from ..models import Message, Summary
from ..tables import messages, summaries
from . import checks, jsontext
from . import sessions as session_rows
from .batches import TokenCounter, counted
from .messages import COLUMNS, OF_SESSION, get, read

_COLUMNS = [column for column in summaries.c if column.name not in ("session_id", "deleted_at")]

LIVE_SUMMARY = and_(summaries.c.session_id == bindparam("session"), summaries.c.deleted_at.is_(None))
"""Matches the live summaries of the session that the parameter `session` names."""

COVERED = select(func.coalesce(func.max(summaries.c.seq), 0)).where(LIVE_SUMMARY).scalar_subquery()
"""The last message that the latest summary of that session covers; 0 where there is none."""


def written(summary: Summary, token_counter: TokenCounter) -> dict[str, Any]:
    """Check *summary*, count its tokens and return its columns; no I/O."""
    content = jsontext.clean(checks.model("summary", summary, Summary).content)
    given = summary.token_count
    return {
        "seq": None if summary.seq is None else checks.positive("seq", summary.seq),
        "uuid": summary.uuid,
        "content": checks.size("content", content),
        "token_count": counted(content, token_counter) if given is None else checks.token_count(given),
        "metadata": checks.metadata(summary.metadata),
        "created_at": None if summary.created_at is None else checks.moment("created_at", summary.created_at),
        "deleted_at": None,
    }


def add(
    connection: Connection, stamp: Stamp, session_id: str, row: dict[str, Any], until_uuid: object | None = None
) -> Summary:
    """Store a summary of everything up to one message, by default the newest; it replaces one of the same place."""
    checked = checks.session_id(session_id)
    last_seq: int = session_rows.lock_live(connection, checked).last_seq
    seq: int | None = row["seq"] if until_uuid is None else get(connection, checked, until_uuid).seq
    if seq is not None and seq > last_seq:
        raise InvalidInput("seq", f"is {seq}, after the session's last message ({last_seq})")
    values = {
        **row,
        "seq": seq or last_seq,
        "uuid": row["uuid"] or stamp.uuid,
        "created_at": row["created_at"] or stamp.now,
    }
    insert = dialect_of(connection).insert(summaries).values(session_id=checked, **values)
    place = [summaries.c.session_id, summaries.c.seq]
    return read_summary(
        connection.execute(insert.on_conflict_do_update(index_elements=place, set_=values).returning(*_COLUMNS)).one()
    )


def listed(connection: Connection, session_id: str, limit: int | None, cursor: int) -> list[Summary]:
    """Return summaries in order, those after the seq *cursor*."""
    query = select(*_COLUMNS).where(LIVE_SUMMARY, summaries.c.seq > checks.cursor(cursor)).order_by(summaries.c.seq)
    place = {"session": checks.session_id(session_id)}
    return [read_summary(row) for row in connection.execute(query.limit(checks.limit(limit)), place)]


def latest(connection: Connection, session_id: str) -> Summary | None:
    """Return the summary that covers most."""
    query = select(*_COLUMNS).where(LIVE_SUMMARY).order_by(summaries.c.seq.desc()).limit(1)
    found = connection.execute(query, {"session": checks.session_id(session_id)}).first()
    return None if found is None else read_summary(found)


def due(connection: Connection, session_id: str, window: int) -> tuple[Summary | None, list[Message]]:
    """Return the latest summary and the messages to summarise: none while no more than *window* follow it.

    The newest half of the window is left as it is.
    """
    after = (OF_SESSION, messages.c.seq > COVERED)
    place = {"session": checks.session_id(session_id)}
    count: int = connection.execute(select(func.count()).select_from(messages).where(*after), place).scalar_one()
    if count <= window:
        return None, []
    query = select(*COLUMNS).where(*after).order_by(messages.c.seq).limit(count - window // 2)
    return latest(connection, session_id), read(connection.execute(query, place))


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
