"""A server that follows another one, as a streaming standby, and may take over from it."""

import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.support.cluster import SETTINGS, Cluster

PATIENCE = 60.0
"""Seconds after which a standby should have done what it was told."""


class Standby(Cluster):
    """A copy of a running *primary*, which replays what that writes."""

    def __init__(self, primary: Cluster) -> None:
        super().__init__(SETTINGS)
        self._primary = primary

    def promote(self) -> None:
        """Let it be a primary of its own, and wait until it is."""
        assert self._says("SELECT pg_promote(wait_seconds => 60)")

    def pause(self) -> None:
        """Let it replay nothing more until `resume`."""
        self._says("SELECT pg_wal_replay_pause()")
        self._wait_for("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume(self) -> None:
        """Let it replay again."""
        self._says("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until it has replayed all that its primary has written so far."""
        with psycopg.connect(self._primary.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS zep_test_mark (); DROP TABLE zep_test_mark")  # for a flush
            ((written,),) = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchall()
        self._wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")

    def of(self, url: str) -> str:
        """Return the URL, here, of the database that *url* leads to there."""
        parts = urlsplit(url)
        return parts._replace(netloc=f"postgres@127.0.0.1:{self.port}").geturl()

    def _initialise(self, root: Path) -> None:
        options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        source = f"--dbname={self._primary.url}"
        result = self._account.run(root / "bin" / "pg_basebackup", f"--pgdata={self._data}", source, *options)
        if result.returncode != 0:
            raise subprocess.SubprocessError(f"pg_basebackup of {root} failed:\n{result.stdout}{result.stderr}")

    def _says(self, question: str) -> bool:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return bool(connection.execute(question).fetchall()[0][0])

    def _wait_for(self, question: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self._says(question):
            assert time.monotonic() < end, question
            time.sleep(0.01)


def either(primary: Cluster, standby: Cluster, driver: str) -> str:
    """Return the URL of whichever of two servers can be written to."""
    hosts = f"host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}"
    return f"postgresql+{driver}://postgres@/postgres?{hosts}&target_session_attrs=read-write"
