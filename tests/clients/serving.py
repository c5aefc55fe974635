"""A server in a process of its own, as an operator starts it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 60.0
"""Seconds in which a server has to answer."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def served(database: str, *flags: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve *database* for the block; yields the URL and the process."""
    port = free_port()
    command = [sys.executable, "-m", "zep_memory_plugin.server", "--database", database, "--port", str(port), *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEP_")} | variables
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            await_answer(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def await_answer(url: str, process: subprocess.Popen[bytes], path: str = "healthz") -> None:
    """Return when the server answers; it must not have ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/{path}", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"no answer; the server ended with {process.poll()}")
