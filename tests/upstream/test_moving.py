"""What the real packages of other libraries have stored comes over as they read it back, with little memory."""

import subprocess
import sys

import pytest

from benchmarks.moving.__main__ import STORES
from tests.support.postgres import PostgresServer
from tests.upstream.sources import REPOSITORY

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


@pytest.mark.parametrize("store", STORES)
def test_a_store_of_another_library_is_imported_as_that_reads_it(store: str, postgres_server: PostgresServer) -> None:
    """In a process of its own, as memory is counted from what started the import."""
    command = [sys.executable, "-m", "benchmarks.moving", "--messages", "1100", "--only", store]
    ended = subprocess.run(
        [*command, "--postgres", postgres_server.url("postgres")], cwd=REPOSITORY, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith(f"{store}: 1,100 messages, 0 different")
