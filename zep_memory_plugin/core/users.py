"""Users: the owners of sessions."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, select, update

from ..database import Stamp
from ..dialects import JsonScalar, dialect_of
from ..errors import UserExists, UserNotFound
from ..models import User
from ..tables import messages, sessions, summaries, users
from . import checks, jsontext
from .search import writes

_NAMES = ("email", "first_name", "last_name")

_OF_SESSION = messages.c.session_id == bindparam("session")


def add(connection: Connection, stamp: Stamp, user: User) -> User:
    """Store a new user."""
    user_id = checks.user_id(checks.model("user", user, User).user_id)
    fields: dict[str, Any] = {name: _text(name, getattr(user, name)) for name in _NAMES}
    fields |= {
        "metadata": checks.metadata(user.metadata),
        "created_at": checks.moment("created_at", user.created_at or stamp.now),
    }
    created = create(connection, stamp, user_id, **fields)
    if not created and _row(connection, user_id).uuid != stamp.uuid:
        raise UserExists(user_id)
    return get(connection, user_id)


def create(connection: Connection, stamp: Stamp, user_id: str, **fields: Any) -> bool:
    """Insert a user unless the id is taken, and tell whether it was inserted."""
    if is_there(connection, user_id):
        return False
    dialect = dialect_of(connection)
    row = {
        "user_id": user_id,
        "uuid": stamp.uuid,
        "created_at": stamp.now,
        "updated_at": stamp.now,
        **fields,
        **dialect.listing_id(connection, users),
    }
    inserted = dialect.insert(users).values(row).on_conflict_do_nothing().returning(users.c.user_id)
    return connection.execute(inserted).first() is not None


def is_there(connection: Connection, user_id: str) -> bool:
    """Tell whether there is a user, who is then not erased before the transaction ends."""
    there = select(users.c.id).where(users.c.user_id == user_id).with_for_update(read=True, key_share=True)
    return connection.execute(there).first() is not None


def get(connection: Connection, user_id: str) -> User:
    """Return a user."""
    return _user(_row(connection, checks.user_id(user_id)))


def merge(connection: Connection, stamp: Stamp, user: User) -> User:
    """Overwrite the fields that are given and not empty, and merge metadata."""
    user_id = checks.user_id(checks.model("user", user, User).user_id)
    checks.metadata(user.metadata)
    stored = _row(connection, user_id, lock=True)
    fields = {name: _text(name, value) for name in _NAMES if (value := getattr(user, name))}
    metadata = checks.metadata(jsontext.merged(jsontext.loads(stored.metadata), user.metadata))
    connection.execute(
        update(users).where(users.c.user_id == user_id).values(metadata=metadata, updated_at=stamp.now, **fields)
    )
    return get(connection, user_id)


def erase(connection: Connection, stamp: Stamp, user_id: str) -> None:
    """Erase a user and all sessions of theirs, deleted ones too, with everything in them."""
    checked = checks.user_id(user_id)
    if not _lock_for_erasure(connection, stamp, checked):
        return
    theirs = select(sessions.c.session_id).where(sessions.c.user_id == checked)
    for session_id in connection.execute(theirs.order_by(sessions.c.session_id).with_for_update()).scalars().all():
        writes.remove(connection, _OF_SESSION, {"session": session_id})
    connection.execute(delete(summaries).where(summaries.c.session_id.in_(theirs)))
    # A session that somebody began for this user meanwhile is theirs, and is not torn apart.
    emptied = ~exists().where(messages.c.session_id == sessions.c.session_id)
    connection.execute(delete(sessions).where(sessions.c.user_id == checked, emptied))
    connection.execute(delete(users).where(users.c.user_id == checked))


def _lock_for_erasure(connection: Connection, stamp: Stamp, user_id: str) -> bool:
    """Lock a user, and tell whether they are still there: the answer to an earlier attempt may have been lost."""
    try:
        _row(connection, user_id, lock=True)
    except UserNotFound:
        if stamp.attempt == 1:
            raise
        return False
    return True


def listed(
    connection: Connection, limit: int | None, cursor: int, metadata: dict[str, JsonScalar] | None
) -> list[User]:
    """Return users in the order of their ids, those after *cursor*."""
    query = select(users).where(users.c.id > checks.cursor(cursor)).order_by(users.c.id).limit(checks.limit(limit))
    if metadata:
        query = query.where(dialect_of(connection).metadata_contains(users.c.metadata, metadata))
    return [_user(row) for row in connection.execute(query)]


def _row(connection: Connection, user_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(users).where(users.c.user_id == user_id)
    found = connection.execute(query.with_for_update() if lock else query).first()
    if found is None:
        raise UserNotFound(user_id)
    return found


def _text(field: str, value: str | None) -> str | None:
    checks.short_text(field, value)
    return None if value is None else jsontext.clean(value)


def _user(row: Row[Any]) -> User:
    return User.model_construct(
        user_id=row.user_id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        metadata=jsontext.loads(row.metadata),
        uuid=row.uuid,
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
