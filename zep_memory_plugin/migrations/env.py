"""Alembic's environment: the caller's connection and transaction, and a version table of our own."""

from alembic import context

from zep_memory_plugin.databases.naming import names_of
from zep_memory_plugin.tables import metadata, schema_version

connection = context.config.attributes["connection"]
names = names_of(connection)
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=names.bare(schema_version.name),
    version_table_schema=names.schema,
    transactional_ddl=False,
)
context.run_migrations()
