"""Run langchain-core's own tests of chat histories with ours in the place of its in-memory one.

Fetches the sources of the installed version with pip into a temporary directory; nothing of them is kept. BlockBuster
watches that nothing blocks the event loop.

    python tests/upstream/langchain_core_histories.py
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
TESTS = ("tests/unit_tests/chat_history", "tests/unit_tests/runnables/test_history.py")
OF_ITS_DOCSTRING = "tests/unit_tests/chat_history/test_chat_history.py::test_chat_history_deprecated[StoredHistory]"
"""Asks for a notice of deprecation in the docstring of the class, which is true of theirs and not of ours."""


class NotAvailable(Exception):
    """The sources cannot be had here."""


def main() -> int:
    """Run the tests, show what they say, and return the exit code of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        done = ran(Path(directory))
    print(done.stdout)
    return done.returncode


def fetched(directory: Path) -> Path:
    """Return a directory with the tests of the installed langchain-core."""
    wanted = f"langchain-core=={version('langchain-core')}"
    pip("download", "--no-binary", "langchain-core", "--no-deps", "--dest", str(directory), wanted)
    (archive,) = directory.glob("langchain_core-*.tar.gz")
    with tarfile.open(archive) as files:
        root = files.getnames()[0].split("/")[0]
        tests = [member for member in files.getmembers() if member.name.startswith(f"{root}/tests/")]
        files.extractall(directory, tests, filter="data")
    return directory / root


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotAvailable(f"pip {arguments[0]} failed:\n{done.stderr}")


def ran(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests with our plugin in place of their conftest, which needs more tools than they do."""
    sources = fetched(directory)
    options = ("-p", "stored_history", "-p", "no:cacheprovider", "--noconftest", "--deselect", OF_ITS_DOCSTRING)
    settings = ("addopts=", "asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function")
    overrides = [part for setting in settings for part in ("-o", setting)]
    path = os.pathsep.join(map(str, (HERE, REPOSITORY)))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, *overrides, *TESTS],
        cwd=sources,
        env={**os.environ, "PYTHONPATH": path, "LANGSMITH_TRACING": "false"},
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
