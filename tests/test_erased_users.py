"""Who was erased stays erased: receipts, a look for leftovers, and the ledger that an import and a restore obey."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.beside import path_of
from tests.support.messages import said
from tests.support.tables import Tables
from zep_memory_plugin import (
    ErasureCheck,
    ErasureReceipt,
    InvalidInput,
    LedgerReport,
    Session,
    SessionManager,
    Summary,
    User,
    UserNotFound,
)

ALICE = "alice-4711"
SECRET = "qzxsecret"


@pytest.fixture
def memory(database_url: str) -> Iterator[SessionManager]:
    """A manager with two sessions of Alice, one deleted, and one of Bob."""
    with SessionManager(database_url) as memory:
        memory.add_user(User(user_id=ALICE, email=f"{SECRET}@example.org"))
        for session_id in ("of alice", "deleted of alice"):
            memory.add_memory(session_id, said(SECRET, "two"), user_id=ALICE)
            memory.add_summary(session_id, Summary(content=SECRET))
        memory.set_state("of alice", f'"{SECRET}"')
        memory.set_user_state(ALICE, f'"{SECRET}"')
        memory.delete_session("deleted of alice")
        memory.add_memory("of bob", said("hello"), user_id="bob")
        yield memory


def there(manager: SessionManager) -> tuple[list[str], list[str]]:
    """Return the users and the sessions that are there."""
    return (
        sorted(user.user_id for user in manager.list_users()),
        sorted(session.session_id for session in manager.list_sessions()),
    )


ONLY_BOB = (["bob"], ["of bob"])


def exported(manager: SessionManager) -> BytesIO:
    target = BytesIO()
    manager.export_memory(target, deleted=True)
    target.seek(0)
    return target


def ledger(manager: SessionManager) -> BytesIO:
    target = BytesIO()
    manager.export_ledger(target)
    target.seek(0)
    return target


def test_a_receipt_counts_what_went_and_holds_no_word_of_it(memory: SessionManager) -> None:
    receipt = memory.erase_user(ALICE)

    assert receipt.rows == {
        "messages": 4,
        "summaries": 2,
        "session_states": 1,
        "sessions": 2,
        "user_states": 1,
        "users": 1,
    }
    assert {len(digest) for digest in (*receipt.digests.values(), receipt.digest)} == {64}
    assert SECRET not in receipt.model_dump_json()
    assert ALICE not in receipt.model_dump_json()
    assert ErasureReceipt(**receipt.to_dict()) == receipt
    assert there(memory) == ONLY_BOB


def test_the_digests_of_a_receipt_are_those_of_the_same_rows_elsewhere(memory: SessionManager, tmp_path: Path) -> None:
    """Whatever order they come in: under one salt, a copy of the database has the same."""
    copy = exported(memory)
    entries = BytesIO()
    with SessionManager("sqlite://") as first:
        first.add_user(User(user_id="somebody"))
        first.erase_user("somebody")
        first.export_ledger(entries)
    entries.seek(0)
    memory.apply_ledger(entries)
    with SessionManager(f"sqlite:///{tmp_path / 'copy.db'}") as other:
        other.import_memory(copy)
        entries.seek(0)
        other.apply_ledger(entries)

        there, here = other.erase_user(ALICE), memory.erase_user(ALICE)

    assert (there.salt, there.digest, there.rows) == (here.salt, here.digest, here.rows)
    assert there.digests["messages"] == here.digests["messages"]


def test_nothing_is_found_of_who_was_erased(memory: SessionManager) -> None:
    words = [SECRET, "of alice", "deleted of alice"]
    assert not memory.verify_erased(ALICE, words=words).is_erased

    memory.erase_user(ALICE)
    check = memory.verify_erased(ALICE, words=words)

    assert (check.leftovers, check.mentioned_in) == ([], [])
    assert "rows" in check.looked_in
    assert ErasureCheck(**check.to_dict()) == check


def test_what_is_left_is_found_wherever_it_is(memory: SessionManager, database_url: str) -> None:
    memory.erase_user(ALICE)
    memory.add_memory("of bob", said(f"Where is {ALICE}?"), user_id="bob")
    with Tables(database_url) as tables:
        tables.run("INSERT INTO zep_user_states VALUES ('alice-4711', '1', 1, '2026-01-01')")
        tables.run("INSERT INTO zep_session_states VALUES ('gone', '1', 1, '2026-01-01')")

    check = memory.verify_erased(ALICE)

    assert check.leftovers[:2] == ["1 rows of the user in user_states", "1 rows of no session in session_states"]
    assert "1 rows in messages.content" in check.mentioned_in


def test_the_bytes_of_free_pages_are_looked_through(sqlite_url: str) -> None:
    """What another program has deleted without overwriting it."""
    with closing(sqlite3.connect(path_of(sqlite_url))) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE of_the_application (text)")
        connection.execute("INSERT INTO of_the_application VALUES (?)", [f"{SECRET} " * 50_000])
        connection.commit()
        connection.execute("DROP TABLE of_the_application")
        connection.commit()

    with SessionManager(sqlite_url) as manager:
        check = manager.verify_erased("nobody at all", words=[SECRET])

    assert [each.split(" ", 1)[1] for each in check.leftovers] == ["occurrences in the pages of the file"]
    assert check.looked_in == ["rows", "index", "log", "file"]


def test_an_entry_of_the_index_that_has_no_message_is_found(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", said(SECRET), user_id=ALICE)
        manager.rebuild_search()
        with Tables(sqlite_url) as tables:
            tables.run("DELETE FROM zep_messages")

        assert "1 entries of no message in the index" in manager.verify_erased("nobody").leftovers


def test_the_statistics_of_postgres_do_not_keep_the_ids(postgres_url: str) -> None:
    with SessionManager(postgres_url) as manager, Tables(postgres_url) as tables:
        for number in range(20):
            manager.add_memory(f"session {number}", said("one"), user_id=ALICE)
            manager.add_memory(f"other session {number}", said("one"), user_id="bob")
        tables.run("ANALYZE zep_users, zep_sessions, zep_messages")
        assert any("statistics" in each for each in manager.verify_erased(ALICE).leftovers)

        manager.erase_user(ALICE)

        assert manager.verify_erased(ALICE, words=[f"session {number}" for number in range(20)]).leftovers == []


def test_an_import_leaves_out_who_was_erased_since(memory: SessionManager) -> None:
    old = exported(memory)
    memory.erase_user(ALICE)

    report = memory.import_memory(old)

    assert sorted(report.erased) == ["deleted of alice", "of alice"]
    assert (report.users, report.sessions, report.messages, report.refused) == (0, 0, 0, [])
    assert there(memory) == ONLY_BOB


def test_who_comes_back_begins_anew_and_keeps_that(memory: SessionManager) -> None:
    """In an import of a newer export, too; what is older stays away."""
    old = exported(memory)
    memory.erase_user(ALICE)
    memory.add_memory("new", said("back again"), user_id=ALICE)
    memory.import_memory(old)
    new = exported(memory)

    assert memory.apply_ledger().users == []
    assert there(memory) == ([ALICE, "bob"], ["new", "of bob"])
    with SessionManager("sqlite://") as other:
        other.apply_ledger(ledger(memory))
        assert other.import_memory(new).erased == []
        assert there(other) == ([ALICE, "bob"], ["new", "of bob"])


def test_a_backup_that_is_restored_obeys_the_ledger(tmp_path: Path) -> None:
    path, backup, entries = (tmp_path / name for name in ("chat.db", "backup.db", "erasures.jsonl"))
    with SessionManager(path) as manager:
        manager.add_memory("of alice", said(SECRET), user_id=ALICE)
        manager.add_memory("of bob", said("hello"), user_id="bob")
    shutil.copyfile(path, backup)
    with SessionManager(path) as manager:
        manager.erase_user(ALICE)
        assert manager.export_ledger(entries) == 1
    shutil.copyfile(backup, path)

    with SessionManager(path) as manager:
        manager.add_session(Session(session_id="new", user_id=ALICE, created_at=datetime.now(UTC) + timedelta(1)))
        report = manager.apply_ledger(entries)

        assert (report.entries, report.users, report.held) == (1, [ALICE], [])
        assert there(manager) == (["bob"], ["new", "of bob"])
        assert manager.apply_ledger(entries) == LedgerReport()
        assert manager.verify_erased("nobody", words=[SECRET]).is_erased


def test_who_is_held_stays_and_is_named(memory: SessionManager) -> None:
    with SessionManager("sqlite://") as other:
        other.import_memory(exported(memory))
        other.erase_user(ALICE)
        memory.hold_user(ALICE)

        assert memory.apply_ledger(ledger(other)).held == [ALICE]
    assert ALICE in there(memory)[0]


BAD_LEDGERS = {
    "nothing": b"",
    "no JSON": b"erased\n",
    "an export": b'{"zep_memory_plugin":{"format":1}}\n',
    "another version": b'{"zep_memory_plugin_ledger":{"format":2}}\n',
    "no entry": b'{"zep_memory_plugin_ledger":{"format":1}}\n{"user":{}}\n',
    "no digest": b'{"zep_memory_plugin_ledger":{"format":1}}\n{"erased":{"salt":"","digest":"","erased_at":""}}\n',
    "a short salt": b'{"zep_memory_plugin_ledger":{"format":1}}\n{"erased":{"salt":"00","digest":"'
    + b"0" * 64
    + b'","erased_at":"2026-01-01T00:00:00+00:00"}}\n',
}


@pytest.mark.parametrize("lines", BAD_LEDGERS.values(), ids=BAD_LEDGERS)
def test_what_is_no_ledger_is_refused(sqlite_url: str, lines: bytes) -> None:
    with SessionManager(sqlite_url) as manager:
        with pytest.raises(InvalidInput, match="source"):
            manager.apply_ledger(BytesIO(lines))

        assert manager.export_ledger(BytesIO()) == 0


def test_zeps_name_for_it_enters_the_ledger_as_well(memory: SessionManager) -> None:
    memory.delete_user(ALICE)

    assert memory.export_ledger(BytesIO()) == 1
    with pytest.raises(UserNotFound):
        memory.erase_user(ALICE)


def test_tables_without_a_ledger_get_one(memory: SessionManager, database_url: str) -> None:
    """Those that an earlier commit has made."""
    with Tables(database_url) as tables:
        tables.run("DROP TABLE zep_erasures")

    assert memory.erase_user(ALICE).rows["messages"] == 4
    assert memory.export_ledger(BytesIO()) == 1
