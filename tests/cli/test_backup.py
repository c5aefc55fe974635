"""A backup is whole, whoever writes meanwhile, and holds all that was acknowledged before it began."""

from pathlib import Path

from tests.cli.conftest import Command, talk
from tests.stress.backups import back_up
from zep_memory_plugin import SessionManager


def test_every_backup_beside_writers_is_whole(sqlite_url: str, tmp_path: Path) -> None:
    """Each copy passes the check of SQLite and holds what each writer was told is stored."""
    counts, problems = back_up(sqlite_url, tmp_path, copies=4, writers=4)

    assert problems == []
    assert counts["copies"] == 4
    assert counts["written beside them"] > counts["acknowledged before the last copy"] > 0


def test_a_backup_replaces_no_file(command: Command, sqlite_url: str, tmp_path: Path) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", talk(1))
    (tmp_path / "copy.db").write_text("precious")

    ended = command("backup", str(tmp_path / "copy.db"), "-d", sqlite_url)

    assert (ended.code, (tmp_path / "copy.db").read_text()) == (2, "precious")


def test_a_backup_is_its_owners_alone(command: Command, sqlite_url: str, tmp_path: Path) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", talk(1))

    command("backup", str(tmp_path / "copy.db"), "-d", sqlite_url)

    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.part*"))


def test_a_server_makes_its_backups_itself(command: Command, postgres_url: str, tmp_path: Path) -> None:
    ended = command("backup", str(tmp_path / "copy.db"), "-d", postgres_url)

    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "pg_dump" in ended.err
    assert list(tmp_path.iterdir()) == []
