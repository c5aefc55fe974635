"""Nothing here may depend on what LangChain is about to remove."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from zep_memory_plugin import SessionManager

HERE = Path(__file__).parent
DEPRECATION = "error::langchain_core._api.deprecation.LangChainDeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every deprecation of LangChain fail the test, unless the test says that it is about one."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(DEPRECATION), append=False)


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager on an empty database, once on SQLite and once on Postgres."""
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def sqlite_manager(sqlite_url: str) -> Iterator[SessionManager]:
    """Return a manager on an empty SQLite file."""
    with SessionManager(sqlite_url) as manager:
        yield manager
