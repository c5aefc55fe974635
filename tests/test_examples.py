"""The examples run, offline, and show what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
QUIET = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:zep_memory_plugin"}


def run(example: str, *arguments: str, typed: str = "") -> str:
    """Run an example with *arguments* and return what it prints."""
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    ran = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=100, env=QUIET)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "chat.py"))
def test_an_example_runs_by_itself(example: str) -> None:
    """Without arguments and without a network."""
    assert run(example).strip()


def test_the_life_of_a_session_on_postgres(postgres_url: str) -> None:
    """The same steps, the same words."""
    assert run("sessions.py", "--database", postgres_url).splitlines() == run("sessions.py").splitlines()[:-1]


def test_the_chat_goes_on_after_a_restart(sqlite_url: str) -> None:
    """A second process knows what the first was told, and the sessions are listed."""
    chat = ("chat.py", "--database", sqlite_url, "--session", "trip", "--user", "alice")
    first = run(*chat, typed="I like Lisbon\n\n")
    second = run(*chat, typed="What do I like?\n")
    listed = run("chat.py", "--database", sqlite_url, "--list")

    assert "0 messages so far" in first
    assert "2 messages so far" in second
    assert "I like Lisbon" in second
    assert "You said 'What do I like?'" in second
    assert listed.split()[:4] == ["trip", "alice", "4", "messages"]
