"""Users: the owners of sessions."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from ..databases import database_of
from ..errors import UserExists, UserNotFound
from ..models import User
from ..tables import users
from ..types import JsonScalar
from ..units import Flow, Stamp
from . import checks, damage, jsontext, listing
from .listing import Horizon

_NAMES = ("email", "first_name", "last_name")


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
    database = database_of(connection)
    row = {
        "user_id": user_id,
        "uuid": stamp.uuid,
        "created_at": stamp.now,
        "updated_at": stamp.now,
        **fields,
        **database.listing_id(connection, users),
    }
    inserted = database.insert(users).values(row).on_conflict_do_nothing().returning(users.c.user_id)
    return connection.execute(inserted).first() is not None


def is_there(connection: Connection, user_id: str) -> bool:
    """Tell whether there is a user, who is then not erased before the transaction ends."""
    there = select(users.c.id).where(users.c.user_id == user_id).with_for_update(read=True, key_share=True)
    return connection.execute(there).first() is not None


def get(connection: Connection, user_id: str) -> User:
    """Return a user."""
    return _user(_row(connection, checks.user_id(user_id)))


def lock(connection: Connection, user_id: str) -> None:
    """Lock a user until the transaction ends."""
    _row(connection, user_id, lock=True)


def merge(connection: Connection, stamp: Stamp, user: User) -> User:
    """Overwrite the fields that are given and not empty, and merge metadata."""
    user_id = checks.user_id(checks.model("user", user, User).user_id)
    checks.metadata(user.metadata)
    stored = _row(connection, user_id, lock=True)
    fields = {name: _text(name, value) for name in _NAMES if (value := getattr(user, name))}
    metadata = checks.metadata(jsontext.patched(_metadata_of(stored), user.metadata))
    connection.execute(
        update(users).where(users.c.user_id == user_id).values(metadata=metadata, updated_at=stamp.now, **fields)
    )
    return get(connection, user_id)


def listed(
    limit: int | None, cursor: int | None, metadata: dict[str, JsonScalar] | None, horizon: Horizon
) -> Flow[list[User]]:
    """Return users in the order of their ids, those after *cursor*."""
    return listing.page(users, limit, cursor, horizon, partial(_with_metadata, metadata), _user)


def _with_metadata(metadata: dict[str, JsonScalar] | None, connection: Connection, query: Select[Any]) -> Select[Any]:
    if not metadata:
        return query
    return query.where(database_of(connection).metadata_contains(connection, users.c.metadata, metadata))


def _row(connection: Connection, user_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(users).where(users.c.user_id == user_id)
    found = connection.execute(query.with_for_update() if lock else query).first()
    if found is None:
        raise UserNotFound(user_id)
    return found


def _text(field: str, value: str | None) -> str | None:
    checks.short_text(field, value)
    return None if value is None else jsontext.clean(value)


def _metadata_of(row: Row[Any]) -> dict[str, Any] | None:
    return damage.json_object(row.metadata, "metadata of user", (row.user_id, row.uuid))


def _user(row: Row[Any]) -> User:
    return User.model_construct(
        user_id=row.user_id,
        **{name: damage.text(getattr(row, name), f"{name} of user", (row.user_id, row.uuid)) for name in _NAMES},
        metadata=_metadata_of(row),
        uuid=row.uuid,
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
