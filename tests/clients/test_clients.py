"""What was written for Zep's own server runs against this one, unchanged."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.serving import served
from tests.clients.table import ROWS, TABLE, table_of

HERE = Path(__file__).parent
PYTHON = ["zep-python==1.5.0", "langchain-community==0.4.2", "langchain-classic"]
TYPESCRIPT = "@getzep/zep-js@0.10.0"

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has zep-python 1.5.0, which asks for versions of its own."""
    environment = tmp_path_factory.mktemp("zep-python") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "python", "-m", "pip", "install", "-q", *PYTHON], check=True)
    return environment / "bin" / "python"


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a script beside a `node_modules` that has zep-js 0.10.0."""
    assert shutil.which("npm"), (
        "Node and npm are needed to judge with the client for TypeScript; install nodejs and npm"
    )
    folder = tmp_path_factory.mktemp("zep-js")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", TYPESCRIPT], cwd=folder, check=True)
    return Path(shutil.copy(HERE / "rows.mjs", folder))


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    """Return the URL of a server on an empty database."""
    with served(database_url) as (url, _):
        yield url


def judged(*command: str | Path) -> dict[str, str | None]:
    """Return what *command* says of each row: a problem, or None."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return {line["row"]: line["problem"] for line in map(json.loads, ended.stdout.splitlines())}


def test_both_clients_see_every_row_hold(url: str, python: Path, typescript: Path) -> None:
    seen = {"Python": judged(python, HERE / "rows.py", url), "TypeScript": judged("node", typescript, url)}

    assert {row: problem for rows in seen.values() for row, problem in rows.items() if problem} == {}
    assert set(seen["Python"]) == set(ROWS)
    if os.environ.get("ZEP_WRITE_TABLE"):
        TABLE.write_text(table_of(seen))
    assert TABLE.read_text() == table_of(seen)


def test_langchains_classes_for_zep_run(url: str, python: Path) -> None:
    seen = judged(python, HERE / "langchain_rows.py", url)

    assert seen == dict.fromkeys(seen)
    assert len(seen) == 3
