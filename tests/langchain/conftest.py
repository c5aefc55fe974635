"""Nothing here may depend on what LangChain is about to remove."""

import asyncio
import inspect
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


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the async tests, which come only from LangChain's own suites, in an event loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    taken = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in taken}))
    return True


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
