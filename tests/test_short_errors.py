"""What a user did wrong ends in a line of ours: a traceback ends at the call, a notebook shows the user's lines."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import zep_memory_plugin
from zep_memory_plugin import Message, SessionManager, ZepMemoryError

PACKAGE = str(Path(zep_memory_plugin.__file__).parent)

BEGUN = """
import asyncio
from zep_memory_plugin import Message, SessionManager
manager = SessionManager("sqlite://")
said = [Message(role="user", content="Hello")]
manager.add_memory("s", said, user_id="ann")
"""

MISTAKES = {
    "an unknown session": ('manager.get_session("alicia")', "SessionNotFound: no session 'alicia'"),
    "an unknown session, awaited": (
        'asyncio.run(manager.aget_session("alicia"))',
        "SessionNotFound: no session 'alicia'",
    ),
    "a bad id": (
        'manager.add_memory("", said)',
        "InvalidInput: session_id '' has 0 characters; allowed are 1 to 255",
    ),
    "a bad number": (
        'manager.last_messages("s", -1)',
        "InvalidInput: limit is -1; allowed are whole numbers from 0 to 2**63 - 1",
    ),
    "bad metadata": (
        'manager.add_memory("s", [Message(role="user", content="", metadata={"a": {1}})])',
        "InvalidInput: metadata['a'] is of type set, no JSON type",
    ),
    "another user": (
        'manager.get_memory("s", user_id="bob")',
        "SessionOwnedByAnotherUser: session 's' does not belong to user 'bob'",
    ),
    "a bad argument of a manager": (
        'SessionManager("sqlite://", message_window=0)',
        "InvalidInput: message_window is 0; allowed are whole numbers from 1",
    ),
    "no embedder": (
        'manager.search_memory("x", mode="semantic")',
        "InvalidInput: mode is 'semantic'; give SessionManager an embedder for that",
    ),
    "an unknown host": (
        'SessionManager("postgresql://nowhere.invalid/db").list_sessions()',
        "DatabaseUnavailable: the database cannot be reached: there is no such host",
    ),
}

OFFLINE = {name: mistake for name, mistake in MISTAKES.items() if name != "an unknown host"}


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    """Return a shell as a notebook has one, in which a session was begun."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell(BEGUN)
    yield shell
    shell.run_cell("manager.close()")


@pytest.mark.parametrize(("line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_notebook_shows_the_line_of_its_user_and_the_message(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    shell.run_cell(line)

    *shown, last = capsys.readouterr().out.strip().splitlines()
    assert last == message
    assert PACKAGE not in "\n".join(shown)
    assert shown[1].strip() == line
    assert len(shown) <= 4


def test_a_notebook_shows_the_functions_of_its_user(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("def ask(name):\n    return manager.get_session(name)\n\nask('alicia')")

    said = [line.strip() for line in capsys.readouterr().out.splitlines() if not line.startswith("  File")]
    assert [line for line in said if line.strip("^~")] == [
        "ask('alicia')",
        "return manager.get_session(name)",
        "SessionNotFound: no session 'alicia'",
    ]


@pytest.mark.parametrize(("line", "message"), OFFLINE.values(), ids=OFFLINE)
def test_a_traceback_ends_at_the_call(line: str, message: str) -> None:
    names: dict[str, Any] = {}
    exec(BEGUN, names)

    with names["manager"], pytest.raises(ZepMemoryError) as raised:
        exec(line, names)

    inside = [frame for frame in extract_tb(raised.value.__traceback__) if frame.filename.startswith(PACKAGE)]
    assert len(inside) <= 3
    assert f"{type(raised.value).__name__}: {raised.value}" == message


def test_the_developer_mode_shows_where_an_error_comes_from() -> None:
    script = f'{BEGUN}\nmanager.get_session("alicia")'

    shown = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False)

    assert "core/sessions.py" in shown.stderr.replace("\\", "/")


def test_a_program_can_go_on(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        with pytest.raises(LookupError):
            manager.get_session("s")

        assert manager.add_memory("s", [Message(role="user", content="Hello")])
