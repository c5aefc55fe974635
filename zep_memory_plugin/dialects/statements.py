"""Statements that the core and the databases' own ways of appending share."""

from sqlalchemy import BigInteger, Update, bindparam, update

from ..tables import sessions


def take_places(*, owned: bool) -> Update:
    """Build the statement that moves on the last place of the session `session` by `count`, as of the moment `now`.

    It undeletes the session. With *owned*, only a session of the user `owner` is found.
    """
    taken = (
        update(sessions)
        .where(sessions.c.session_id == bindparam("session"))
        .values(
            last_seq=sessions.c.last_seq + bindparam("count", type_=BigInteger),
            updated_at=bindparam("now", type_=sessions.c.updated_at.type),
            deleted_at=None,
        )
    )
    return taken.where(sessions.c.user_id == bindparam("owner")) if owned else taken
