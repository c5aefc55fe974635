"""Changes: what was committed in a session, or in all of a user, after a place in their history, and none missed.

A session's writes queue for the lock of its row, so that its revisions grow in the order of commits. A message has two:

1. The one that it was appended with. It grows with the seq, so that what was appended since comes after a seq, and an
   append writes to no index for it.
2. That of its last change since, if there was one; an index has these alone.

So what was changed twice comes once, as it is now, and what is deleted by now comes as that. What a purge or an erasure
has removed comes no more. Sessions have no order among each other: a place is a revision of each, by the number of the
session, which no other gets under the same id once it was purged.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    literal_column,
    select,
    tuple_,
    union_all,
)

from ..databases.prepared import Prepared
from ..databases.statements import IS_KEPT
from ..errors import InvalidInput, shown
from ..models import Change, Changes, stored
from ..tables import SUPERSEDED, messages, sessions
from ..types import ChangeKind
from . import checks, ownership
from .messages import COLUMNS, read_one

NOW = "now"
"""The place after all that is committed."""

FOLLOWED_AT_ONCE = 100
"""Changes that come together to who follows them."""

_NOTHING = "0"
_ENTRY = r"\d{1,19}(?:\.\d{1,19}){2,3}"
_CURSOR = re.compile(rf"{_ENTRY}(?:-{_ENTRY})*", re.ASCII)


class Place(NamedTuple):
    """How far a session was read: up to the message at *seq* among those of *revision*, by default all of them."""

    revision: int
    appended: int
    """A seq up to which nothing new is to come: what is looked for begins after it."""

    seq: int = checks.LARGEST_INTEGER


_BEGINNING = Place(0, 0)

Places = Mapping[int, Place]
"""The places of sessions, by their numbers in listings."""


def listed(
    connection: Connection, session_id: str | None, user_id: str | None, limit: int | None, cursor: int | str | None
) -> Changes:
    """Return what was committed in a session, or in those of a user, after a place."""
    count, owner = checks.limit(limit), checks.optional_user_id(user_id)
    known = _known(cursor, session_id)
    found: list[Change] = []
    places: dict[int, Place] = {}
    for session in _sessions(connection, session_id, owner):
        place = _place_in(connection, session, cursor, known)
        left = None if count is None else count - len(found)
        if place[::2] != (session.revision, checks.LARGEST_INTEGER) and left != 0:
            page, place = _page(connection, session, place, left)
            found += page
        places[session.id] = place
    return stored(Changes, {"changes": found, "cursor": _cursor(places)})


def _known(cursor: int | str | None, session_id: str | None) -> Places:
    """Return the places that a cursor names."""
    if isinstance(cursor, str):
        return {} if cursor in (NOW, _NOTHING) else _read(cursor)
    if checks.cursor(cursor) and session_id is None:
        raise InvalidInput("cursor", f"is {cursor}, the revision of one session; give the cursor of the call before")
    return {}


def _read(cursor: str) -> Places:
    if not _CURSOR.fullmatch(cursor):
        raise InvalidInput("cursor", f"is {shown(cursor)}, not that of a call before")
    entries = (map(int, entry.split(".")) for entry in cursor.split("-"))
    checked = ([checks.number("cursor", each, checks.LARGEST_INTEGER) for each in entry] for entry in entries)
    return {number: Place(*place) for number, *place in checked}


def _cursor(places: Places) -> str:
    return "-".join(f"{number}.{_text(place)}" for number, place in places.items()) or _NOTHING


def _text(place: Place) -> str:
    return ".".join(str(part) for part in place if part != checks.LARGEST_INTEGER)


def _sessions(connection: Connection, session_id: str | None, owner: str | None) -> Sequence[Row[Any]]:
    """Return the one session, or those of the owner, soft-deleted ones too."""
    if session_id is None and owner is None:
        raise InvalidInput("session_id", "is None; give the id of a session or of a user")
    theirs = sessions.c.user_id == owner
    wanted = theirs if session_id is None else sessions.c.session_id == checks.session_id(session_id)
    columns = (sessions.c[name] for name in ("id", "session_id", "user_id", "revision", "last_seq"))
    rows = connection.execute(select(*columns).where(wanted, IS_KEPT).order_by(sessions.c.id)).all()
    return [row for row in rows if ownership.shows(row.session_id, row.user_id, owner)]


def _place_in(connection: Connection, session: Row[Any], cursor: int | str | None, known: Places) -> Place:
    """Return the place in a session that a cursor stands for."""
    if cursor == NOW or (isinstance(cursor, int) and cursor >= session.revision):
        return Place(session.revision, session.last_seq)
    if isinstance(cursor, int):
        until = (messages.c.session_id == session.session_id, messages.c.appended_revision <= cursor)
        newest = select(messages.c.seq).where(*until).order_by(messages.c.seq.desc()).limit(1)
        return Place(cursor, connection.execute(newest).scalar() or 0) if cursor else _BEGINNING
    place = known.get(session.id, _BEGINNING)
    return place if place.revision <= session.revision else _BEGINNING  # as of before a backup was restored


def _page(connection: Connection, session: Row[Any], place: Place, count: int | None) -> tuple[list[Change], Place]:
    """Return what a session has after a place, at most *count*, and the place after that."""
    limit = checks.LARGEST_INTEGER if count is None else count
    parameters = {**place._asdict(), "session": session.session_id, "count": limit}
    found = [_change(row, session.session_id) for row in _after_place().rows(connection, parameters)]
    new = max((change.message.seq or 0 for change in found if change.kind == "appended"), default=place.appended)
    if found and len(found) == count:
        return found, Place(found[-1].revision, new, found[-1].message.seq or 0)
    revision = max([session.revision, *(change.revision for change in found)])
    return found, Place(revision, max(session.last_seq, new))


@cache
def _after_place() -> Prepared:
    """Build one statement, whose rows are of one moment, so that none slips in behind another that was read."""
    position = tuple_(bindparam("revision", type_=BigInteger), bindparam("seq", type_=BigInteger))
    appended, changed = messages.c.appended_revision, messages.c.changed_revision
    of_session, seq = messages.c.session_id == bindparam("session"), messages.c.seq
    new = _events(appended, is_new=True).where(
        of_session, seq > bindparam("appended"), tuple_(appended, seq) > position, messages.c.deleted_at.is_(None)
    )
    since = _events(changed, is_new=False).where(
        of_session, changed >= bindparam("revision"), tuple_(changed, seq) > position
    )
    count = bindparam("count", type_=BigInteger)
    in_order = (each.limit(count).subquery() for each in (new.order_by(seq), since.order_by(changed, seq)))
    both = union_all(*map(select, in_order)).subquery("both")
    return Prepared(select(both).order_by(both.c.event, both.c.seq).limit(count))


def _events(revision: ColumnElement[int], *, is_new: bool) -> Select[Any]:
    new: ColumnElement[int] = literal_column("1" if is_new else "0", BigInteger)
    return select(*COLUMNS, messages.c.deleted_at, new.label("is_new"), revision.label("event"))


def _change(row: Sequence[Any], session_id: str) -> Change:
    *columns, deleted_at, is_new, revision = row
    message = read_one(columns, session_id)
    kind: ChangeKind = "appended" if is_new else "changed"
    if deleted_at is not None:
        kind = "superseded" if deleted_at == SUPERSEDED else "deleted"
    return stored(Change, {"session_id": session_id, "revision": revision, "kind": kind, "message": message})
