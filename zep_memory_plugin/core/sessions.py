"""Sessions: life cycle and listing."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    update,
)

from .. import units
from ..databases import database_of, index_of
from ..databases.statements import IS_KEPT
from ..errors import MessageNotFound, SessionChanged, SessionExists, SessionNotFound, UserNotFound
from ..models import Session, State
from ..models import stored as stored_as
from ..moments import hour_of
from ..tables import SUPERSEDED, branches, messages, session_states, sessions, summaries
from ..types import JsonScalar, MessageStatus, Metadata
from ..units import Flow, Stamp
from . import checks, damage, holds, jsontext, listing, ownership, revisions, users
from .chunks import chunked
from .listing import Horizon

LONGEST_PREVIEW = 200
"""Characters of the last message that a listing shows."""

_OWN_COLUMNS = ("last_seq", "last_deleted_at", "purged_at", "added_at", "active_hour")
_COLUMNS = [column for column in sessions.c if column.name not in _OWN_COLUMNS]
_SELECT = select(*_COLUMNS)
_ACTIVITY = (sessions.c.active_hour, sessions.c.last_active_at, sessions.c.id)
_MESSAGES_OF = messages.c.session_id == bindparam("session")
_LIVE_ONE = _SELECT.where(sessions.c.session_id == bindparam("session"), sessions.c.deleted_at.is_(None))

_LAST_MESSAGE = (
    select(messages.c.uuid)
    .where(messages.c.session_id == sessions.c.session_id, messages.c.deleted_at.is_(None))
    .order_by(messages.c.seq.desc())
    .limit(1)
    .correlate(sessions)
    .scalar_subquery()
)
_STATE = tuple(session_states.c[name].label(f"state_{name}") for name in State.model_fields)


def _with_state(query: Select[Any]) -> Select[Any]:
    """Let a *query* for sessions tell the state and the last message of each."""
    same = session_states.c.session_id == sessions.c.session_id
    return query.add_columns(*_STATE, _LAST_MESSAGE.label("last_uuid")).outerjoin(session_states, same)


_LIVE_ONE_WITH_STATE = _with_state(_LIVE_ONE)

_OF_STATUS: dict[MessageStatus | None, ColumnElement[bool]] = {
    None: true(),
    "active": messages.c.archived_at.is_(None),
    "archived": messages.c.archived_at.is_not(None),
}


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions a listing shows, checked."""

    user_id: str | None = None
    metadata: dict[str, JsonScalar] | None = None
    deleted: bool = False
    with_preview: bool = False
    with_state: bool = False
    start: datetime | None = None
    end: datetime | None = None
    """When the sessions were active."""


def filtered(
    user_id: object = None,
    metadata: object = None,
    deleted: bool = False,
    with_preview: bool = False,
    with_state: bool = False,
    start_date: object = None,
    end_date: object = None,
) -> SessionFilter:
    """Check what a listing is to show."""
    return SessionFilter(
        checks.optional_user_id(user_id),
        checks.metadata_filter(metadata),
        deleted,
        with_preview,
        with_state,
        None if start_date is None else checks.moment("start_date", start_date),
        None if end_date is None else checks.moment("end_date", end_date),
    )


def add(connection: Connection, stamp: Stamp, session: Session, exist_ok: bool, create_user: bool) -> Session:
    """Store a new session, or complete one that is there: with *exist_ok* any, else one that a message has begun."""
    session_id = checks.session_id(checks.model("session", session, Session).session_id)
    user_id = checks.optional_user_id(session.user_id)
    fields: dict[str, Any] = {
        "title": checks.title(session.title) or None,
        "metadata": checks.metadata(session.metadata),
    }
    fields |= _moments(session, stamp)
    _ensure_user(connection, stamp, user_id, create_user)
    if not create(connection, stamp, session_id, user_id=user_id, added_at=stamp.now, revision=1, **fields):
        _complete(connection, stamp, session, exist_ok)
    return get(connection, session_id)


def _moments(session: Session, stamp: Stamp) -> dict[str, datetime]:
    """Return the moments of a new session, those that are given as they are: an import keeps its history."""
    created_at = checks.moment("created_at", session.created_at or stamp.now)
    return {
        "created_at": created_at,
        "updated_at": checks.moment("updated_at", session.updated_at or stamp.now),
        "last_active_at": checks.moment("last_active_at", session.last_active_at or created_at),
    }


def _ensure_user(connection: Connection, stamp: Stamp, user_id: str | None, create_user: bool) -> None:
    if user_id is None:
        return
    if create_user:
        users.create(connection, stamp, user_id)
    elif not users.is_there(connection, user_id):
        raise UserNotFound(user_id)


def _complete(connection: Connection, stamp: Stamp, session: Session, exist_ok: bool) -> None:
    """Merge *session* into the stored one, unless that is what an earlier attempt has stored."""
    stored = lock_taken(connection, session.session_id)
    if stored.uuid == stamp.uuid or (stamp.attempt > 1 and stored.added_at == stamp.now):
        return
    if not exist_ok and (stored.added_at is not None or stored.deleted_at is not None):
        raise SessionExists(session.session_id, deleted=stored.deleted_at is not None)
    ownership.check(session.session_id, stored.user_id, session.user_id)
    _merge_into(connection, stamp, stored, session, added_at=stored.added_at or stamp.now)


def create(connection: Connection, stamp: Stamp, session_id: str, **fields: Any) -> bool:
    """Insert a session with *fields* unless the id is taken, and tell whether it was inserted."""
    if not _make_room(connection, session_id):
        return False
    database = database_of(connection)
    active_at = fields.pop("last_active_at", stamp.now)
    row = {
        "session_id": session_id,
        "uuid": stamp.uuid,
        "created_at": stamp.now,
        "updated_at": stamp.now,
        **activity(active_at),
        **fields,
        **database.listing_id(connection, sessions),
    }
    inserted = database.insert(sessions).values(row).on_conflict_do_nothing().returning(sessions.c.session_id)
    return connection.execute(inserted).first() is not None


def begin(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None) -> bool:
    """Insert a session of nobody or of *user_id*, who is added when unknown, as `create` does."""
    if user_id is not None:
        users.create(connection, stamp, user_id)
    return create(connection, stamp, session_id, user_id=user_id)


def vacate(connection: Connection, session_id: str) -> None:
    """Make room for a session under an id that has to be free.

    Raises:
        SessionExists: a session has it, live or soft-deleted.
    """
    if not _make_room(connection, session_id):
        raise SessionExists(session_id, deleted=lock(connection, session_id).deleted_at is not None)


def _make_room(connection: Connection, session_id: str) -> bool:
    """Remove what is left of a session that was purged, and tell whether its id is free."""
    stored = connection.execute(select(sessions).where(sessions.c.session_id == session_id)).first()
    if stored is not None and not is_gone(stored):
        return False
    if stored is not None:
        _remove_rest(connection, session_id)
    return True


def activity(moment: datetime) -> dict[str, Any]:
    """Return the columns that say that a session was active at a *moment*."""
    return {"last_active_at": moment, "active_hour": hour_of(moment)}


def _remove_rest(connection: Connection, session_id: str) -> None:
    """Remove what a purge has marked as gone and not removed yet, so that a session can begin under the same id."""
    index_of(connection).remove(connection, _MESSAGES_OF, {"session": session_id})
    for table in (summaries, session_states, branches):
        connection.execute(table.delete().where(table.c.session_id == session_id))
    connection.execute(sessions.delete().where(sessions.c.session_id == session_id, not_(IS_KEPT)))


def is_gone(row: Row[Any]) -> bool:
    """Tell whether a purge has marked a session as gone."""
    return row.deleted_at is not None and row.purged_at is not None and row.deleted_at <= row.purged_at


def get(connection: Connection, session_id: str, user_id: str | None = None, with_state: bool = False) -> Session:
    """Return a live session, perhaps with its state and its last message."""
    checked, owner = checks.session_id(session_id), checks.optional_user_id(user_id)
    query = _LIVE_ONE_WITH_STATE if with_state else _LIVE_ONE
    row = connection.execute(query, {"session": checked}).first()
    if row is None:
        ownership.refuse(connection, checked, owner)
        raise SessionNotFound(checked)
    ownership.check(checked, row.user_id, owner)
    return session_of(row)


def of_message(connection: Connection, uuid: object, user_id: str | None = None) -> Session:
    """Return the first live session that has a message, on any branch."""
    checked, owner = checks.message_id(uuid), checks.optional_user_id(user_id)
    kept = or_(messages.c.deleted_at.is_(None), messages.c.deleted_at == SUPERSEDED)
    has_it = exists().where(messages.c.session_id == sessions.c.session_id, messages.c.uuid == checked, kept)
    query = _SELECT.where(sessions.c.deleted_at.is_(None), has_it.correlate(sessions)).order_by(sessions.c.id)
    if owner is not None:
        query = query.where(sessions.c.user_id == owner)
    row = connection.execute(query.limit(1)).first()
    if row is None:
        raise MessageNotFound(None, uuid)
    return session_of(row)


def live(connection: Connection, session_ids: Sequence[str], user_id: str | None) -> dict[str, Session]:
    """Return those of some sessions that are live, and the user's where one is named."""
    query = _SELECT.where(sessions.c.session_id.in_(session_ids), sessions.c.deleted_at.is_(None))
    if user_id is not None:
        query = query.where(sessions.c.user_id == user_id)
    return {row.session_id: session_of(row) for row in connection.execute(query)} if session_ids else {}


def merge(
    connection: Connection, stamp: Stamp, session: Session, user_id: str | None, expected_revision: int | None
) -> Session:
    """Merge what is given into a session, live or soft-deleted, and bring it back to life."""
    session_id = checks.session_id(checks.model("session", session, Session).session_id)
    checks.metadata(session.metadata)
    checks.title(session.title)
    checks.optional_user_id(session.user_id)
    stored = lock(connection, session_id, user_id)
    expect(stored, stamp, expected_revision)
    _merge_into(connection, stamp, stored, session)
    return get(connection, session_id)


def merge_as_zep(connection: Connection, stamp: Stamp, session_id: str, metadata: Metadata | None) -> Session:
    """Merge *metadata* into a session as Zep's server does, which stores a None; else as `merge` does."""
    checked = checks.session_id(session_id)
    checks.metadata(metadata)
    stored = lock(connection, checked)
    merged = checks.metadata(jsontext.merged(_metadata_of(stored), metadata))
    write(connection, stamp, checked, deleted_at=None, metadata=merged)
    return get(connection, checked)


def _merge_into(connection: Connection, stamp: Stamp, stored: Row[Any], session: Session, **fields: Any) -> None:
    """Merge title, metadata and owner of *session* into a locked one, and set *fields* beside."""
    if session.user_id is not None and session.user_id != stored.user_id:
        users.create(connection, stamp, session.user_id)
        fields["user_id"] = session.user_id
    if session.title is not None:
        fields["title"] = checks.title(session.title) or None
    fields["metadata"] = checks.metadata(jsontext.patched(_metadata_of(stored), session.metadata))
    write(connection, stamp, stored.session_id, deleted_at=None, **fields)


def patch(connection: Connection, stored: Row[Any], metadata: Metadata) -> None:
    """Merge *metadata* into a locked session, in the write that has moved it on."""
    merged = checks.metadata(jsontext.patched(_metadata_of(stored), metadata))
    connection.execute(update(sessions).where(sessions.c.session_id == stored.session_id).values(metadata=merged))


def move(connection: Connection, stamp: Stamp, session_id: str, user_id: str, from_user_id: str | None) -> Session:
    """Give a live session to another user, who is added when unknown."""
    checked, owner = checks.session_id(session_id), checks.user_id(user_id)
    giver = None if from_user_id is None else checks.user_id(from_user_id, "from_user_id")
    stored = lock_live(connection, checked)
    if stored.user_id != owner:
        ownership.check(checked, stored.user_id, giver)
        holds.refuse_move(connection, checked, stored.user_id)
        users.create(connection, stamp, owner)
        write(connection, stamp, checked, user_id=owner)
    return get(connection, checked)


def write(connection: Connection, stamp: Stamp, session_id: str, **fields: Any) -> None:
    """Set *fields* of a locked session; any write moves its update and its revision, sent again no further."""
    again = case((sessions.c.updated_at == stamp.now, 0), else_=1)
    revision = sessions.c.revision + (1 if stamp.attempt == 1 else again)
    values = {"updated_at": stamp.now, "revision": revision, **fields}
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(values))


def expect(stored: Row[Any], stamp: Stamp, revision: object) -> None:
    """Refuse a locked session that is of another *revision*, unless an earlier attempt of this call has moved it on.

    Raises:
        SessionChanged: it is of another one.
    """
    expected = checks.revision(revision)
    written_before = stamp.attempt > 1 and stored.updated_at == stamp.now
    if expected is not None and stored.revision != expected and not written_before:
        raise SessionChanged(stored.session_id, expected, stored.revision)


def delete(
    connection: Connection, stamp: Stamp, session_id: str, user_id: str | None, expected_revision: int | None
) -> None:
    """Soft-delete a session and everything in it, all with one moment of deletion."""
    checked = checks.session_id(session_id)
    stored = lock(connection, checked, user_id)
    if stored.deleted_at is not None and stored.deleted_at >= stamp.now and stamp.attempt > 1:
        return
    if stored.deleted_at is not None:
        raise SessionNotFound(checked)
    expect(stored, stamp, expected_revision)
    holds.refuse_session(connection, checked, stored.user_id)
    soft_delete(connection, stamp, [checked])


def soft_delete(connection: Connection, stamp: Stamp, session_ids: Sequence[str]) -> None:
    """Soft-delete locked sessions and everything in them, all with one moment of deletion."""
    moment = _new_moment(connection, stamp, session_ids)
    _move_on(connection, session_ids)
    for table in (messages, summaries):
        live = (table.c.session_id.in_(session_ids), table.c.deleted_at.is_(None))
        connection.execute(revisions.change(table, *live, deleted_at=moment))
    live = (sessions.c.session_id.in_(session_ids), sessions.c.deleted_at.is_(None))
    connection.execute(update(sessions).where(*live).values(deleted_at=moment, last_deleted_at=moment))


def _move_on(connection: Connection, session_ids: Sequence[str]) -> None:
    """Move the revisions of sessions on, and not their updates: nothing in them was written."""
    moved = update(sessions).where(sessions.c.session_id.in_(session_ids))
    connection.execute(moved.values(revision=sessions.c.revision + 1))


def _new_moment(connection: Connection, stamp: Stamp, session_ids: Sequence[str]) -> datetime:
    """Return a moment at which nothing of some sessions was deleted before, though clocks may stand still.

    By it `restore` tells what went with the session.
    """
    newest = (
        select(func.max(table.c.deleted_at))
        .where(table.c.session_id.in_(session_ids), table.c.deleted_at < SUPERSEDED)
        .scalar_subquery()
        for table in (messages, summaries)
    )
    found = connection.execute(select(*newest)).one()
    before: list[datetime] = [moment for moment in found if moment is not None]
    return max([stamp.now, *(moment + timedelta(microseconds=1) for moment in before)])


def restore(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None = None) -> Session:
    """Bring back what the deletion of a session took along: the session, too, unless a write has revived it since."""
    checked = checks.session_id(session_id)
    stored = lock(connection, checked, user_id)
    moment = stored.deleted_at or stored.last_deleted_at
    if moment is not None:
        _move_on(connection, [checked])
        for table in (messages, summaries):
            deleted = (table.c.session_id == checked, table.c.deleted_at == moment)
            connection.execute(revisions.change(table, *deleted, deleted_at=None))
        restored = update(sessions).where(sessions.c.session_id == checked)
        connection.execute(restored.values(deleted_at=None, last_deleted_at=None))
    return get(connection, checked)


def lock(connection: Connection, session_id: str, user_id: str | None = None) -> Row[Any]:
    """Lock a session's row, live or soft-deleted, until the transaction ends; refuse it to any but its owner."""
    row = connection.execute(select(sessions).where(sessions.c.session_id == session_id).with_for_update()).first()
    if row is None or is_gone(row):
        raise SessionNotFound(session_id)
    ownership.check(session_id, row.user_id, checks.optional_user_id(user_id))
    return row


def lock_taken(connection: Connection, session_id: str) -> Row[Any]:
    """Lock the session under an id that is taken.

    Raises:
        SessionExists: the database hides it from the user.
    """
    try:
        return lock(connection, session_id)
    except SessionNotFound:
        pass
    raise SessionExists(session_id, deleted=False)


def lock_live(connection: Connection, session_id: str, user_id: str | None = None) -> Row[Any]:
    """Lock a live session's row until the transaction ends; refuse it to any but its owner."""
    row = lock(connection, session_id, user_id)
    if row.deleted_at is not None:
        raise SessionNotFound(session_id)
    return row


def own(connection: Connection, stamp: Stamp, session_id: str, owner: str | None, user_id: str | None) -> None:
    """Make *user_id* the owner of a locked session that is *owner*'s or nobody's."""
    ownership.check(session_id, owner, user_id)
    if user_id is None or user_id == owner:
        return
    users.create(connection, stamp, user_id)
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(user_id=user_id))


def listed(
    limit: int | None, cursor: int | str | None, order: object, wanted: SessionFilter, horizon: Horizon
) -> Flow[list[Session]]:
    """Return sessions as they were added, or those that were active last first; those after *cursor*."""
    if checks.session_order(order) == "active":
        # What was active meanwhile is not to come twice: a page is no older than the one before it.
        since = units.NEVER if cursor is None else time.monotonic()
        listed: list[Session] = yield units.late(units.read(_by_activity, limit, cursor, wanted), since=since)
        return listed
    after = checks.cursor(cursor)
    return (yield from listing.page(sessions, limit, after, horizon, partial(shown, wanted), session_of))


def _by_activity(
    connection: Connection, limit: int | None, cursor: int | str | None, wanted: SessionFilter
) -> list[Session]:
    """Return a page by activity: whatever moves to the head meanwhile, no session comes twice or is left out."""
    after = checks.activity_cursor(cursor)
    query = shown(replace(wanted, user_id=None), connection, sessions.select()).limit(checks.limit(limit))
    if wanted.user_id is not None:
        hour = None if after is None else hour_of(after[0])
        along = database_of(connection).down_from
        of_user, beginning = along(sessions.c.user_id, wanted.user_id, sessions.c.active_hour, hour)
        query = query.where(of_user).order_by(*beginning)
    query = query.order_by(*(column.desc() for column in _ACTIVITY))
    if after is not None:
        moment, last_id = after
        seen = zip((hour_of(moment), moment, last_id), _ACTIVITY, strict=True)
        query = query.where(tuple_(*_ACTIVITY) < tuple_(*(literal(value, column.type) for value, column in seen)))
    return [session_of(row) for row in connection.execute(query)]


def shown(wanted: SessionFilter, connection: Connection, query: Select[Any]) -> Select[Any]:
    """Restrict a *query* for sessions to those that are wanted."""
    deleted_at = sessions.c.deleted_at
    query = query.where(and_(deleted_at.is_not(None), IS_KEPT) if wanted.deleted else deleted_at.is_(None))
    if wanted.user_id is not None:
        query = query.where(sessions.c.user_id == wanted.user_id)
    if wanted.metadata:
        contains = database_of(connection).metadata_contains
        query = query.where(contains(connection, sessions.c.metadata, wanted.metadata))
    if wanted.start is not None:
        query = query.where(sessions.c.active_hour >= hour_of(wanted.start), sessions.c.last_active_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(sessions.c.active_hour <= hour_of(wanted.end), sessions.c.last_active_at <= wanted.end)
    if wanted.with_preview:
        query = query.add_columns(*_previews(wanted))
    return _with_state(query) if wanted.with_state else query


def _previews(wanted: SessionFilter) -> Iterable[ColumnElement[Any]]:
    """Return what a listing shows of each session's messages; of a deleted one, of those that went with it."""
    of_it = (messages.c.session_id == sessions.c.session_id, messages.c.deleted_at == sessions.c.deleted_at)
    shown = and_(*of_it) if wanted.deleted else and_(of_it[0], messages.c.deleted_at.is_(None))
    beginning = func.substr(messages.c.content, 1, LONGEST_PREVIEW)
    last = select(beginning).where(shown, messages.c.content != "").order_by(messages.c.seq.desc()).limit(1)
    counted = select(func.count()).select_from(messages).where(shown)
    return (
        query.correlate(sessions).scalar_subquery().label(name)
        for name, query in {"message_count": counted, "preview": last}.items()
    )


def message_counts(
    connection: Connection, session_ids: Iterable[str], status: object = None, user_id: str | None = None
) -> dict[str, int]:
    """Count the live messages of each session, of one status or of any."""
    owner = checks.optional_user_id(user_id)
    counts = dict.fromkeys((checks.session_id(session_id) for session_id in session_ids), 0)
    for chunk in chunked(list(counts)):
        live = and_(messages.c.session_id == sessions.c.session_id, messages.c.deleted_at.is_(None), of_status(status))
        counted = (
            select(sessions.c.session_id, sessions.c.user_id, func.count(messages.c.seq))
            .join_from(sessions, messages, live, isouter=True)
            .where(sessions.c.session_id.in_(chunk))
            .group_by(sessions.c.session_id)
        )
        for session_id, session_owner, count in connection.execute(counted):
            if ownership.shows(session_id, session_owner, owner):
                counts[session_id] = count
    return counts


def of_status(status: object) -> ColumnElement[bool]:
    """Match messages of one status, or of any."""
    return _OF_STATUS[checks.status(status)]


def _metadata_of(row: Row[Any]) -> dict[str, Any] | None:
    return damage.json_object(row.metadata, "metadata of session", (row.session_id, row.uuid))


def session_of(row: Row[Any]) -> Session:
    """Return the session of a *row*."""
    columns = row._asdict()
    fields = {name: columns.get(name) for name in Session.model_fields}
    return stored_as(Session, {**fields, "metadata": _metadata_of(row), "state": _state_of(columns)})


def _state_of(columns: Mapping[str, Any]) -> State | None:
    if columns.get("state_revision") is None:
        return None
    return stored_as(State, {name: columns[f"state_{name}"] for name in State.model_fields})
