"""Sessions: life cycle and listing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select, true, update

from ..database import Stamp
from ..dialects import JsonScalar, dialect_of
from ..errors import SessionExists, SessionNotFound, SessionOwnedByAnotherUser, UserNotFound
from ..models import MessageStatus, Session
from ..tables import messages, sessions, summaries
from . import checks, jsontext, users
from .chunks import chunked

_COLUMNS = [column for column in sessions.c if column.name != "last_seq"]
_SELECT = select(*_COLUMNS)
_LIVE_ONE = _SELECT.where(sessions.c.session_id == bindparam("session"), sessions.c.deleted_at.is_(None))

_OF_STATUS: dict[MessageStatus | None, ColumnElement[bool]] = {
    None: true(),
    "active": messages.c.archived_at.is_(None),
    "archived": messages.c.archived_at.is_not(None),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which sessions a listing shows, checked."""

    user_id: str | None = None
    metadata: dict[str, JsonScalar] | None = None
    deleted: bool = False


def filtered(user_id: object = None, metadata: object = None, deleted: bool = False) -> Filter:
    """Check what a listing is to show."""
    return Filter(checks.optional_user_id(user_id), checks.metadata_filter(metadata), deleted)


def add(connection: Connection, stamp: Stamp, session: Session) -> Session:
    """Store a new session."""
    session_id = checks.session_id(checks.model("session", session, Session).session_id)
    user_id = checks.optional_user_id(session.user_id)
    metadata = checks.metadata(session.metadata)
    created_at = checks.moment("created_at", session.created_at or stamp.now)
    if user_id is not None and not users.is_there(connection, user_id):
        raise UserNotFound(user_id)
    if not create(connection, stamp, session_id, user_id, metadata, created_at):
        stored = connection.execute(_SELECT.where(sessions.c.session_id == session_id)).one()
        if stored.uuid != stamp.uuid:
            raise SessionExists(session_id, deleted=stored.deleted_at is not None)
    return get(connection, session_id)


def create(
    connection: Connection,
    stamp: Stamp,
    session_id: str,
    user_id: str | None = None,
    metadata: str | None = None,
    created_at: datetime | None = None,
    last_seq: int = 0,
) -> bool:
    """Insert a session unless the id is taken, and tell whether it was inserted."""
    if connection.execute(select(sessions.c.id).where(sessions.c.session_id == session_id)).first() is not None:
        return False
    dialect = dialect_of(connection)
    row = {
        "session_id": session_id,
        "uuid": stamp.uuid,
        "user_id": user_id,
        "metadata": metadata,
        "created_at": created_at or stamp.now,
        "updated_at": stamp.now,
        "last_seq": last_seq,
        **dialect.listing_id(connection, sessions),
    }
    inserted = dialect.insert(sessions).values(row).on_conflict_do_nothing().returning(sessions.c.session_id)
    return connection.execute(inserted).first() is not None


def get(connection: Connection, session_id: str) -> Session:
    """Return a live session."""
    checked = checks.session_id(session_id)
    found = connection.execute(_LIVE_ONE, {"session": checked}).first()
    if found is None:
        raise SessionNotFound(checked)
    return _session(found)


def merge(connection: Connection, stamp: Stamp, session: Session) -> Session:
    """Merge metadata into a session, live or soft-deleted, and bring it back to life."""
    session_id = checks.session_id(checks.model("session", session, Session).session_id)
    checks.metadata(session.metadata)
    stored = lock(connection, session_id)
    metadata = checks.metadata(jsontext.merged(jsontext.loads(stored.metadata), session.metadata))
    connection.execute(
        update(sessions)
        .where(sessions.c.session_id == session_id)
        .values(metadata=metadata, updated_at=stamp.now, deleted_at=None)
    )
    return get(connection, session_id)


def delete(connection: Connection, stamp: Stamp, session_id: str) -> None:
    """Soft-delete a session and everything in it, all with one moment of deletion."""
    checked = checks.session_id(session_id)
    stored = lock(connection, checked)
    if stored.deleted_at is not None and stored.deleted_at >= stamp.now and stamp.attempt > 1:
        return
    if stored.deleted_at is not None:
        raise SessionNotFound(checked)
    moment = _new_moment(connection, stamp, checked)
    for table in (sessions, messages, summaries):
        connection.execute(
            update(table).where(table.c.session_id == checked, table.c.deleted_at.is_(None)).values(deleted_at=moment)
        )


def _new_moment(connection: Connection, stamp: Stamp, session_id: str) -> datetime:
    """Return a moment at which nothing of a session was deleted before, though clocks may stand still.

    By it `restore` tells what went with the session.
    """
    newest = (
        select(func.max(table.c.deleted_at)).where(table.c.session_id == session_id).scalar_subquery()
        for table in (messages, summaries)
    )
    found = connection.execute(select(*newest)).one()
    before: list[datetime] = [moment for moment in found if moment is not None]
    return max([stamp.now, *(moment + timedelta(microseconds=1) for moment in before)])


def restore(connection: Connection, stamp: Stamp, session_id: str) -> Session:
    """Bring back a soft-deleted session with exactly what its deletion took along."""
    checked = checks.session_id(session_id)
    deleted_at = lock(connection, checked).deleted_at
    if deleted_at is not None:
        for table in (sessions, messages, summaries):
            connection.execute(
                update(table)
                .where(table.c.session_id == checked, table.c.deleted_at == deleted_at)
                .values(deleted_at=None)
            )
    return get(connection, checked)


def lock(connection: Connection, session_id: str) -> Row[Any]:
    """Lock a session's row, live or soft-deleted, until the transaction ends."""
    found = connection.execute(select(sessions).where(sessions.c.session_id == session_id).with_for_update()).first()
    if found is None:
        raise SessionNotFound(session_id)
    return found


def lock_live(connection: Connection, session_id: str) -> Row[Any]:
    """Lock a live session's row until the transaction ends."""
    found = lock(connection, session_id)
    if found.deleted_at is not None:
        raise SessionNotFound(session_id)
    return found


def own(connection: Connection, stamp: Stamp, session_id: str, owner: str | None, user_id: str | None) -> None:
    """Make *user_id* the owner of a locked session that is *owner*'s or nobody's."""
    if user_id is None or user_id == owner:
        return
    if owner is not None:
        raise SessionOwnedByAnotherUser(session_id, user_id)
    users.create(connection, stamp, user_id)
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(user_id=user_id))


def listed(connection: Connection, limit: int | None, cursor: int, wanted: Filter) -> list[Session]:
    """Return sessions in the order of their ids, those after *cursor*."""
    query = _SELECT.where(sessions.c.id > checks.cursor(cursor)).order_by(sessions.c.id).limit(checks.limit(limit))
    return [_session(row) for row in connection.execute(_shown(connection, query, wanted))]


def _shown(connection: Connection, query: Select[Any], wanted: Filter) -> Select[Any]:
    deleted_at = sessions.c.deleted_at
    query = query.where(deleted_at.is_not(None) if wanted.deleted else deleted_at.is_(None))
    if wanted.user_id is not None:
        query = query.where(sessions.c.user_id == wanted.user_id)
    if wanted.metadata:
        query = query.where(dialect_of(connection).metadata_contains(sessions.c.metadata, wanted.metadata))
    return query


def message_counts(connection: Connection, session_ids: Iterable[str], status: object = None) -> dict[str, int]:
    """Count the live messages of each session, of one status or of any."""
    counts = dict.fromkeys((checks.session_id(session_id) for session_id in session_ids), 0)
    for chunk in chunked(list(counts)):
        counted = (
            select(messages.c.session_id, func.count())
            .where(messages.c.session_id.in_(chunk), messages.c.deleted_at.is_(None), of_status(status))
            .group_by(messages.c.session_id)
        )
        counts |= {row[0]: row[1] for row in connection.execute(counted)}
    return counts


def of_status(status: object) -> ColumnElement[bool]:
    """Match messages of one status, or of any."""
    return _OF_STATUS[checks.status(status)]


def _session(row: Row[Any]) -> Session:
    uuid: UUID = row.uuid
    return Session.model_construct(
        session_id=row.session_id,
        user_id=row.user_id,
        metadata=jsontext.loads(row.metadata),
        uuid=uuid,
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )
