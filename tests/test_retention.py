"""Retention by rules: what is old or idle expires, can be restored for a time of grace, and is purged after it."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.statements import statements
from tests.support.tables import Tables
from zep_memory_plugin import (
    InvalidInput,
    NotForOneUser,
    RetentionReport,
    RetentionRule,
    Session,
    SessionManager,
)
from zep_memory_plugin.core import retention

PATIENCE = 90.0
DAY = timedelta(days=1)
NOW = datetime.now(UTC)
IDLE = RetentionRule(older_than=90 * DAY)
TRIALS = RetentionRule(older_than=5 * DAY, since="added", metadata={"kind": "trial"})


def add(manager: SessionManager, name: str, added: int, active: int, kind: str) -> None:
    """Add a session of so many days ago, in which something was said so many days ago."""
    manager.add_session(
        Session(
            session_id=name,
            user_id=f"{kind} user",
            metadata={"kind": kind},
            created_at=NOW - added * DAY,
            last_active_at=NOW - active * DAY,
        ),
        create_user=True,
    )


@pytest.fixture
def memory(database_url: str) -> Iterator[SessionManager]:
    """A manager with one session for each rule, one for both, and one for none."""
    with SessionManager(database_url) as memory:
        add(memory, "idle", 200, 100, "paid")
        add(memory, "trial", 10, 10, "trial")
        add(memory, "both", 200, 100, "trial")
        add(memory, "young", 10, 10, "paid")
        yield memory


def live(memory: SessionManager) -> list[str]:
    return sorted(session.session_id for session in memory.list_sessions())


def test_what_expires_by_a_rule_is_counted_with_it_and_can_be_restored(memory: SessionManager) -> None:
    report = memory.retain([IDLE, TRIALS])

    assert (report.expired, report.purged.rows, report.dry_run) == ([2, 1], 0, False)
    assert live(memory) == ["young"]
    assert memory.restore_session("both").metadata == {"kind": "trial"}


def test_what_has_expired_is_purged_after_the_time_of_grace(memory: SessionManager, database_url: str) -> None:
    memory.retain([IDLE, TRIALS])
    with Tables(database_url) as tables:
        tables.age("idle", 31 * DAY)

    assert memory.retain([IDLE, TRIALS]).purged.sessions == 1
    assert [session.session_id for session in memory.list_sessions(deleted=True)] == ["trial", "both"]
    assert memory.retain([], timedelta(0)).purged.sessions == 2


def test_a_dry_run_counts_with_each_rule_and_changes_nothing(memory: SessionManager) -> None:
    report = memory.retain([IDLE, TRIALS], dry_run=True)

    assert (report.expired, report.purged.dry_run, report.dry_run) == ([2, 2], True, True)
    assert live(memory) == ["both", "idle", "trial", "young"]


def test_a_rule_may_be_for_one_user_and_what_is_held_stays(memory: SessionManager) -> None:
    memory.hold_session("both")

    assert memory.retain([RetentionRule(older_than=timedelta(0), user_id="trial user")]).expired == [1]
    assert live(memory) == ["both", "idle", "young"]


def test_a_rule_goes_through_the_sessions_once_in_batches(sqlite_url: str) -> None:
    """Whatever does not match is gone past once, as the next batch begins where the last one has ended."""
    with SessionManager(sqlite_url) as manager, statements() as sent:
        for number in range(retention.SESSIONS_OF_BATCH + 1):
            add(manager, f"s-{number}", 100, 100 - number % 50, "trial")
            add(manager, f"t-{number}", 100, 100 - number % 50, "paid")
        sent.clear()
        rule = RetentionRule(older_than=timedelta(0), metadata={"kind": "trial"})

        assert manager.retain([rule]).expired == [retention.SESSIONS_OF_BATCH + 1]

    looked = [each for each in sent if "active_hour >=" in each and "LIMIT" in each]
    deleted = [each for each in sent if each.startswith("UPDATE zep_sessions SET deleted_at")]
    assert (len(looked), len(deleted)) == (3, 2)


def turn(manager: SessionManager, rules: list[RetentionRule]) -> timedelta:
    """Let *manager* do what the process does in each turn, and return after what time it is to have another."""
    return manager._runner.run(retention.turn(DAY, retention.request(rules, 30 * DAY, False), None)())


def test_of_several_machines_one_works_in_each_interval(memory: SessionManager, database_url: str) -> None:
    assert turn(memory, [IDLE]) == DAY
    add(memory, "idle too", 200, 100, "paid")
    with SessionManager(database_url) as other:
        pause = turn(other, [IDLE])
        assert live(other) == ["idle too", "trial", "young"]
        assert turn(other, [TRIALS]) == DAY  # by other rules

    assert timedelta(hours=23) < pause <= DAY
    assert live(memory) == ["idle too", "young"]


def test_the_process_reports_each_turn_and_ends_with_the_manager(memory: SessionManager) -> None:
    reports: list[RetentionReport] = []
    reported = threading.Event()

    def progress(report: RetentionReport) -> None:
        reports.append(report)
        reported.set()

    work = threading.Thread(target=memory.retain_every, args=[DAY, [IDLE]], kwargs={"progress": progress})
    work.start()
    assert reported.wait(PATIENCE)
    memory.close()
    work.join(PATIENCE)

    assert not work.is_alive()
    assert [report.expired for report in reports] == [[2]]


BAD: dict[str, Callable[[SessionManager], Any]] = {
    "an age below zero": lambda manager: manager.retain([RetentionRule(older_than=-DAY)]),
    "an empty user id": lambda manager: manager.retain([RetentionRule(older_than=DAY, user_id="")]),
    "no interval": lambda manager: manager.retain_every(timedelta(0), [TRIALS]),
    "a second rule": lambda manager: manager.retain([TRIALS, RetentionRule(older_than=timedelta.max)]),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_rule_is_refused_before_any_other_is_followed(
    sqlite_url: str, call: Callable[[SessionManager], Any]
) -> None:
    with SessionManager(sqlite_url) as manager:
        add(manager, "trial", 10, 10, "trial")

        with pytest.raises(InvalidInput):
            call(manager)

        assert live(manager) == ["trial"]


def test_a_manager_of_one_user_has_no_retention(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(NotForOneUser, match="retain_every"):
        manager.as_user("alice").retain_every(DAY, [IDLE])


def test_a_report_reads_its_own_json_back(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        report = manager.retain([IDLE])

    assert RetentionReport.model_validate_json(report.model_dump_json()) == report
    assert RetentionReport(**report.to_dict()) == report
