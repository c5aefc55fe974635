"""A short run of the stress test, with each driver; `python -m tests.stress` runs it for as long as one likes."""

import os
import random

import pytest

from tests.stress.checks import stress
from tests.stress.failovers import fail_over
from tests.stress.kills import kill
from tests.stress.replicas import read_replica
from tests.support.colours import BACKENDS, Backend

DRIVERS = [one for one in BACKENDS if one.name in ("sqlite-sync", "aiosqlite", "postgres-sync", "asyncpg")]
SECONDS = 2.0
ROUNDS = 2
FAILOVER_SECONDS = 4.0
REPLICA_SECONDS = 4.0


@pytest.fixture
def url(backend: Backend, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of *backend*."""
    fixture = "sqlite_url" if backend.url_fixture == "sqlite_url" else "postgres_url"
    return backend.url(request.getfixturevalue(fixture))


@pytest.mark.parametrize("backend", DRIVERS, ids=lambda backend: backend.name)
def test_nothing_is_lost_or_locked_under_stress(backend: Backend, url: str) -> None:
    """Whatever forks, interrupts, cancellations and closes meet at random."""
    counts, problems = stress(backend, url, random.randrange(10**6), SECONDS)

    assert problems == []
    assert counts["acknowledged"] > 0


@pytest.mark.parametrize("backend", DRIVERS, ids=lambda backend: backend.name)
def test_killed_writers_leave_all_that_was_acknowledged(backend: Backend, url: str) -> None:
    """Batches of all sizes, beside replacements, new sessions and purges."""
    counts, problems = kill(backend, url, random.randrange(10**6), ROUNDS)

    assert problems == []
    assert counts["acknowledged batches"] > 0


@pytest.mark.timeout(240)
@pytest.mark.skipif("ZEP_TEST_NO_PGBOUNCER" in os.environ, reason="ZEP_TEST_NO_PGBOUNCER is set")
def test_every_answer_is_right_through_failovers_behind_a_pooler() -> None:
    """On a server that is serializable by default, and with connections that are killed."""
    counts, problems = fail_over(random.randrange(10**6), FAILOVER_SECONDS, every=FAILOVER_SECONDS)

    assert problems == []
    assert counts["acknowledged"] > 0
    assert counts["failovers"] > 0


@pytest.mark.timeout(240)
def test_writers_find_what_they_have_written_through_a_replica() -> None:
    """However late it is, and whenever it is away."""
    counts, problems = read_replica(random.randrange(10**6), REPLICA_SECONDS)

    assert problems == []
    assert counts["reads"] > 0
