"""What was written for Zep's own server runs against this one, unchanged."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.seeds import plant
from tests.clients.serving import served
from tests.clients.table import ROWS, TABLE, table_of
from zep_memory_plugin.server import new_token

HERE = Path(__file__).parent
UV = os.environ.get("UV", "uv")  # is set by `uv run`
PYTHON = HERE / "requirements.txt"
TYPESCRIPT = "@getzep/zep-js@0.10.0"
SECRET = "a secret that nobody guesses, of 32 bytes and more"

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has zep-python 1.5.0, which asks for versions of its own."""
    environment = tmp_path_factory.mktemp("zep-python") / "environment"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, environment], check=True)
    installing = [UV, "pip", "install", "-q", "--python", environment, "--no-deps", "-r", PYTHON]
    subprocess.run(installing, check=True)
    return environment / "bin" / "python"


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a script beside a `node_modules` that has zep-js 0.10.0."""
    assert shutil.which("npm"), (
        "Node and npm are needed to judge with the client for TypeScript; install npm; ZEP_TEST_NO_NPM=1 leaves it out"
    )
    folder = tmp_path_factory.mktemp("zep-js")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", TYPESCRIPT], cwd=folder, check=True)
    return Path(shutil.copy(HERE / "rows.mjs", folder))


@pytest.fixture
def guarded(database_url: str) -> Iterator[str]:
    """Return the URL of a server that asks for a token, on a database in which a past was planted."""
    plant(database_url)
    with served(database_url, ZEP_AUTH_SECRET=SECRET) as (url, _):
        yield url


def judged(*command: str | Path) -> dict[str, str | None]:
    """Return what *command* says of each row: a problem, or None."""
    environment = {**os.environ, "ZEP_API_KEY": new_token(SECRET)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert ended.returncode == 0, ended.stderr
    return {line["row"]: line["problem"] for line in map(json.loads, ended.stdout.splitlines())}


@pytest.mark.skipif("ZEP_TEST_NO_NPM" in os.environ, reason="ZEP_TEST_NO_NPM is set")
def test_both_clients_see_every_row_hold(guarded: str, python: Path, typescript: Path) -> None:
    seen = {"Python": judged(python, HERE / "rows.py", guarded), "TypeScript": judged("node", typescript, guarded)}

    assert {row: problem for rows in seen.values() for row, problem in rows.items() if problem} == {}
    assert set(seen["Python"]) == set(ROWS)
    assert set(seen["TypeScript"]) == set(ROWS) - {"page_async"}
    if os.environ.get("ZEP_WRITE_TABLE"):
        TABLE.write_text(table_of(seen))
    assert TABLE.read_text() == table_of(seen)


def test_langchains_classes_for_zep_run(url: str, python: Path) -> None:
    seen = judged(python, HERE / "langchain_rows.py", url)

    assert seen == dict.fromkeys(seen)
    assert len(seen) == 3
