"""The purge process on several machines, in a thread, and with what it keeps by default."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine

from tests.support.messages import said
from tests.support.tables import Tables
from zep_memory_plugin import InvalidInput, NotForOneUser, PurgeReport, SessionManager
from zep_memory_plugin.core import leases, purge
from zep_memory_plugin.core.leases import LONGEST_INTERVAL, WHILE_AT_WORK, Lease
from zep_memory_plugin.units import Stamp

PATIENCE = 90.0
DAY = timedelta(days=1)


@pytest.fixture
def machines(database_url: str) -> Iterator[list[SessionManager]]:
    """Return three managers of one database, with one session that is deleted."""
    managers = [SessionManager(database_url) for _ in range(3)]
    managers[0].add_memory("a", said("one"))
    managers[0].delete_session("a")
    yield managers
    for manager in managers:
        manager.close()


def turn(manager: SessionManager, interval: timedelta = DAY, older_than: timedelta = timedelta(0)) -> timedelta:
    """Let *manager* do what the purge process does in each turn, and return after what time it is to have another."""
    return manager._runner.run(purge.turn(interval, older_than, 1000, False, None)())


def trash(manager: SessionManager) -> list[str]:
    return [session.session_id for session in manager.list_sessions(deleted=True)]


def test_of_several_machines_one_purges_in_each_interval(machines: list[SessionManager]) -> None:
    first, second, third = machines

    assert turn(first) == DAY
    assert trash(first) == []
    second.add_memory("b", said("one"))
    second.delete_session("b")
    pauses = [turn(second), turn(third)]

    assert trash(first) == ["b"]
    assert all(timedelta(hours=23) < pause <= DAY for pause in pauses)


def test_the_one_whose_turn_it_was_goes_on_after_a_restart_by_another(machines: list[SessionManager]) -> None:
    first, second, _ = machines

    turn(first, timedelta(microseconds=1))
    first.add_memory("b", said("one"))
    first.delete_session("b")

    assert turn(second, timedelta(microseconds=1)) == timedelta(microseconds=1)
    assert trash(first) == []


def test_purges_of_another_age_have_turns_of_their_own(machines: list[SessionManager]) -> None:
    first, second, _ = machines

    assert turn(first, older_than=DAY) == DAY
    assert trash(first) == ["a"]
    assert turn(second) == DAY
    assert trash(first) == []


@pytest.mark.parametrize(
    ("taken", "is_free"),
    [(timedelta(0), False), (-2 * WHILE_AT_WORK, True), (timedelta(days=365), True)],
    ids=["just now", "by one that crashed", "by a clock that is wrong"],
)
def test_a_machine_that_crashed_does_not_keep_its_turn(
    database_url: str, machines: list[SessionManager], taken: timedelta, is_free: bool
) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        crashed = Lease(f"purge older than {timedelta(0)}", DAY)
        assert leases.take(connection, Stamp(now=datetime.now(UTC) + taken), crashed) is None
    engine.dispose()

    pause = turn(machines[0])

    assert trash(machines[0]) == ([] if is_free else ["a"])
    assert pause == DAY if is_free else timedelta(0) < pause <= WHILE_AT_WORK


def test_a_lease_that_is_taken_again_by_its_holder_stays_its_own(database_url: str) -> None:
    """As a write that is sent again takes it."""
    with SessionManager(database_url) as manager:
        manager.list_sessions()
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    lease, stamp = Lease("mine", DAY), Stamp()
    with engine.begin() as connection:
        assert [leases.take(connection, stamp, lease) for _ in range(2)] == [None, None]
        assert leases.take(connection, stamp, Lease("mine", DAY)) == stamp.now + WHILE_AT_WORK
    engine.dispose()


def test_by_default_a_purge_process_keeps_what_was_deleted_in_the_last_days(database_url: str) -> None:
    purged = threading.Event()

    def progress(report: PurgeReport) -> None:
        if report.sessions:
            purged.set()

    with SessionManager(database_url) as manager, Tables(database_url) as tables:
        for session_id in ("young", "old"):
            manager.add_memory(session_id, said("one"))
            manager.delete_session(session_id)
        tables.age("old", timedelta(days=31))
        thread = threading.Thread(target=manager.purge_every, args=[DAY], kwargs={"progress": progress})
        thread.start()
        assert purged.wait(PATIENCE)
        manager.close()
        thread.join(PATIENCE)

        assert not thread.is_alive()
    with SessionManager(database_url) as manager:
        assert trash(manager) == ["young"]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_can_close_while_its_parent_has_a_purge_process(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        thread = threading.Thread(target=manager.purge_every, args=[DAY])
        thread.start()
        child = os.fork()
        if child == 0:
            try:
                manager.list_sessions()
                manager.close()
            finally:
                os._exit(int(not manager._runner.closed))
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
    thread.join(PATIENCE)


def test_a_manager_of_one_user_does_not_purge(machines: list[SessionManager]) -> None:
    with pytest.raises(NotForOneUser, match="purge_every"):
        machines[0].as_user("alice").purge_every(DAY)


def test_an_interval_is_checked_before_anything_is_purged(machines: list[SessionManager]) -> None:
    with pytest.raises(InvalidInput, match="interval"):
        machines[0].purge_every(timedelta(0))

    assert trash(machines[0]) == ["a"]


def test_the_longest_interval_there_is_ends_in_no_error(machines: list[SessionManager]) -> None:
    """Though no calendar has its end; the trash is emptied once."""
    assert turn(machines[0], timedelta.max) == LONGEST_INTERVAL
    assert turn(machines[1], timedelta.max) > LONGEST_INTERVAL - DAY
    assert trash(machines[0]) == []
