"""The clients of Zep, and what else judges the server, come from registries: `.ci/run clients` asks for them."""

import os
from collections.abc import Iterator

import pytest

from tests.clients.serving import served

collect_ignore = [] if os.environ.get("ZEP_TEST_CLIENTS") else ["test_clients.py", "test_description.py"]


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    """Return the URL of a server on an empty database."""
    with served(database_url) as (url, _):
        yield url
