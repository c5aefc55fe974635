"""Calls at the same moment are different calls: a clock may tick slowly, and a test may have stopped it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.support.messages import FIXED, numbered, said, texts
from zep_memory_plugin import SessionManager
from zep_memory_plugin.core import archive, messages, sessions
from zep_memory_plugin.core.batches import batch, estimated_tokens
from zep_memory_plugin.database import Database, Stamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(database: Database, operation: Callable[..., Any], *arguments: Any, attempt: int = 1) -> Any:
    """Run *operation* at `NOW`."""
    return database.write(lambda connection, _: operation(connection, Stamp(NOW, attempt), *arguments))


def append(database: Database, text: str) -> None:
    (message,) = said(text)
    message.uuid = FIXED
    database.write_alone(
        lambda connection, _: messages.append(connection, Stamp(NOW), "s", batch([message], estimated_tokens), None)
    )


def test_a_message_that_is_written_twice_has_its_second_content(database_url: str) -> None:
    database = Database(database_url)
    for text in ("one", "two", "three"):
        append(database, text)
    database.close()

    with SessionManager(database_url) as manager:
        assert texts(manager.list_messages("s")) == ["three"]


def test_the_oldest_goes_with_each_call(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        manager.add_memory("s", numbered(5))
    database = Database(database_url)

    slices = [write(database, archive.delete_slice, "s", 0, 1, None) for _ in range(2)]
    archived = [write(database, archive.archive, "s", 1, None) for _ in range(2)]
    again = write(database, archive.archive, "s", 1, None, attempt=2)
    database.close()

    assert [texts(found) for found in slices] == [["1"], ["2"]]
    assert [texts(found) for found in archived] == [["3"], ["4"]]
    assert texts(again) == ["3"]


def test_what_was_deleted_before_a_session_stays_deleted_when_it_is_restored(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        one, _ = manager.add_memory("s", numbered(2))
    database = Database(database_url)

    write(database, messages.delete, "s", [one.uuid])
    write(database, sessions.delete, "s")
    write(database, sessions.delete, "s", attempt=2)
    write(database, sessions.restore, "s")
    database.close()

    with SessionManager(database_url) as manager:
        assert texts(manager.list_messages("s")) == ["2"]
