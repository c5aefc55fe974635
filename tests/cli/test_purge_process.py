"""`purge --every` is the purge process: it ends in order when it is told to, and loses nothing when it is killed."""

import re
import signal
import subprocess
from collections import Counter
from datetime import timedelta

import pytest

from tests.cli.conftest import start, talk
from tests.support.proxy import Proxy
from zep_memory_plugin import PurgeReport, SessionManager


def _deleted(manager: SessionManager, *names: str) -> None:
    for name in names:
        manager.add_memory(name, talk(20))
        manager.delete_session(name)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_it_is_told_to(database_url: str, number: int) -> None:
    """After its first purge it waits an hour, and still ends at once."""
    with SessionManager(database_url) as manager:
        _deleted(manager, "a", "b")
        process = start("purge", "--every", "60m", "-d", database_url)

        first = _first_line(process)
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)

        assert first == "removed 2 sessions, 40 messages\n"
        assert (process.returncode, rest) == (0, "stopped\n")
        assert manager.list_sessions(deleted=True) == []


def test_it_leaves_each_session_whole_or_gone_when_it_is_killed(database_url: str) -> None:
    """And the next one finishes what it began."""
    names = [f"s {number}" for number in range(30)]
    with SessionManager(database_url) as manager:
        _deleted(manager, *names)
        process = start("purge", "--every", "1h", "--batch-size", "1", "-d", database_url)
        while manager.stats().deleted_messages == 600 and process.poll() is None:
            pass
        process.kill()
        process.communicate()

        whole = [session.session_id for session in manager.list_sessions(deleted=True)]
        for session_id in whole:
            manager.restore_session(session_id)

        assert all(count == 20 for count in manager.count_messages(whole).values())
        manager.purge(timedelta(0))
        assert manager.stats().deleted_messages == 0


def test_of_several_machines_one_purges_in_each_interval(database_url: str) -> None:
    """Another says so, and is told to end while it waits; one that purges by another age has turns of its own."""
    with SessionManager(database_url) as manager:
        _deleted(manager, "a")
        processes = [start("purge", "--every", "1d", "-d", database_url)]
        assert _first_line(processes[0]) == "removed 1 sessions, 20 messages\n"
        _deleted(manager, "b")

        processes.append(start("purge", "--every", "1d", "-d", database_url))
        elsewhere = _first_line(processes[1])
        processes.append(start("purge", "--every", "1d", "--older-than", "30d", "-d", database_url))
        of_another_age = _first_line(processes[2])
        for process in processes:
            process.terminate()
        ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]

        assert elsewhere.startswith("purge older than 0:00:00: done elsewhere in this interval, next look in 23:")
        assert of_another_age == "removed 0 sessions, 0 messages\n"
        assert ended == [("stopped\n", 0)] * 3
        assert [session.session_id for session in manager.list_sessions(deleted=True)] == ["b"]


def test_a_report_goes_to_a_pipe_at_once(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        _deleted(manager, "a")
        process = start("purge", "--every", "1h", "--json", "-d", database_url)
        assert process.stdout is not None

        report = PurgeReport.model_validate_json(process.stdout.readline())

        assert (report.sessions, report.messages) == (1, 20)
        process.terminate()
        process.communicate(timeout=60)


def test_every_time_it_purges_what_is_new(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        _deleted(manager, "a")
        process = start("purge", "--every", "0.2s", "-d", database_url)
        assert _first_line(process) == "removed 1 sessions, 20 messages\n"

        _deleted(manager, "b")
        removed = Counter[str]()
        while removed["sessions"] < 1:
            for number, kind in re.findall(r"(\d+) (\w+)", _first_line(process)):
                removed[kind] += int(number)

        assert removed == {"sessions": 1, "messages": 20}
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_it_outlives_a_database_that_goes_away_and_comes_back(postgres_url: str) -> None:
    with SessionManager(postgres_url) as manager, Proxy.to(postgres_url) as proxy:
        _deleted(manager, "a")
        process = start("purge", "--every", "0.1s", "-d", proxy.url_for(postgres_url))
        try:
            assert _first_line(process) == "removed 1 sessions, 20 messages\n"

            proxy.go_away()
            while "purge failed, next try in 0:00:00.100000" not in _first_line(process):
                assert process.poll() is None
            _deleted(manager, "b")
            proxy.come_back()
            while manager.stats().deleted_sessions:
                assert process.poll() is None

            process.terminate()
            _, rest = process.communicate(timeout=60)
            assert (process.returncode, rest.splitlines()[-1]) == (0, "stopped")
        finally:
            process.kill()
            process.communicate()
