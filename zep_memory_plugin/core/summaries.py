"""Summaries: what a session's older messages said, in short."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, SelectBase, and_, bindparam, cast, func, literal, null, select

from ..databases import database_of
from ..errors import InvalidInput
from ..models import Message, Summary
from ..tables import messages, summaries
from ..types import TokenCounter
from ..units import Stamp
from . import checks, damage, jsontext, ownership
from . import sessions as session_rows
from .messages import COLUMNS, OF_SESSION, are_live, get, read
from .tokens import counted

_COLUMNS = [column for column in summaries.c if column.name not in ("session_id", "deleted_at")]

LIVE_SUMMARY = and_(summaries.c.session_id == bindparam("session"), summaries.c.deleted_at.is_(None))
"""Matches the live summaries of the session that the parameter `session` names."""


def live_summary(*, of_owner: bool) -> ColumnElement[bool]:
    """Match the live summaries of a session; with *of_owner* only where it is in reach of the parameter `owner`."""
    return and_(LIVE_SUMMARY, ownership.IN_REACH) if of_owner else LIVE_SUMMARY


COVERED = select(func.coalesce(func.max(summaries.c.seq), 0)).where(LIVE_SUMMARY).scalar_subquery()
"""The last message that the latest summary of that session covers; 0 where there is none."""

_ROLE = "summary"
"""The role and the role type of the row that is no message."""

_NAMES = [column.name for column in COLUMNS]
_ROLE_TYPE = _NAMES.index("role_type")
_Row = namedtuple("_Row", _NAMES)  # type: ignore[misc]  # its names are those of columns


def latest_as_row(*, of_owner: bool) -> SelectBase:
    """Return the query for the latest summary as a row of the shape of a message, to stand among some."""
    latest = (
        select(summaries)
        .where(live_summary(of_owner=of_owner))
        .order_by(summaries.c.seq.desc())
        .limit(1)
        .subquery("latest")
    )
    same = {"role": literal(_ROLE), "role_type": literal(_ROLE), **{column.name: column for column in latest.c}}
    columns: list[Any] = [same.get(column.name, cast(null(), column.type)).label(column.name) for column in COLUMNS]
    return select(*columns)


def parted(rows: Sequence[Sequence[Any]], session_id: str) -> tuple[list[Sequence[Any]], Summary | None]:
    """Return those of *rows* that are messages, and the summary that stands among them."""
    summary = next((_Row(*row) for row in rows if row[_ROLE_TYPE] == _ROLE), None)
    of_messages = [row for row in rows if row[_ROLE_TYPE] != _ROLE]
    return of_messages, None if summary is None else read_summary(summary, session_id)


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
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    row: dict[str, Any],
    until_uuid: object | None = None,
    user_id: str | None = None,
) -> Summary:
    """Store a summary of everything up to one message, by default the newest; it replaces one of the same seq."""
    checked = checks.session_id(session_id)
    last_seq: int = session_rows.lock_live(connection, checked, user_id).last_seq
    seq: int | None = row["seq"] if until_uuid is None else get(connection, checked, until_uuid).seq
    if seq is not None and seq > last_seq:
        raise InvalidInput("seq", f"is {seq}, after the session's last message ({last_seq})")
    values = {
        **row,
        "seq": seq or last_seq,
        "uuid": row["uuid"] or stamp.uuid,
        "created_at": row["created_at"] or stamp.now,
    }
    insert = database_of(connection).insert(summaries).values(session_id=checked, **values)
    key = [summaries.c.session_id, summaries.c.seq]
    upsert = insert.on_conflict_do_update(index_elements=key, set_=values).returning(*_COLUMNS)
    return read_summary(connection.execute(upsert).one(), checked)


def add_of(
    connection: Connection, stamp: Stamp, session_id: str, row: dict[str, Any], summarized: Sequence[Message]
) -> Summary | None:
    """Store a summary of messages, unless one of them is deleted by now: their words are not to live on in it."""
    session_rows.lock_live(connection, checks.session_id(session_id))
    if not are_live(connection, session_id, summarized):
        return None
    return add(connection, stamp, session_id, row, summarized[-1].uuid)


def listed(
    connection: Connection, session_id: str, limit: int | None, cursor: int | None, user_id: str | None = None
) -> list[Summary]:
    """Return summaries in order, those after the seq *cursor*."""
    owner = checks.optional_user_id(user_id)
    conditions = (live_summary(of_owner=owner is not None), summaries.c.seq > checks.cursor(cursor))
    query = select(*_COLUMNS).where(*conditions).order_by(summaries.c.seq).limit(checks.limit(limit))
    rows = connection.execute(query, ownership.parameters(owner, session=checks.session_id(session_id))).all()
    if not rows:
        ownership.refuse(connection, session_id, owner)
    return [read_summary(row, session_id) for row in rows]


def latest(connection: Connection, session_id: str) -> Summary | None:
    """Return the summary that covers most."""
    query = select(*_COLUMNS).where(LIVE_SUMMARY).order_by(summaries.c.seq.desc()).limit(1)
    row = connection.execute(query, {"session": checks.session_id(session_id)}).first()
    return None if row is None else read_summary(row, session_id)


def due(connection: Connection, session_id: str, window: int) -> tuple[Summary | None, list[Message]]:
    """Return the latest summary and the messages to summarise: none while no more than *window* follow it.

    The newest half of the window is left as it is.
    """
    after = (OF_SESSION, messages.c.seq > COVERED)
    parameters = {"session": checks.session_id(session_id)}
    count: int = connection.execute(select(func.count()).select_from(messages).where(*after), parameters).scalar_one()
    if count <= window:
        return None, []
    query = select(*COLUMNS).where(*after).order_by(messages.c.seq).limit(count - window // 2)
    return latest(connection, session_id), read(connection.execute(query, parameters), session_id)


def read_summary(row: Any, session_id: str) -> Summary:
    """Return the summary that *row* of a session holds."""
    key = session_id, row.seq, row.uuid
    return Summary.model_construct(
        content=damage.text(row.content, "content of summary", key),
        seq=row.seq,
        token_count=row.token_count,
        metadata=damage.json_object(row.metadata, "metadata of summary", key),
        uuid=row.uuid,
        created_at=row.created_at,
    )
