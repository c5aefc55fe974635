"""Statements that the core and the databases' own ways of appending share."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    Update,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from ..tables import messages, sessions
from ..terms.texts import LONGEST_TEXT

SEARCHED_CONTENT = func.substr(messages.c.content, 1, LONGEST_TEXT).label("content")
"""What is searched of a message's content: of a very long one, its beginning."""

IS_KEPT = or_(
    sessions.c.deleted_at.is_(None), sessions.c.purged_at.is_(None), sessions.c.deleted_at > sessions.c.purged_at
)
"""Matches sessions that no purge has marked as gone."""

_LAST = (
    select(messages.c.role_type, messages.c.content)
    .where(messages.c.session_id == bindparam("session"), messages.c.deleted_at.is_(None))
    .order_by(messages.c.seq.desc())
    .limit(1)
    .subquery("last")
)
ENDS_WITH_QUESTION = select(literal(1)).where(
    _LAST.c.role_type == literal_column("'user'"), _LAST.c.content == bindparam("question", type_=Text)
)
"""Selects a row where the session `session` ends with the `question` of a user, which nobody answered."""


def take_seqs(*, owned: bool, expected: bool = False, listed: bool = True) -> Update:
    """Build the statement that moves on the last seq of the session `session` by `count`, as of the moment `now`.

    It undeletes the session, which was active at the moment `active`. It matches none that a purge has marked as gone,
    with *owned* only one of the user `owner`, and with *expected* only one of the revision `expected`. Unless it is
    *listed*, its listing by activity is left as it is.
    """
    taking = (
        update(sessions)
        .where(sessions.c.session_id == bindparam("session"), IS_KEPT)
        .values(
            last_seq=sessions.c.last_seq + bindparam("count", type_=BigInteger),
            updated_at=bindparam("now", type_=sessions.c.updated_at.type),
            last_active_at=latest_activity(),
            **({"active_hour": latest_hour()} if listed else {}),
            revision=sessions.c.revision + 1,
            deleted_at=None,
        )
    )
    if expected:
        taking = taking.where(sessions.c.revision == bindparam("expected", type_=BigInteger))
    return taking.where(sessions.c.user_id == bindparam("owner")) if owned else taking


def latest_activity() -> ColumnElement[datetime]:
    """Return the later one of the moment `active` and what is stored.

    By a clock that is behind no session falls back in a listing.
    """
    active = bindparam("active", type_=sessions.c.last_active_at.type)
    return case((sessions.c.last_active_at < active, active), else_=sessions.c.last_active_at)


def latest_hour() -> ColumnElement[int]:
    """Return the hour of `latest_activity`, from that of `active`, which is `hour`."""
    hour = bindparam("hour", type_=BigInteger)
    return case((sessions.c.active_hour < hour, hour), else_=sessions.c.active_hour)


def list_anew() -> Update:
    """Build the statement that lists the session `session` by the hour `hour`."""
    one = sessions.c.session_id == bindparam("session")
    return update(sessions).where(one).values(active_hour=bindparam("hour", type_=BigInteger))
