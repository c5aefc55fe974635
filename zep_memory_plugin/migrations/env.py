"""Alembic's environment: the caller's connection and transaction, and a version table of our own."""

from alembic import context

from zep_memory_plugin.tables import metadata, schema_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=schema_version.name,
    transactional_ddl=False,
)
context.run_migrations()
