"""Upgrading the tables of an older version, with Alembic on a connection that it is handed.

`partition` creates them in partitions instead, where there are none.

Here: a module for each revision, with DDL that calls nothing of the package, so that it stays what it was. Not here:
what the tables are (`tables`), and how they are created on first use (`running.schema`).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from ..databases import database_of, transaction
from ..running import schema
from ..running.creating import partition

__all__ = ["configuration", "partition", "upgrade"]

HERE = Path(__file__).parent


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration of these migrations, bound to *connection*."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to *revision*, in one transaction that nobody else upgrades in.

    Tables of ours that were emptied, with the note of their revision, or dropped in part are mended first.
    """
    with transaction(connection):
        database_of(connection).lock_schema(connection)
        if schema.revision_of(connection) in (None, schema.REVISION):
            schema.mend(connection)
        command.upgrade(configuration(connection), revision)
