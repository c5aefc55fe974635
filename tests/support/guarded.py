"""A database on Postgres that holds each tenant to what is theirs, and a role of an application's that has to obey."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from zep_memory_plugin import SessionManager
from zep_memory_plugin.cli.describing import policies

PASSWORD = "app"


@dataclass(frozen=True, slots=True)
class Guarded:
    """Such a database, as its owner and as the application reach it."""

    owner_url: str
    url: str

    @property
    def role(self) -> str:
        """The name of the application's role."""
        return str(urlsplit(self.url).username)


@contextmanager
def guarded(owner_url: str) -> Iterator[Guarded]:
    """Guard the database at *owner_url*, whose tables are made if they are not there, for the block."""
    with SessionManager(owner_url) as manager:
        manager.list_users(1)
    role = f"zep_app_{uuid.uuid4().hex}"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for statement in policies():
            connection.execute(statement.encode())
        _make(connection, role)
        yield Guarded(owner_url, _as(owner_url, role))
        _drop(connection, role)


def _make(connection: psycopg.Connection, role: str) -> None:
    name = sql.Identifier(role)
    made = sql.SQL("CREATE ROLE {} LOGIN NOBYPASSRLS PASSWORD {}").format(name, sql.Literal(PASSWORD))
    connection.execute(made)
    rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}"
    connection.execute(sql.SQL(rights).format(name))


def _drop(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _as(url: str, role: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{PASSWORD}@{host}").geturl()
