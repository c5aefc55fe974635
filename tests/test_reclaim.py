"""What a purge leaves of an SQLite file: nothing of what was purged, and no more room than is needed."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from zep_memory_plugin import Message, SessionManager

SECRET = "the word that must go"
MESSAGES = [Message(role="user", content=f"{SECRET} {number} " + "x" * 500) for number in range(4000)]


def fill(manager: SessionManager) -> None:
    manager.add_memory("kept", [Message(role="user", content="hello")])
    manager.add_memory("purged", MESSAGES, user_id="erased")


def bytes_of(file: Path) -> bytes:
    """Return what the file and its log hold."""
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


def assert_reclaimed(file: Path, before: int) -> None:
    content = bytes_of(file)
    assert len(content) < before / 5
    assert SECRET.encode() not in content


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def test_a_purge_gives_the_space_back(sqlite_url: str, file: Path) -> None:
    with SessionManager(sqlite_url) as manager:
        fill(manager)
        before = len(bytes_of(file))
        manager.delete_session("purged")

        manager.purge()

        assert_reclaimed(file, before)


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_an_async_purge_gives_the_space_back(sqlite_url: str, file: Path, driver: str) -> None:
    with SessionManager(sqlite_url) as manager:
        fill(manager)
        manager.delete_session("purged")
        before = len(bytes_of(file))

    async def main() -> None:
        async with SessionManager(sqlite_url.replace("sqlite:", f"{driver}:")) as manager:
            await manager.apurge()

    asyncio.run(main())

    assert_reclaimed(file, before)


def test_the_erasure_of_a_user_gives_the_space_back(sqlite_url: str, file: Path) -> None:
    with SessionManager(sqlite_url) as manager:
        fill(manager)
        before = len(bytes_of(file))

        manager.delete_user("erased")

        assert_reclaimed(file, before)


def test_a_purge_on_an_engine_of_the_application_succeeds(sqlite_url: str) -> None:
    """Such a file may not give space back, which is not an error."""
    engine = create_engine(sqlite_url)
    with SessionManager(engine) as manager:
        fill(manager)
        manager.delete_session("purged")

        assert manager.purge().messages == len(MESSAGES)

    engine.dispose()
