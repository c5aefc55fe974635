"""What goes wrong is one line with the next step, a code that says of what kind it is, and no traceback."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Command, talk
from zep_memory_plugin import SessionManager

SECRET = "hunter2-xyz"


def test_a_mistyped_file_name_creates_nothing(command: Command, tmp_path: Path) -> None:
    """Neither as a URL nor as a path, and whatever the command; only `upgrade --create` makes a file."""
    for database in (f"sqlite:///{tmp_path / 'zpe.db'}", str(tmp_path / "zpe.db")):
        for arguments in (["stats"], ["sessions", "list"], ["purge"], ["upgrade"], ["upgrade", "--check", "--create"]):
            ended = command(*arguments, "-d", database)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err.startswith("error: database is ")
            assert "upgrade --create" in ended.err

    assert list(tmp_path.iterdir()) == []
    assert command("upgrade", "--create", "-d", str(tmp_path / "zep.db")).code == 0
    assert command("stats", "-d", str(tmp_path / "zep.db")).code == 0


def test_a_database_of_something_else_is_left_as_it_is(command: Command, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (tmp_path / "other.db").read_bytes()

    ended = command("sessions", "list", "-d", str(tmp_path / "other.db"))

    assert ended == (2, "", "error: database has no tables of zep_memory_plugin; `zep-memory upgrade` creates them\n")
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_database_of_postgres_without_tables_gets_none(command: Command, postgres_url: str) -> None:
    assert command("stats", "-d", postgres_url).code == 2
    assert command("upgrade", "--check", "-d", postgres_url).code == 5
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'zep%'").fetchone() == (0,)
    assert command("upgrade", "-d", postgres_url).code == 0
    assert command("upgrade", "--check", "-d", postgres_url).code == 0
    assert command("stats", "-d", postgres_url).code == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"postgresql://zep:{SECRET}@127.0.0.1:1/zep", 4),
        (f"mysql://zep:{SECRET}@127.0.0.1/zep", 2),
        (f"postgresql+nodriver://zep:{SECRET}@127.0.0.1/zep", 2),
        (f"postgresql://zep:{SECRET}@127.0.0.1:port/zep", 2),
        (f"postgresql://zep:{SECRET}@127.0.0.1:1/zep?colour=blue", 2),
        ("://", 2),
        ("sqlite://", 2),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line_without_its_password(command: Command, url: str, code: int) -> None:
    ended = command("stats", "-d", url)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert SECRET not in ended.err


def test_a_file_that_is_no_database_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 100)

    ended = command("stats", "-d", str(tmp_path / "notes.txt"))

    assert ended == (4, "", "error: the file is not an SQLite database\n")


def test_a_database_of_a_newer_schema_is_one_line(
    on: Command, database_url: str, request: pytest.FixtureRequest
) -> None:
    from tests.support.tables import Tables

    with Tables(database_url) as tables:
        before = tables.run("SELECT version_num FROM zep_schema_version")
        tables.run("UPDATE zep_schema_version SET version_num = '9999'")
        try:
            ended = on("stats")
        finally:
            tables.run(f"UPDATE zep_schema_version SET version_num = '{before[0][0]}'")

    assert ended.code == 5
    assert ended.err.count("\n") == 1
    assert "'9999'" in ended.err


def test_a_locked_file_is_one_line(command: Command, tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        manager.add_memory("a", talk(2))
    holder = sqlite3.connect(tmp_path / "zep.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    ended = command("sessions", "delete", "a", "-d", f"sqlite:///{tmp_path / 'zep.db'}?timeout=0.1")
    holder.close()

    assert (ended.code, ended.out) == (4, "")
    assert ended.err == "error: another process holds the database file's lock\n"


def test_what_is_not_there_has_a_code_of_its_own(on: Command) -> None:
    assert on("sessions", "show", "nobody") == (3, "", "error: no session 'nobody'\n")
    assert on("users", "show", "nobody").code == 3
    assert on("sessions", "delete", "a" * 300).code == 2


def test_the_database_of_the_environment_is_used(
    command: Command, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", talk(2))
    monkeypatch.setenv("ZEP_MEMORY_DATABASE", sqlite_url)

    assert '"messages": 2' in command("stats", "--json").out


def test_the_command_line_says_what_it_needs_when_it_is_not_installed() -> None:
    """One line with the command that installs it; the package itself needs neither."""
    hide = "import sys; sys.modules['typer'] = None; from zep_memory_plugin.cli import main; main(['stats'])"

    ended = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error: the command line needs typer and rich; run `pip install typer rich`\n"


def test_a_reader_that_stops_reading_is_no_failure(sqlite_url: str) -> None:
    """As in `zep-memory sessions show a --json | head -1`."""
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", talk(5000))
    command = [sys.executable, "-m", "zep_memory_plugin", "sessions", "show", "a", "--json", "-d", sqlite_url]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that a shell loads asks the command itself, which needs no database for that."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")

    ended = command("--show-completion", shell)

    assert ended.code == 0
    assert "_ZEP_MEMORY_COMPLETE" in ended.out


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        (["serve"], "fastapi"),
        (["serve"], "jinja2"),
        (["serve", "--help"], "uvicorn"),
        (["mcp", "--user", "alice"], "mcp"),
    ],
)
def test_a_command_says_what_it_needs_when_that_is_not_installed(
    command: list[str], hidden: str, sqlite_url: str
) -> None:
    """One line with the command that installs it, and no traceback."""
    with SessionManager(sqlite_url) as manager:
        manager.list_users()
    hide = f"import sys; sys.modules[{hidden!r}] = None; from zep_memory_plugin.cli import main; main({command})"

    ended = subprocess.run(
        [sys.executable, "-c", hide],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ZEP_MEMORY_DATABASE": sqlite_url},
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert "pip install" in ended.stderr
    assert ended.stderr.count("\n") == 1
