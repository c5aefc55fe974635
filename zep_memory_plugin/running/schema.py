"""Creating the tables on first use, and again where the application has emptied or dropped them.

Test fixtures empty every table of a database, migrations drop those that they do not know. So the revision may be gone
while the tables are there, or a table while the revision is there. What can be made again without a loss is made again,
with a warning in the log; what cannot is an error that says what is missing.
"""

import logging

from sqlalchemy import DDL, Connection, Table, exists, insert, inspect, select
from sqlalchemy.engine.interfaces import DBAPICursor

from ..databases import database_of, transaction
from ..databases.naming import Names, names_of
from ..errors import SchemaIncomplete, SchemaOutdated
from ..tables import (
    CREATE_CHANGED_INDEX,
    columns_of,
    messages,
    metadata,
    schema_version,
    sessions,
    summaries,
    tables_of,
)

REVISION = "0001"
"""The revision of `tables`; the newest one in `migrations/versions`."""

_LATE = ((messages.c.appended_revision, " DEFAULT 1"), (messages.c.changed_revision, ""))
"""Columns of messages that the first databases were made without, and what their rows get there."""

_LATEST = messages.c.changed_revision.name
"""The last of them, by which tables are known to have all."""

logger = logging.getLogger(__name__)


def prepare(connection: Connection) -> bool:
    """Create the tables in a database that has none of ours, mend what is incomplete, or check the revision.

    Return whether there were none at all.

    Raises:
        SchemaOutdated: the tables are of another revision, or lack one that cannot be made again.
    """
    if _is_complete(connection):
        return False
    with transaction(connection):
        database_of(connection).lock_schema(connection)
        if _is_complete(connection) or mend(connection):  # someone else may have been first
            return False
        database_of(connection).make_schema(connection)
        _create(connection, tables_of(connection.dialect.name))
        connection.execute(insert(schema_version).values(version_num=REVISION))
        return True


def is_current(cursor: DBAPICursor, names: Names) -> bool:
    """Tell, through *cursor* of a new connection, whether the tables with *names* are there and of our revision."""
    late = f"SELECT {_LATEST} FROM {names.of(messages.name)} WHERE 1 = 0"  # noqa: S608
    query = f"SELECT {schema_version.c.version_num.name}, ({late}) FROM {names.of(schema_version.name)}"  # noqa: S608
    try:
        cursor.execute(query)
        return list(cursor.fetchall()) == [(REVISION, None)]
    except Exception:  # whatever it is, `prepare` looks closer
        return False


def mend(connection: Connection) -> bool:
    """Complete, in a transaction of the caller's, tables of our revision; return False where there are none at all.

    Raises:
        SchemaOutdated: the tables are of another revision, or lack one that cannot be made again.
    """
    missing = _missing(connection)
    left = [table for table in tables_of(connection.dialect.name) if table not in missing]
    if left in ([], [schema_version]) and _revision(connection, left) is None:
        for table in left:
            table.drop(connection)
        return False
    if _revision(connection, left) is None:
        _check_columns(connection, left)
    _check_sessions(connection, missing, left)
    if missing:
        names = ", ".join(table.name for table in missing)
        logger.warning("made again, empty, as somebody had dropped them: %s", names)
    _create(connection, missing)
    if messages in left:
        _add_late(connection)
    database_of(connection).mend(connection)
    if _revision(connection, left) is None:
        connection.execute(insert(schema_version).values(version_num=REVISION))
    return True


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables in a database, None where none is noted; nothing is created."""
    return _revision(connection, [table for table in [schema_version] if table not in _missing(connection)])


def _is_complete(connection: Connection) -> bool:
    missing = _missing(connection)
    if schema_version in missing:
        return False
    revision = _revision(connection, [schema_version])
    if revision not in (None, REVISION):
        raise SchemaOutdated(revision, REVISION)
    whole = revision is not None and not missing and database_of(connection).is_whole(connection)
    return whole and _LATEST in _columns(connection, messages)


def _missing(connection: Connection) -> list[Table]:
    wanted = tables_of(connection.dialect.name)
    present = database_of(connection).present(connection, [table.name for table in wanted])
    return [table for table in wanted if table.name not in present]


def _revision(connection: Connection, tables: list[Table]) -> str | None:
    if schema_version not in tables:
        return None
    return connection.execute(select(schema_version.c.version_num)).scalars().first()


def _check_columns(connection: Connection, tables: list[Table]) -> None:
    """Make sure that *tables*, whose revision nobody has noted, are as we make them."""
    late = {column.name for column, _ in _LATE}
    for table in tables:
        wanted = {column.name for column in columns_of(table, connection.dialect.name)}
        if wanted - late != _columns(connection, table) - late:
            raise SchemaOutdated(None, REVISION)


def _columns(connection: Connection, table: Table) -> set[str]:
    names = names_of(connection)
    return {column["name"] for column in inspect(connection).get_columns(names.bare(table.name), schema=names.schema)}


def _add_late(connection: Connection) -> None:
    """Add the columns that the table of messages lacks: what is in it came with the first revision of its session."""
    there = _columns(connection, messages)
    added = [(column.name, default) for column, default in _LATE if column.name not in there]
    statements = [f"ALTER TABLE {messages.name} ADD COLUMN {name} BIGINT{default}" for name, default in added]
    for statement in (*statements, *([CREATE_CHANGED_INDEX] if statements else [])):
        connection.execute(DDL(statement))  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped


def _check_sessions(connection: Connection, missing: list[Table], left: list[Table]) -> None:
    """Make sure that no session is missing whose messages are there: nobody knows any more whose they are."""
    if sessions not in missing:
        return
    for table in (messages, summaries):
        if table in left and connection.execute(select(exists(select(table.c.seq)))).scalar_one():
            raise SchemaIncomplete(sessions.name, table.name)
    if messages in left:  # empty, and without its foreign key
        messages.drop(connection)
        missing.append(messages)


def _create(connection: Connection, tables: list[Table]) -> None:
    metadata.create_all(connection, tables=tables, checkfirst=False)
