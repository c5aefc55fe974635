"""Upgrading the tables of an older version, with Alembic on a connection that it is handed."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from ..dialects import dialect_of, transaction

HERE = Path(__file__).parent


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration of these migrations, bound to *connection*."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to *revision*, in one transaction that nobody else upgrades in."""
    with transaction(connection):
        dialect_of(connection).lock_schema(connection)
        command.upgrade(configuration(connection), revision)
