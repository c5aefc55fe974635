"""A Postgres server for a run: the binaries that the tests use too, with the settings that Postgres ships with."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support.cluster import Cluster

SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "200"}
"""Nothing that makes Postgres faster or less durable than it is by itself: `fsync` stays on."""


@contextmanager
def running(url: str | None) -> Iterator[str]:
    """Yield the URL of a server: that of *url*, else one of our own on loopback, which is stopped at the end."""
    if url is not None:
        yield url
        return
    cluster = Cluster(SETTINGS)
    cluster.start()
    try:
        yield cluster.url
    finally:
        cluster.stop()


def described(url: str) -> str:
    """Return the version of a server and the settings that durability depends on."""
    with psycopg.connect(url) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        settings = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    assert version is not None
    return f"Postgres {version[0]}, fsync {settings[0][0]}, synchronous_commit {settings[1][0]}"
