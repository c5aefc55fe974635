"""PgBouncer in transaction mode before a database of the tests; its program is on the path or named by a variable."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg

from tests.support.installation import Account

PATIENCE = 60.0
"""Seconds after which it should answer."""

MISSING = (
    "these tests need PgBouncer: `apt-get install pgbouncer`, or name its program in ZEP_TEST_PGBOUNCER; "
    "ZEP_TEST_NO_PGBOUNCER=1 leaves them out"
)


def program() -> str:
    """Return the path of the program."""
    found = os.environ.get("ZEP_TEST_PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, MISSING
    return found


class PgBouncer:
    """A pooler with *servers* connections to the database at *url*, which gives each transaction any of them."""

    def __init__(self, url: str, servers: int = 3) -> None:
        self._target = urlsplit(url)
        self._servers = servers
        self._account = Account.choose()
        self._directory = self._account.make_directory()
        self._port = _free_port()
        self.url = f"postgresql://{self._target.username}@127.0.0.1:{self._port}{self._target.path}"

    def __enter__(self) -> Self:
        self._write("users", f'"{self._target.username}" ""\n')
        self._write("ini", self._settings())
        self._process = subprocess.Popen(
            [program(), str(self._directory / "ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._account.user,
            group=self._account.group,
            extra_groups=self._account.extra_groups,
        )
        self._wait_until_it_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _settings(self) -> str:
        database, host = self._target.path.lstrip("/"), self._target.hostname
        return (
            f"[databases]\n{database} = user={self._target.username} host={host} port={self._target.port}\n"
            f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={self._port}\nunix_socket_dir=\n"
            f"auth_type=any\nauth_file={self._directory}/users\npool_mode=transaction\n"
            f"default_pool_size={self._servers}\nlogfile={self._directory}/log\npidfile={self._directory}/pid\n"
        )

    def _write(self, name: str, text: str) -> None:
        path: Path = self._directory / name
        path.write_text(text)
        path.chmod(0o644)

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._directory / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
