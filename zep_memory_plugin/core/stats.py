"""What a database holds, in numbers."""

from sqlalchemy import Connection, Table, case, func, select

from ..databases import database_of
from ..models import Stats
from ..tables import PREFIX, messages, sessions, summaries, users

_COUNTED = (sessions, messages, summaries)


def counted(connection: Connection) -> Stats:
    """Count what there is, live and deleted. Every row is looked at, so that it takes a while where there are many."""
    counts = {name: number for table in _COUNTED for name, number in _of(connection, table).items()}
    oldest, newest = connection.execute(select(func.min(messages.c.created_at), func.max(messages.c.created_at))).one()
    return Stats(
        users=connection.execute(select(func.count()).select_from(users)).scalar_one(),
        oldest_message_at=oldest,
        newest_message_at=newest,
        bytes=database_of(connection).size(connection),
        **counts,
    )


def _of(connection: Connection, table: Table) -> dict[str, int]:
    """Count the live and the deleted rows of *table*, under the names that `Stats` has for them."""
    name = table.name.removeprefix(PREFIX)
    deleted = func.count(case((table.c.deleted_at.is_not(None), 1)))
    every, gone = connection.execute(select(func.count(), deleted).select_from(table)).one()
    return {name: every - gone, f"deleted_{name}": gone}
