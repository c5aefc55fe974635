"""A Postgres cluster of our own.

It has a temporary directory, a free port on loopback and no durability, and it ends no later
than the process that started it.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from tests.support.installation import ENVIRONMENT, Account, find_installation

START_LIMIT = 90.0  # seconds
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "log_checkpoints": "off",
}
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


class Cluster:
    """A data directory and the server process on it, from `start` to `stop`."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS) -> None:
        self._settings = settings
        self._owner = os.getpid()
        self._account = Account.choose()
        self._directory = self._account.make_directory()
        self._process: subprocess.Popen[bytes] | None = None
        self.log = self._directory / "log"
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Initialise the data directory, start the server and wait until it answers."""
        root = find_installation(self._account, self._directory)
        self._initialise(root)
        self._process = self._launch(root, before=_end_with_parent())
        self._wait_until_it_answers(self._process)

    def restart(self, **settings: str) -> None:
        """Stop the server as it stops itself, cutting whatever is under way, and start it with other *settings*.

        Nothing tells this process of the fork, for which managers would wait until their calls have come to an end.
        """
        self.stop_in_order()
        self._settings = {**self._settings, **settings}
        self._process = self._launch(find_installation(self._account, self._directory), before=None)
        self._wait_until_it_answers(self._process)

    def stop_in_order(self) -> None:
        """Stop the server as it stops itself, when all that it wrote has reached who follows it; its files stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_LIMIT)

    def stop(self) -> None:
        """Stop the server at once and remove its files; a forked copy of this process does neither."""
        if os.getpid() != self._owner:
            return
        if self._process and self._process.poll() is None:
            _quit(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _initialise(self, root: Path) -> None:
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        result = self._account.run(root / "bin" / "initdb", f"--pgdata={self._data}", *options)
        if result.returncode != 0:
            raise RuntimeError(f"initdb of {root} failed:\n{result.stdout}{result.stderr}")

    def _launch(self, root: Path, *, before: Callable[[], None] | None) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self._directory)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [root / "bin" / "postgres", "-D", self._data, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                preexec_fn=before,
                user=self._account.user,
                group=self._account.group,
                extra_groups=self._account.extra_groups,
            )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not _answers(self.url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"postgres did not start; its log:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent() -> Callable[[], None] | None:
    """Return what the child runs before exec so that the kernel stops it with us; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PARENT_DEATH_SIGNAL, signal.SIGQUIT)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _quit(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
