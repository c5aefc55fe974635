"""Run langchain-core's own tests of chat histories with ours instead of its in-memory one.

Fetches the sources of the installed version with pip into a temporary directory; nothing of them is kept. BlockBuster
watches that nothing blocks the event loop.

    python tests/upstream/langchain_core_histories.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.upstream.sources import HERE, REPOSITORY, fetched

TESTS = ("tests/unit_tests/chat_history", "tests/unit_tests/runnables/test_history.py")
OF_HISTORIES = "tests/unit_tests/chat_history/test_chat_history.py::"
LEFT_OUT = (
    # Asks for a notice of deprecation in the docstring of the class, which is true of theirs and not of ours.
    "test_chat_history_deprecated[StoredHistory]",
    # Asks that a message without an id comes back without one, where ours come with an id and the time.
    "test_in_memory_history_initialization",
)


def main() -> int:
    """Run the tests, show what they say, and return the exit code of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        done = ran(Path(directory))
    print(done.stdout)
    return done.returncode


def ran(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests with our plugin instead of their conftest, which needs more tools than they do."""
    sources = fetched("langchain-core", directory)
    left_out = [part for name in LEFT_OUT for part in ("--deselect", f"{OF_HISTORIES}{name}")]
    options = ("-p", "stored_history", "-p", "no:cacheprovider", "--noconftest", *left_out)
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
