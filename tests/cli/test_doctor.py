"""`zep-memory doctor` finds what is wrong, each on a database that has just that."""

import json
import os
import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Command, talk
from tests.support.tables import Tables
from zep_memory_plugin import SessionManager


def wrong(command: Command, database: str) -> dict[str, str]:
    """Return what the doctor finds wrong, by check, but for settings: the server of the tests need keep nothing."""
    ended = command("doctor", "--json", "-d", database)
    found = [json.loads(line) for line in ended.out.splitlines()]
    bad = {finding["check"]: finding["says"] for finding in found if not finding["is_good"]}
    assert ended.code == (1 if bad else 0)
    assert ended.err == ""
    return {check: says for check, says in bad.items() if (check, says.startswith("fsync")) != ("settings", True)}


def test_a_database_in_use_is_well(command: Command, database_url: str, manager: SessionManager) -> None:
    """Also right after writes, deletions, a rename, and beside a manager that has it open."""
    manager.add_memory("a", talk(20))
    manager.add_memory("b", talk(200))
    manager.delete_session("b")
    manager.rename_session("a", "c")
    manager.fork_session("c", "d")

    assert wrong(command, database_url) == {}
    assert "SQLAlchemy" in command("doctor", "-d", database_url).out


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a session of 600 messages."""
    with SessionManager(tmp_path / "zep.db") as manager:
        manager.add_memory("a", talk(600))
        manager.rebuild_search()
    return tmp_path / "zep.db"


def change(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("check", "statements"),
    [
        ("references", ["PRAGMA foreign_keys = off", "UPDATE zep_sessions SET session_id = 'x'"]),
        ("index", ["INSERT INTO zep_message_index (zep_message_index) VALUES ('delete-all')"]),
        ("journal", ["PRAGMA journal_mode = delete"]),
        ("order", ["UPDATE zep_sessions SET last_seq = 5"]),
        ("embeddings", ["INSERT INTO zep_message_embeddings VALUES ('a', 9999, zeroblob(16), zeroblob(4))"]),
        ("tables", ["UPDATE zep_schema_version SET version_num = '9999'"]),
    ],
)
def test_what_is_wrong_with_a_file_is_found(command: Command, file: Path, check: str, statements: list[str]) -> None:
    change(file, *statements)

    assert list(wrong(command, str(file))) == [check]


def test_a_damaged_file_is_found(command: Command, file: Path) -> None:
    """The end of a page of an index, overwritten as a disk may do."""
    connection = sqlite3.connect(file)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_zep_sessions_id'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(file.read_bytes())
    content[page * size - 40 : page * size] = b"\xff" * 40
    file.write_bytes(content)

    assert list(wrong(command, str(file))) == ["integrity"]


def test_a_file_that_everybody_may_read_is_found(command: Command, file: Path) -> None:
    file.chmod(0o644)

    assert wrong(command, str(file)) == {"access": "everybody on the machine may read it; chmod 600"}


def test_messages_that_postgres_has_not_indexed_are_found(command: Command, postgres_url: str) -> None:
    with SessionManager(postgres_url) as manager, Tables(postgres_url) as tables:
        manager.add_memory("a", talk(5))
        tables.run("UPDATE zep_messages SET terms = NULL WHERE seq < 3")

        assert wrong(command, postgres_url) == {"index": "2 messages are not in it; `zep-memory reindex` mends it"}
        manager.rebuild_search()
        assert wrong(command, postgres_url) == {}


def test_settings_that_lose_what_was_acknowledged_are_found(command: Command, postgres_url: str) -> None:
    with SessionManager(postgres_url) as manager:
        manager.list_users()
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    assert (
        "synchronous_commit is off: a crash loses what was acknowledged last"
        in command("doctor", "-d", postgres_url).out
    )


def test_a_database_that_is_not_there_is_one_line(command: Command, tmp_path: Path) -> None:
    ended = command("doctor", "-d", str(tmp_path / "zpe.db"))

    assert ended.code == 2
    assert ended.err.count("\n") == 1


def test_nothing_is_wrong_with_a_file_that_was_just_made(command: Command, tmp_path: Path) -> None:
    """Only its owner may read it, also where everybody may read what else is made there."""
    before = os.umask(0o022)
    try:
        command("upgrade", "--create", "-d", str(tmp_path / "chat.db"))
    finally:
        os.umask(before)

    assert wrong(command, str(tmp_path / "chat.db")) == {}
