"""Messages: appending, reading, changing."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, and_, bindparam, or_, select, update
from sqlalchemy.engine import Row

from ..database import Stamp, Steps, read_unit, write_unit
from ..dialects import Append, Appended, dialect_of, filled, transaction
from ..dialects.prepared import Prepared
from ..dialects.statements import take_places
from ..errors import MessageNotFound
from ..models import Message, Metadata, ToolCall, stored
from ..tables import messages, sessions
from . import checks, jsontext
from . import sessions as session_rows
from .batches import NATIVE_FORMAT, Batch, TokenCounter, estimated_tokens, merged_text, written
from .chunks import chunked
from .search import writes

_OVERWRITTEN = (
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

_KEPT = ("session_id", "uuid", "created_at")
"""Columns that a message keeps when it is written again."""

_OVERWRITE = update(messages).where(
    messages.c.session_id == bindparam("of_session"), messages.c.seq == bindparam("at_seq")
)

# Statements that are sent often are built once: building one costs several times what sending it does.
_INSERT = messages.insert()
_TAKE_PLACES = take_places(owned=False).returning(sessions.c.last_seq, sessions.c.user_id)


AT_ONCE = 1_000
"""Messages up to which an append tries to be one statement; with more it first makes sure that there is a session."""


def append(connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None) -> list[Message]:
    """Append *new* to a session, which is created or undeleted when need be."""
    checked, owner = checks.session_id(session_id), checks.optional_user_id(user_id)
    if not new.rows:
        return []
    first = stamp.attempt == 1
    request = _request(connection, stamp, checked, owner, new, fresh=first and not new.given)
    plain = first and not new.merges and len(new.rows) <= AT_ONCE
    appended = dialect_of(connection).append_at_once(connection, request) if plain else None
    if appended is None:
        with transaction(connection):
            appended = _append_to_new(connection, stamp, request) if plain and request.fresh else None
            if appended is None:
                appended = _append(connection, stamp, request, new.given)
    writes.tend(connection, request.session_id, appended)
    return _as_stored(request.rows, appended)


def append_anew(
    connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None
) -> list[Message]:
    """Append *new* in a transaction of the caller; what the session has or had of it moves to its new place."""
    owner = checks.optional_user_id(user_id)
    request = _request(connection, stamp, checks.session_id(session_id), owner, new, fresh=False)
    before = _take_places(connection, stamp, request) - len(request.rows)
    known = _known(connection, request, new.given if stamp.attempt == 1 else {row["uuid"] for row in request.rows})
    placed = [
        {**row, "session_id": request.session_id, "seq": seq} for seq, row in enumerate(request.rows, start=before + 1)
    ]
    if fresh := [row for row in placed if row["uuid"] not in known]:
        connection.execute(_INSERT, fresh)
    writes.drop(connection, request.session_id, [there.seq for there in known.values()])
    moved = [_moved(connection, stamp, row, known.get(row["uuid"])) for row in placed]
    writes.add(connection, request.session_id, before, request.rows)
    return _as_stored(placed, moved)


def _moved(connection: Connection, stamp: Stamp, row: dict[str, Any], there: Row[Any] | None) -> Appended:
    """Move a message that is stored, deleted or not, to its new place, and give it its new content."""
    if there is None:
        return Appended(row["uuid"], row["seq"], row["created_at"], None, row["metadata"])
    metadata = merged_text(there.metadata, row["metadata"])
    updated_at = there.updated_at if _is_of_this_call(there, stamp) else stamp.now
    changed = {name: value for name, value in row.items() if name not in _KEPT}
    changed |= {"metadata": metadata, "updated_at": updated_at, "deleted_at": None}
    place = (messages.c.session_id == row["session_id"], messages.c.uuid == row["uuid"])
    connection.execute(update(messages).where(*place).values(changed))
    return Appended(row["uuid"], row["seq"], there.created_at, updated_at, metadata)


def _request(
    connection: Connection, stamp: Stamp, session_id: str, user_id: str | None, new: Batch, *, fresh: bool
) -> Append:
    # In place, as copies of very many rows would be what the garbage collector works on; another attempt does the same.
    for row in new.rows:
        row["created_at"] = row["created_at"] or stamp.now
        row["archived_at"] = stamp.now if new.archived else None
        row |= writes.columns(connection, row["name"], row["content"])
    return Append(session_id, user_id, new.rows, stamp.now, fresh)


def _append_to_new(connection: Connection, stamp: Stamp, request: Append) -> list[Appended] | None:
    """Append to a session that is created for it, or return None where it is there already."""
    if not session_rows.create(connection, stamp, request.session_id):
        return None
    session_rows.own(connection, stamp, request.session_id, None, request.user_id)
    return dialect_of(connection).append_at_once(connection, request)


def _append(connection: Connection, stamp: Stamp, request: Append, given: frozenset[UUID]) -> list[Appended]:
    """Append in several statements of one transaction, under the session's row lock."""
    before = _take_places(connection, stamp, request) - len(request.rows)
    sent_before = stamp.attempt > 1
    known = _known(connection, request, {row["uuid"] for row in request.rows} if sent_before else given)
    fresh = [row for row in request.rows if row["uuid"] not in known]
    if known:
        _return_places(connection, request, len(request.rows) - len(fresh))
    if fresh:
        dialect_of(connection).fill(connection, request.session_id, before, fresh)
        writes.add(connection, request.session_id, before, fresh)
    return filled(fresh, before) + _overwrite(connection, stamp, request, known)


def _take_places(connection: Connection, stamp: Stamp, request: Append) -> int:
    """Lock the session, creating or undeleting it, move its last place on, and return that."""
    places = {"session": request.session_id, "count": len(request.rows), "now": request.now}
    taken = connection.execute(_TAKE_PLACES, places).first()
    if taken is None:
        session_rows.create(connection, stamp, request.session_id)
        return _take_places(connection, stamp, request)
    session_rows.own(connection, stamp, request.session_id, taken.user_id, request.user_id)
    last_seq: int = taken.last_seq
    return last_seq


def _return_places(connection: Connection, request: Append, count: int) -> None:
    returned = {"session": request.session_id, "count": -count, "now": request.now}
    connection.execute(_TAKE_PLACES, returned)


def _known(connection: Connection, request: Append, candidates: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """Return which of *candidates* the session has already, deleted ones too."""
    columns = [messages.c[name] for name in ("uuid", "seq", "created_at", "updated_at", "metadata", "deleted_at")]
    found: dict[UUID, Row[Any]] = {}
    for chunk in chunked(list(candidates)):
        query = select(*columns).where(messages.c.session_id == request.session_id, messages.c.uuid.in_(chunk))
        found |= {row.uuid: row for row in connection.execute(query)}
    return found


def _overwrite(connection: Connection, stamp: Stamp, request: Append, known: dict[UUID, Row[Any]]) -> list[Appended]:
    """Give stored messages their new content; deleted ones stay as they are, and so does what this very call stored."""
    live = [(row, known[row["uuid"]]) for row in request.rows if row["uuid"] in known]
    live = [(row, there) for row, there in live if there.deleted_at is None]
    done = [_in_its_place(there) for _, there in live if _is_of_this_call(there, stamp)]
    due = [(row, there) for row, there in live if not _is_of_this_call(there, stamp)]
    changes = [_change(request, row, there) for row, there in due]
    writes.replace(connection, request.session_id, [there.seq for _, there in due])
    if changes:
        connection.execute(_OVERWRITE, changes)
    return done + [
        Appended(there.uuid, there.seq, there.created_at, request.now, change["metadata"])
        for (_, there), change in zip(due, changes, strict=True)
    ]


def _in_its_place(there: Row[Any]) -> Appended:
    return Appended(there.uuid, there.seq, there.created_at, there.updated_at, there.metadata)


def _is_of_this_call(there: Row[Any], stamp: Stamp) -> bool:
    """Tell whether an earlier attempt stored a message as it is, though the answer was lost."""
    written_at: datetime = there.updated_at or there.created_at
    return stamp.attempt > 1 and written_at == stamp.now


def _change(request: Append, row: dict[str, Any], stored: Row[Any]) -> dict[str, Any]:
    """Return the parameters of `_OVERWRITE` that write *row* over a stored message."""
    return {
        "of_session": request.session_id,
        "at_seq": stored.seq,
        **{name: value for name, value in row.items() if name not in (*_KEPT, "archived_at")},
        "metadata": merged_text(stored.metadata, row["metadata"]),
        "updated_at": request.now,
    }


def _as_stored(rows: Sequence[dict[str, Any]], appended: Sequence[Appended]) -> list[Message]:
    """Return the messages that are stored, in the order of *rows*."""
    kept = _placed(rows, appended)
    return [
        _message((*_written_of(row), place.seq, place.created_at, place.updated_at, place.metadata))
        for row, place in kept
    ]


def _placed(rows: Sequence[dict[str, Any]], appended: Sequence[Appended]) -> Iterable[tuple[dict[str, Any], Appended]]:
    """Return each of *rows* that has a place with that place."""
    if len(rows) == len(appended) and all(row["uuid"] is place.uuid for row, place in zip(rows, appended, strict=True)):
        return zip(rows, appended, strict=True)
    places = {place.uuid: place for place in appended}
    return ((row, places[row["uuid"]]) for row in rows if row["uuid"] in places)


_WRITTEN = ("uuid", *_OVERWRITTEN)
_written_of = itemgetter(*_WRITTEN)
COLUMNS = tuple(messages.c[name] for name in (*_WRITTEN, "seq", "created_at", "updated_at", "metadata"))
"""What a message is read as, in the order in which `_message` takes it."""

_LIVE = messages.c.deleted_at.is_(None)
OF_SESSION = and_(messages.c.session_id == bindparam("session"), _LIVE)
"""Matches the live messages of the session that the parameter `session` names."""


def _message(row: Sequence[Any]) -> Message:
    uuid, role, role_type, name, content, tool_calls, tool_call_id, token_count, native_format, native, *place = row
    seq, created_at, updated_at, metadata = place
    fields = {
        "role": role,
        "content": content,
        "name": name,
        "tool_calls": None if tool_calls is None else _tool_calls(tool_calls),
        "tool_call_id": tool_call_id,
        "token_count": token_count,
        "metadata": None if metadata is None else json.loads(metadata),
        "uuid": uuid,
        "role_type": role_type,
        "seq": seq,
        "created_at": created_at,
        "updated_at": updated_at,
        "native_format": native_format,
        "native": native,
    }
    if native_format == NATIVE_FORMAT and native is not None:
        fields |= {"native_format": None, "native": None, **json.loads(native)}
    return stored(Message, fields)


def _tool_calls(text: str) -> list[ToolCall]:
    return [ToolCall.model_construct(**call) for call in json.loads(text)]


def read(rows: Iterable[Sequence[Any]]) -> list[Message]:
    """Return the messages that *rows* of `COLUMNS` hold."""
    return [_message(row) for row in rows]


_AFTER = select(*COLUMNS).where(OF_SESSION, messages.c.seq > bindparam("cursor")).order_by(messages.c.seq)
_ALL_AFTER, _SOME_AFTER = Prepared(_AFTER), Prepared(_AFTER.limit(bindparam("count")))
_BY_UUID = select(*COLUMNS).where(OF_SESSION, messages.c.uuid == bindparam("uuid"))


def listed(connection: Connection, session_id: str, limit: int | None, cursor: int) -> list[Message]:
    """Return messages in order, those after the seq *cursor*."""
    place = {"session": checks.session_id(session_id), "cursor": checks.cursor(cursor), "count": checks.limit(limit)}
    return read((_ALL_AFTER if limit is None else _SOME_AFTER).rows(connection, place))


def get(connection: Connection, session_id: str, uuid: object) -> Message:
    """Return a live message."""
    return read([_found(connection, session_id, uuid)])[0]


def seq_of(connection: Connection, session_id: str, uuid: object) -> int:
    """Return the place of a live message."""
    seq: int = _found(connection, session_id, uuid).seq
    return seq


def _found(connection: Connection, session_id: str, uuid: object) -> Row[Any]:
    wanted = {"session": checks.session_id(session_id), "uuid": checks.uuid(uuid)}
    found = connection.execute(_BY_UUID, wanted).first()
    if found is None:
        raise MessageNotFound(session_id, uuid)
    return found


def change_steps(
    session_id: str, uuid: object, metadata: Metadata | None, content: str | None, token_counter: TokenCounter
) -> Steps[Message]:
    """Merge metadata into a live message and give it new content; its place stays.

    The application's function counts tokens between a read and the write, while nothing is locked.
    """
    checks.metadata(metadata)
    checks.optional_text("content", content)
    token_count = 0
    if content is not None:
        before = yield read_unit(_changeable, session_id, uuid)
        token_count = _rewritten(before, content, None, token_counter)["token_count"]
    message: Message = yield write_unit(_changed, session_id, uuid, metadata, content, token_count)
    return message


def _changeable(connection: Connection, session_id: str, uuid: object) -> Message:
    session_rows.get(connection, session_id)
    return get(connection, session_id, uuid)


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
    token_count: int,
) -> Message:
    session_rows.lock_live(connection, checks.session_id(session_id))
    there = _found(connection, session_id, uuid)
    before = read([there])[0]
    merged = checks.metadata(jsontext.merged(before.metadata, metadata))
    values: dict[str, Any] = {"metadata": merged, "updated_at": stamp.now}
    if content is not None:
        rewritten = _rewritten(before, content, token_count, estimated_tokens)
        writes.replace(connection, session_id, [there.seq])
        values |= {**rewritten, **writes.columns(connection, there.name, rewritten["content"])}
    place = (messages.c.session_id == session_id, messages.c.seq == there.seq)
    connection.execute(update(messages).where(*place).values(values))
    _touch(connection, stamp, session_id)
    return get(connection, session_id, uuid)


def delete(connection: Connection, stamp: Stamp, session_id: str, uuids: Iterable[object]) -> None:
    """Soft-delete messages; when one of them is not there, none goes."""
    wanted = list(dict.fromkeys(checks.uuid(uuid) for uuid in uuids))
    session_rows.lock_live(connection, checks.session_id(session_id))
    for chunk in chunked(wanted):
        _delete_chunk(connection, stamp, session_id, chunk)
    if wanted:
        _touch(connection, stamp, session_id)


def _delete_chunk(connection: Connection, stamp: Stamp, session_id: str, uuids: Sequence[UUID]) -> None:
    there = (messages.c.session_id == session_id, messages.c.uuid.in_(uuids))
    live = unmarked(stamp, messages.c.deleted_at)
    found = set(connection.execute(select(messages.c.uuid).where(*there, live)).scalars())
    for uuid in uuids:
        if uuid not in found:
            raise MessageNotFound(session_id, uuid)
    connection.execute(update(messages).where(*there, _LIVE).values(deleted_at=stamp.now))


def unmarked(stamp: Stamp, column: Column[datetime]) -> ColumnElement[bool]:
    """Match rows without a moment in *column*, or, when the write is sent again, with its own from before."""
    return column.is_(None) if stamp.attempt == 1 else or_(column.is_(None), column == stamp.now)


def _touch(connection: Connection, stamp: Stamp, session_id: str) -> None:
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(updated_at=stamp.now))
