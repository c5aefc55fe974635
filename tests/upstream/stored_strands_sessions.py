"""A pytest plugin that puts our repository instead of the mocked one, in the tests of Strands Agents."""

import tempfile
from pathlib import Path

import tests.fixtures.mock_session_repository as fixture
from zep_memory_plugin import SessionManager
from zep_memory_plugin.strands import ZepSessionRepository


class StoredRepository(ZepSessionRepository):
    """A repository with a database of its own, made as the mocked one is."""

    def __init__(self) -> None:
        super().__init__(SessionManager(f"sqlite:///{Path(tempfile.mkdtemp()) / 'zep.db'}"))


fixture.MockedSessionRepository = StoredRepository  # type: ignore[misc,assignment]  # before the tests import it
