"""`zep-memory retain` once, as a dry run, and as the retention process."""

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Command, start
from zep_memory_plugin import RetentionReport, Session, SessionManager


@pytest.fixture
def manager(manager: SessionManager) -> SessionManager:
    """A manager with a session of a trial that is a hundred days old, and one of today."""
    then = datetime.now(UTC) - timedelta(days=100)
    manager.add_session(Session(session_id="old", metadata={"kind": "trial"}, created_at=then))
    manager.add_session(Session(session_id="new"))
    return manager


def live(manager: SessionManager) -> list[str]:
    return [session.session_id for session in manager.list_sessions()]


def test_it_lets_sessions_expire_and_counts_them(on: Command, manager: SessionManager) -> None:
    dry = on("retain", "--idle", "90d", "--older-than", "1d", "--dry-run")
    assert (dry.code, live(manager)) == (0, ["old", "new"])
    assert dry.out.splitlines()[:2] == ["rule 1 would expire    1", "rule 2 would expire    1"]

    done = on("retain", "--idle", "90d", "--metadata", "kind=trial", "--grace", "0s", "--json")
    report = RetentionReport(**json.loads(done.out))

    assert (report.expired, report.purged.sessions, live(manager)) == ([1], 1, ["new"])


@pytest.mark.parametrize(
    "options",
    [[], ["--idle", "soon"], ["--idle", "1d", "--every", "0s"], ["--idle", "1d", "--every", "1h", "--dry-run"]],
    ids=["no rule", "no duration", "no interval", "a dry process"],
)
def test_what_makes_no_sense_is_refused(on: Command, manager: SessionManager, options: list[str]) -> None:
    ended = on("retain", *options)

    assert (ended.code, ended.out, live(manager)) == (2, "", ["old", "new"])
    assert ended.err.startswith("error: --")


def test_the_process_ends_with_0_when_it_is_told_to(database_url: str, manager: SessionManager) -> None:
    process = start("retain", "--idle", "90d", "--every", "1h", "-d", database_url)
    assert process.stderr is not None

    first = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=90)

    assert first == "1 sessions expired, 0 removed\n"
    assert (process.returncode, rest) == (0, "stopped\n")
    assert live(manager) == ["new"]
