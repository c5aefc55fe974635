"""Our repository passes the tests of the session manager of Strands Agents."""

from pathlib import Path

import pytest

from tests.upstream.sources import NotAvailable, counts, fetched, ran

TESTS = "tests/strands/session/test_repository_session_manager.py"
"""Needs nothing of the conftest, which needs more packages than the SDK."""


@pytest.mark.network
@pytest.mark.timeout(300)
def test_our_repository_passes_the_tests_of_strands(tmp_path: Path) -> None:
    try:
        sources = fetched("strands-agents", tmp_path)
    except NotAvailable as error:
        pytest.skip(str(error))

    done = ran(sources, "stored_strands_sessions", [TESTS], (), "--noconftest")

    assert done.returncode == 0, done.stdout
    assert counts(done)["passed"] > 45
