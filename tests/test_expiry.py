"""Sessions that are old, or in which nothing was said for long, expire: they are soft-deleted, and can be restored."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.messages import said, texts
from tests.support.statements import statements
from zep_memory_plugin import Session, SessionManager

DAYS = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture
def memory(database_url: str) -> Iterator[SessionManager]:
    """A manager with sessions that were added and last active so many days ago: 100/100, 100/10, 10/10."""
    with SessionManager(database_url) as memory:
        for name, added, active, user, kind in (
            ("old", 100, 100, "alice", "trial"),
            ("older", 200, 200, "bob", "paid"),
            ("revived", 100, 10, "alice", "trial"),
            ("young", 10, 10, "bob", "trial"),
        ):
            memory.add_session(
                Session(
                    session_id=name,
                    user_id=user,
                    metadata={"kind": kind},
                    created_at=NOW - added * DAYS,
                    last_active_at=NOW - active * DAYS,
                ),
                create_user=True,
            )
        yield memory


def live(memory: SessionManager) -> list[str]:
    return sorted(session.session_id for session in memory.list_sessions())


def test_sessions_without_activity_expire(memory: SessionManager) -> None:
    assert memory.expire_sessions(90 * DAYS) == 2
    assert live(memory) == ["revived", "young"]
    assert memory.expire_sessions(90 * DAYS) == 0


def test_old_sessions_expire_though_they_are_active(memory: SessionManager) -> None:
    assert memory.expire_sessions(90 * DAYS, since="added") == 3
    assert live(memory) == ["young"]


def test_a_rule_may_be_for_one_user_and_for_some_metadata(memory: SessionManager) -> None:
    assert memory.expire_sessions(5 * DAYS, user_id="alice", metadata={"kind": "trial"}) == 2
    assert memory.expire_sessions(5 * DAYS, metadata={"kind": "paid"}) == 1
    assert live(memory) == ["young"]


def test_a_dry_run_counts_and_changes_nothing(memory: SessionManager) -> None:
    assert memory.expire_sessions(90 * DAYS, dry_run=True) == 2
    assert live(memory) == ["old", "older", "revived", "young"]


def test_what_is_held_does_not_expire(memory: SessionManager) -> None:
    memory.hold_session("old")
    memory.hold_user("bob")

    assert memory.expire_sessions(timedelta(0), since="added", dry_run=True) == 1
    assert memory.expire_sessions(timedelta(0), since="added") == 1
    assert live(memory) == ["old", "older", "young"]


def test_what_has_expired_is_restored_as_it_was_and_purged_after_the_grace(memory: SessionManager) -> None:
    (first, _) = memory.add_memory("old", [*said("one"), *said("two")])
    assert first.uuid is not None
    memory.delete_messages("old", [first.uuid])

    assert memory.expire_sessions(timedelta(0)) == 4
    memory.restore_session("old")
    assert texts(memory.list_messages("old")) == ["two"]

    assert memory.purge(older_than=30 * DAYS).sessions == 0
    assert memory.purge().sessions == 3
    assert live(memory) == ["old"]


def test_batches_are_transactions_of_their_own(memory: SessionManager) -> None:
    with statements() as sent:
        assert memory.expire_sessions(timedelta(0), batch_size=1) == 4

    assert sum("deleted_at" in statement and statement.startswith("UPDATE zep_sessions") for statement in sent) == 4


def test_two_at_once_do_the_work_once(memory: SessionManager, database_url: str) -> None:
    with SessionManager(database_url) as other, ThreadPoolExecutor(2) as threads:
        started = [threads.submit(each.expire_sessions, timedelta(0), batch_size=1) for each in (memory, other)]
        counted = sum(each.result() for each in started)

    assert counted == 4
    assert live(memory) == []


def test_a_tenant_lets_only_their_own_sessions_expire(memory: SessionManager) -> None:
    assert memory.as_user("alice").expire_sessions(timedelta(0)) == 2
    assert live(memory) == ["older", "young"]
