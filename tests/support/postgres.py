"""The Postgres server of the tests, and the databases on it. `start_server` is the door."""

import atexit
import os
import time
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.support.cluster import Cluster

PATIENCE = 60.0
"""Seconds after which nothing more is waited for."""


class PostgresServer:
    """Databases on a running server, ours or one that *url* points at."""

    def __init__(self, url: str, log: Path | None = None, cluster: Cluster | None = None) -> None:
        self._url = url
        self._log = log
        self._cluster = cluster

    def url(self, database: str) -> str:
        """Return the URL of *database* on this server."""
        return urlsplit(self._url)._replace(path=f"/{database}").geturl()

    def create_database(self, template: str | None = None, *, encoding: str | None = None) -> str:
        """Create a database with a fresh name and return its URL.

        *template* is the name or the URL of the database to copy, by default the empty one, which may get another
        *encoding* than the server's.
        """
        name = f"zep_test_{uuid.uuid4().hex}"
        source = _database_name(template or "template0")
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        if encoding is not None:
            statement += sql.SQL(" ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(sql.Literal(encoding))
        with self._connect() as connection:
            connection.execute(statement + _copy_strategy(connection))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database at *url* along with the connections it still has."""
        name = sql.Identifier(_database_name(url))
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def stop(self) -> None:
        """Stop the server if it is ours; anything else stays up."""
        if self._cluster:
            self._cluster.stop()

    def log_text(self) -> str:
        """Return what the server has logged, or nothing when its log is not ours to read."""
        return self._log.read_text(errors="replace") if self._log else ""

    def address(self) -> dict[str, str | None]:
        """Return what another process needs to find this server, for `at_address`."""
        return {"url": self._url, "log": str(self._log) if self._log else None}

    @classmethod
    def at_address(cls, address: dict[str, str | None]) -> Self:
        """Return the server that another process described by `address`."""
        return cls(str(address["url"]), Path(address["log"]) if address["log"] else None)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True)


def start_server() -> PostgresServer:
    """Start a server, or return the one that ``ZEP_TEST_POSTGRES_URL`` names."""
    if url := os.environ.get("ZEP_TEST_POSTGRES_URL"):
        return PostgresServer(url)
    cluster = Cluster()
    atexit.register(cluster.stop)
    cluster.start()
    return PostgresServer(cluster.url, cluster.log, cluster)


def _copy_strategy(connection: psycopg.Connection) -> sql.SQL:
    # Three times faster than the default where there is no fsync; Postgres 14 knows no other.
    return sql.SQL(" STRATEGY file_copy" if connection.info.server_version >= 150000 else "")


def _database_name(name_or_url: str) -> str:
    return urlsplit(name_or_url).path.lstrip("/")


def wait_for_a_lock(url: str) -> None:
    """Wait until a statement of this database waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    end = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(waiting).fetchone() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
