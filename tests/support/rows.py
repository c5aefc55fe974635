"""Looking at the tables behind a manager, soft-deleted rows and all."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, inspect, select, update

from zep_memory_plugin import SessionManager
from zep_memory_plugin.database import Stamp
from zep_memory_plugin.tables import PREFIX, columns_of, messages, metadata, sessions, summaries, users


def rows(manager: SessionManager, table: str) -> list[dict[str, Any]]:
    """Return every row of *table*, named without its prefix, in the order of its key."""
    return manager._database.read(_rows, f"{PREFIX}{table}")


def snapshot(manager: SessionManager) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table of ours."""
    return manager._database.read(
        lambda connection: {
            name: _rows(connection, name) for name in metadata.tables if inspect(connection).has_table(name)
        }
    )


def _rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    there = metadata.tables[table]
    columns = columns_of(there, connection.dialect.name)
    return [dict(row._mapping) for row in connection.execute(select(*columns).order_by(*there.primary_key))]


def age(manager: SessionManager, session_id: str, by: timedelta) -> None:
    """Move the deletion of a session and of what is in it into the past."""
    manager._database.write(_age, session_id, by)


def _age(connection: Connection, stamp: Stamp, session_id: str, by: timedelta) -> None:
    for table in (sessions, messages, summaries):
        deleted = (table.c.session_id == session_id, table.c.deleted_at.is_not(None))
        for (moment,) in connection.execute(select(table.c.deleted_at).where(*deleted).distinct()).all():
            connection.execute(
                update(table).where(*deleted, table.c.deleted_at == moment).values(deleted_at=moment - by)
            )


def delete_rows(manager: SessionManager) -> None:
    """Delete every row of ours, but for what the tables need to work."""
    manager._database.write(_delete_rows)


def _delete_rows(connection: Connection, stamp: Stamp) -> None:
    for table in (messages, summaries, sessions, users):
        connection.execute(delete(table))
