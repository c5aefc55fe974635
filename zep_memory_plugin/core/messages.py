"""Messages: reading, changing, deleting."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, Select, and_, bindparam, func, or_, select
from sqlalchemy.engine import Row

from .. import units
from ..databases import index_of
from ..databases.prepared import Prepared
from ..databases.statements import IS_KEPT
from ..errors import MessageNotFound
from ..models import Message, ToolCall, stored
from ..tables import SUPERSEDED, messages, sessions
from ..types import Metadata, TokenCounter
from ..units import Flow, Stamp
from . import checks, damage, jsontext, ownership, revisions
from . import sessions as session_rows
from .batches import NATIVE_FORMAT, TEXTS, written
from .chunks import chunked
from .tokens import estimated_tokens

WRITTEN = (
    "uuid",
    "role",
    "role_type",
    "name",
    "content",
    "tool_calls",
    "tool_call_id",
    "token_count",
    "native_format",
    "native",
)
"""Columns that an append writes and a reader of a message sees, in the order of `COLUMNS`."""

COLUMNS = tuple(messages.c[name] for name in (*WRITTEN, "seq", "created_at", "updated_at", "metadata"))
"""What a message is read as, in the order in which `read_one` takes it."""

FOLLOWED_AT_ONCE = 100
"""Messages that who follows a session reads with one statement."""

_TEXTS = ("role", "role_type", "name", "content", "tool_call_id", "native_format", "native")

_LIVE = messages.c.deleted_at.is_(None)
OF_SESSION = and_(messages.c.session_id == bindparam("session"), _LIVE)
"""Matches the live messages of the session that the parameter `session` names."""


_LAST_SEQ = select(sessions.c.last_seq).where(sessions.c.session_id == bindparam("session")).scalar_subquery()
NEAR_END = messages.c.seq > _LAST_SEQ - bindparam("count", type_=BigInteger)
"""Matches the last `count` seqs of a session, and so the newest messages of one where none was deleted.

A bound that holds whatever the planner of Postgres expects: before the first ANALYZE that is seven messages in every
session, so that it would read all of a session and put it in order to find the newest.
"""


_KEPT = select(sessions.c.session_id).where(sessions.c.session_id == bindparam("session"), IS_KEPT).exists()
DELETED = and_(
    messages.c.session_id == bindparam("session"),
    messages.c.deleted_at.is_not(None),
    messages.c.deleted_at != SUPERSEDED,
    _KEPT,
)
"""Matches the soft-deleted messages of that session, which a purge takes; but not those of its other branches."""


def are_live(connection: Connection, session_id: str, given: Sequence[Message]) -> bool:
    """Tell whether none of some messages of a locked session is deleted by now."""
    live = 0
    for chunk in chunked([message.uuid for message in given]):
        query = select(func.count()).select_from(messages).where(OF_SESSION, messages.c.uuid.in_(chunk))
        live += connection.execute(query, {"session": session_id}).scalar_one()
    return live == len(given)


def of_session(*, of_owner: bool) -> ColumnElement[bool]:
    """Match the live messages of a session; with *of_owner* only where it is in reach of the parameter `owner`."""
    return and_(OF_SESSION, ownership.IN_REACH) if of_owner else OF_SESSION


def read_one(row: Sequence[Any], session_id: str) -> Message:
    """Return the message that a *row* of `COLUMNS` of a session holds."""
    uuid, role, role_type, name, content, tool_calls, tool_call_id, token_count, native_format, native, *rest = row
    seq, created_at, updated_at, metadata = rest
    key = session_id, seq, uuid
    fields = {
        "role": role,
        "content": content,
        "name": name,
        "tool_calls": None if tool_calls is None else _tool_calls(tool_calls, key),
        "tool_call_id": tool_call_id,
        "token_count": token_count,
        "metadata": None if metadata is None else damage.json_object(metadata, "metadata of message", key),
        "uuid": uuid,
        "role_type": role_type,
        "seq": seq,
        "created_at": created_at,
        "updated_at": updated_at,
        "native_format": native_format,
        "native": native,
    }
    of_text = role.__class__ is content.__class__ is str and (name is None or name.__class__ is str)
    if not (of_text and token_count.__class__ is int) or not (tool_call_id is None or tool_call_id.__class__ is str):
        fields |= _plain(fields, key)
    if native_format == NATIVE_FORMAT and native is not None:
        changed = damage.json_object(native, "native form of message", key) or {}
        fields |= {"native_format": None, "native": None, **{name: changed[name] for name in TEXTS if name in changed}}
    if uuid is None or created_at is None:
        damage.report("uuid or moment of message", key)
    return stored(Message, fields)


def _plain(fields: dict[str, Any], key: damage.RowKey) -> dict[str, Any]:
    """Return those of *fields* that are text, and the number of tokens, as what is left of them."""
    texts = {name: damage.text(fields[name], f"{name} of message", key) for name in _TEXTS}
    return texts | {"token_count": damage.number(fields["token_count"], "token_count of message", key)}


def _tool_calls(text: str, key: damage.RowKey) -> list[ToolCall] | None:
    calls = damage.json_objects(text, "tool calls of message", key)
    if calls is None:
        return None
    if not all(isinstance(call.get("name"), str) for call in calls):
        damage.report("tool calls of message", key)
        return None
    names = ToolCall.model_fields
    return [ToolCall.model_construct(**{name: call[name] for name in names if name in call}) for call in calls]


def read(rows: Iterable[Sequence[Any]], session_id: str) -> list[Message]:
    """Return the messages that *rows* of `COLUMNS` of a session hold."""
    return [read_one(row, session_id) for row in rows]


@cache
def _after(*, limited: bool, of_owner: bool, deleted: bool) -> Prepared:
    wanted = and_(DELETED, *([ownership.IN_REACH] if of_owner else [])) if deleted else of_session(of_owner=of_owner)
    conditions = (wanted, messages.c.seq > bindparam("cursor"))
    query = select(*COLUMNS).where(*conditions).order_by(messages.c.seq)
    return Prepared(query.limit(bindparam("count")) if limited else query)


@cache
def _by_uuid(*, of_owner: bool) -> Select[Any]:
    return select(*COLUMNS).where(of_session(of_owner=of_owner), messages.c.uuid == bindparam("uuid"))


def listed(
    connection: Connection,
    session_id: str,
    limit: int | None,
    cursor: int | None,
    deleted: bool = False,
    user_id: str | None = None,
) -> list[Message]:
    """Return messages in order, those after the seq *cursor*: live ones, or the soft-deleted."""
    owner = checks.optional_user_id(user_id)
    parameters = ownership.parameters(owner, session=checks.session_id(session_id), cursor=checks.cursor(cursor))
    query = _after(limited=limit is not None, of_owner=owner is not None, deleted=deleted)
    rows = query.rows(connection, {**parameters, "count": checks.limit(limit)})
    if not rows:
        ownership.refuse(connection, session_id, owner)
    return read(rows, session_id)


def get(connection: Connection, session_id: str, uuid: object, user_id: str | None = None) -> Message:
    """Return a live message."""
    return read([_row(connection, session_id, uuid, user_id)], session_id)[0]


def seq_of(connection: Connection, session_id: str, uuid: object) -> int:
    """Return the seq of a live message."""
    seq: int = _row(connection, session_id, uuid).seq
    return seq


def _row(connection: Connection, session_id: str, uuid: object, user_id: str | None = None) -> Row[Any]:
    owner = checks.optional_user_id(user_id)
    parameters = ownership.parameters(owner, session=checks.session_id(session_id), uuid=checks.message_id(uuid))
    row = connection.execute(_by_uuid(of_owner=owner is not None), parameters).first()
    if row is None:
        ownership.refuse(connection, session_id, owner)
        raise MessageNotFound(session_id, uuid)
    return row


def change(
    session_id: str,
    uuid: object,
    metadata: Metadata | None,
    content: str | None,
    user_id: str | None,
    token_counter: TokenCounter,
) -> Flow[Message]:
    """Merge metadata into a live message and give it new content; its seq stays.

    The application's function counts tokens between a read and the write, while nothing is locked.
    """
    checks.metadata(metadata)
    checks.optional_text("content", content)
    token_count = 0
    if content is not None:
        before = yield units.read(_changeable, session_id, uuid, user_id)
        token_count = _rewritten(before, content, None, token_counter)["token_count"]
    message: Message = yield units.write(_changed, session_id, uuid, metadata, content, user_id, token_count)
    return message


def _changeable(connection: Connection, session_id: str, uuid: object, user_id: str | None) -> Message:
    session_rows.get(connection, session_id, user_id)
    return get(connection, session_id, uuid, user_id)


def _rewritten(before: Message, content: str, token_count: int | None, token_counter: TokenCounter) -> dict[str, Any]:
    """Return the columns that new content changes; *token_counter* is asked when *token_count* is None."""
    changed = {"content": content, "token_count": token_count, "native": None, "native_format": None}
    row = written(before.model_copy(update=changed), token_counter)
    return {name: row[name] for name in changed}


def _changed(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    uuid: object,
    metadata: Metadata | None,
    content: str | None,
    user_id: str | None,
    token_count: int,
) -> Message:
    session_rows.lock_live(connection, checks.session_id(session_id), user_id)
    row = _row(connection, session_id, uuid)
    before = read([row], session_id)[0]
    merged = checks.metadata(jsontext.patched(before.metadata, metadata))
    values: dict[str, Any] = {"metadata": merged, "updated_at": stamp.now}
    if content is not None:
        rewritten = _rewritten(before, content, token_count, estimated_tokens)
        index_of(connection).replace(connection, session_id, [row.seq])
        values |= {**rewritten, **index_of(connection).columns(row.name, rewritten["content"])}
    at_key = (messages.c.session_id == session_id, messages.c.seq == row.seq)
    session_rows.write(connection, stamp, session_id)
    connection.execute(revisions.change(messages, *at_key, **values))
    return get(connection, session_id, uuid)


def delete(
    connection: Connection, stamp: Stamp, session_id: str, uuids: Iterable[object], user_id: str | None = None
) -> None:
    """Soft-delete messages; when one of them is missing, none goes."""
    wanted = list(dict.fromkeys(checks.message_id(uuid) for uuid in uuids))
    session_rows.lock_live(connection, checks.session_id(session_id), user_id)
    if wanted:
        session_rows.write(connection, stamp, session_id)
    for chunk in chunked(wanted):
        _delete_chunk(connection, stamp, session_id, chunk)


def _delete_chunk(connection: Connection, stamp: Stamp, session_id: str, uuids: Sequence[UUID]) -> None:
    named = (messages.c.session_id == session_id, messages.c.uuid.in_(uuids))
    live = unmarked(stamp, messages.c.deleted_at)
    known = set(connection.execute(select(messages.c.uuid).where(*named, live)).scalars())
    for uuid in uuids:
        if uuid not in known:
            raise MessageNotFound(session_id, uuid)
    connection.execute(revisions.change(messages, *named, _LIVE, deleted_at=stamp.now))


def unmarked(stamp: Stamp, column: Column[datetime]) -> ColumnElement[bool]:
    """Match rows without a moment in *column*, or, when the write is sent again, with its own from before."""
    return column.is_(None) if stamp.attempt == 1 else or_(column.is_(None), column == stamp.now)
