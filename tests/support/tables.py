"""Looking at the tables of a database, soft-deleted rows and all, past any manager that works on it."""

from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, QueuePool, Table, create_engine, delete, inspect, make_url, select, text, update

from zep_memory_plugin.tables import (
    PREFIX,
    branches,
    columns_of,
    erasures,
    leases,
    messages,
    metadata,
    session_holds,
    session_states,
    sessions,
    summaries,
    user_holds,
    user_states,
    users,
)

_OF_SESSIONS = (messages, summaries, branches, session_states, session_holds, sessions)
_ROWS = (*_OF_SESSIONS, user_states, user_holds, users, leases, erasures)
"""The tables with rows of tests, children first."""

BLOCKING = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


class Tables:
    """Our tables in the database at *url*, reached with connections of the test's own."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        driver = BLOCKING[parsed.get_backend_name()]
        self._engine = create_engine(parsed.set(drivername=driver), poolclass=QueuePool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is SQLite, rather than Postgres."""
        return self._engine.dialect.name == "sqlite"

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return every row of the table *name*, which goes without its prefix, in the order of its key."""
        with self._engine.connect() as connection:
            return _rows(connection, metadata.tables[f"{PREFIX}{name}"])

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table of ours."""
        with self._engine.connect() as connection:
            names = inspect(connection).get_table_names()
            return {name: _rows(connection, table) for name, table in metadata.tables.items() if name in names}

    def age(self, session_id: str, by: timedelta) -> None:
        """Move the deletion of a session and of what is in it into the past."""
        with self._engine.begin() as connection:
            for table in (sessions, messages, summaries):
                _age(connection, table, session_id, by)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run *statement*, and return its rows if it has any."""
        with self._engine.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def empty(self) -> None:
        """Delete every row of ours, but for what the tables need to work, where there are tables yet."""
        with self._engine.begin() as connection:
            if self.on_sqlite:
                connection.execute(text("PRAGMA secure_delete=ON"))  # as with connections of ours
            if inspect(connection).has_table(messages.name):
                for table in _ROWS:
                    connection.execute(delete(table))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    columns = columns_of(table, connection.dialect.name)
    return [dict(row._mapping) for row in connection.execute(select(*columns).order_by(*table.primary_key))]


def _age(connection: Connection, table: Table, session_id: str, by: timedelta) -> None:
    deleted = (table.c.session_id == session_id, table.c.deleted_at.is_not(None))
    for moment in connection.scalars(select(table.c.deleted_at).where(*deleted).distinct()).all():
        connection.execute(update(table).where(*deleted, table.c.deleted_at == moment).values(deleted_at=moment - by))
