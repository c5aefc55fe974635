"""Creating the tables on first use."""

from sqlalchemy import Connection, insert, inspect, select

from .dialects import dialect_of, transaction
from .errors import SchemaOutdated
from .tables import metadata, schema_version, tables_of

REVISION = "0004"
"""The revision of `tables`; the newest one in `migrations/versions`."""


def prepare(connection: Connection) -> None:
    """Create the tables in a database that has none of ours, or check that they are of our revision.

    Raises:
        SchemaOutdated: the tables are of another revision.
    """
    if not inspect(connection).has_table(schema_version.name):
        with transaction(connection):
            _create(connection)
    found = connection.execute(select(schema_version.c.version_num)).scalar_one_or_none()
    if found != REVISION:
        raise SchemaOutdated(found, REVISION)


def _create(connection: Connection) -> None:
    """Create everything, unless someone else did while this caller waited for the lock."""
    dialect_of(connection).lock_schema(connection)
    if inspect(connection).has_table(schema_version.name):
        return
    metadata.create_all(connection, tables=tables_of(connection.dialect.name))
    connection.execute(insert(schema_version).values(version_num=REVISION))
