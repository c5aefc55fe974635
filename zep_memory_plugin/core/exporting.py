"""Reading what is to be exported, a page at a time: users, and sessions with all that is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, false, func, select

from ..databases.statements import IS_KEPT
from ..errors import SessionNotFound, UserNotFound
from ..tables import branches, messages, sessions, users
from . import checks, ownership
from .records import KINDS, columns_of

SESSIONS_OF_PAGE = 200
"""Sessions that are read together with what is in them."""

ROWS_OF_PAGE = 1_000
"""Rows of one table that are read at a time, unless all of them are of sessions that are small."""


STATES_OF_PAGE = 50
"""States that are read at a time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, checked: one session, all of a user, or everything; live rows, or deleted ones, too."""

    session_id: str | None
    user_id: str | None
    deleted: bool


def wanted(session_id: object, user_id: object, deleted: bool) -> Wanted:
    """Check what is to be exported."""
    checked = None if session_id is None else checks.session_id(session_id)
    return Wanted(checked, checks.optional_user_id(user_id), deleted)


def make_sure(connection: Connection, what: Wanted) -> None:
    """Make sure that what is named is there, and in reach of the user.

    Raises:
        SessionNotFound: the session that is named is not there, or is deleted.
        SessionOwnedByAnotherUser: it is someone else's.
        UserNotFound: neither the user nor a session of theirs is there.
    """
    found = connection.execute(_sessions(what).limit(1)).first()
    if what.session_id is not None and found is None:
        ownership.refuse(connection, what.session_id, what.user_id)
        raise SessionNotFound(what.session_id)
    user = select(users.c.id).where(users.c.user_id == what.user_id)
    if what.user_id is not None and found is None and connection.execute(user).first() is None:
        raise UserNotFound(what.user_id)


def count_messages(connection: Connection, what: Wanted) -> int:
    """Count the messages that are to be exported."""
    query = select(func.count()).select_from(messages)
    if what.session_id is not None or what.user_id is not None:
        query = query.where(messages.c.session_id.in_(_sessions(what).with_only_columns(sessions.c.session_id)))
    return int(connection.execute(query if what.deleted else query.where(_live(messages.c))).scalar_one())


def users_after(connection: Connection, what: Wanted, cursor: int) -> Sequence[Row[Any]]:
    """Return the users of the next page, with their listing ids."""
    query: Select[Any] = select(*columns_of("user"), users.c.id).where(users.c.id > cursor).order_by(users.c.id)
    if what.session_id is not None:
        owner = select(sessions.c.user_id).where(sessions.c.session_id == what.session_id)
        query = query.where(users.c.user_id.in_(owner))
    elif what.user_id is not None:
        query = query.where(users.c.user_id == what.user_id)
    return connection.execute(query.limit(ROWS_OF_PAGE)).all()


def sessions_after(connection: Connection, what: Wanted, cursor: int) -> Sequence[Row[Any]]:
    """Return the sessions of the next page, with their listing ids."""
    query = _sessions(what).where(sessions.c.id > cursor).order_by(sessions.c.id)
    return connection.execute(query.limit(SESSIONS_OF_PAGE)).all()


def _sessions(what: Wanted) -> Select[Any]:
    query = select(*columns_of("session"), sessions.c.id).where(IS_KEPT if what.deleted else _live(sessions.c))
    if what.session_id is not None:
        query = query.where(sessions.c.session_id == what.session_id)
    if what.user_id is None:
        return query
    nobodys_too = what.session_id is not None and not isinstance(what.user_id, ownership.Tenant)
    theirs = sessions.c.user_id == what.user_id
    return query.where(theirs | sessions.c.user_id.is_(None) if nobodys_too else theirs)


def rows_of(
    connection: Connection,
    kind: str,
    what: Wanted,
    session_ids: Sequence[str],
    after: int = 0,
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """Return the rows of a *kind* in sessions, by session and seq, those after the seq *after*."""
    table = KINDS[kind]
    query = select(*columns_of(kind)).where(table.c.session_id.in_(session_ids), table.c.seq > after)
    if table is branches:
        query = query if what.deleted else query.where(false())
    elif not what.deleted:
        query = query.where(_live(table.c))
    return connection.execute(query.order_by(table.c.session_id, table.c.seq).limit(limit)).all()


def states_of(connection: Connection, kind: str, keys: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the states, of a *kind*, of users or sessions."""
    key, *others = columns_of(kind)
    return connection.execute(select(key, *others).where(key.in_(keys)).order_by(key)).all()


def _live(columns: Any) -> ColumnElement[bool]:
    live: ColumnElement[bool] = columns.deleted_at.is_(None)
    return live
