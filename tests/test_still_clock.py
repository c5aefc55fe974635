"""Calls at the same moment are different calls: a clock may tick slowly, and a test may have stopped it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.support.messages import FIXED, numbered, said, texts
from zep_memory_plugin import SessionManager, units
from zep_memory_plugin.core import appending, archive, messages, sessions
from zep_memory_plugin.core.batches import batch
from zep_memory_plugin.core.tokens import estimated_tokens
from zep_memory_plugin.running.runner import Runner
from zep_memory_plugin.units import Flow, Stamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(runner: Runner, operation: Callable[..., Any], *arguments: Any, attempt: int = 1) -> Any:
    """Run *operation* at `NOW`."""
    return runner.write(lambda connection, _: operation(connection, Stamp(NOW, attempt), *arguments))


def append(runner: Runner, text: str) -> None:
    (message,) = said(text)
    message.uuid = FIXED

    def flow() -> Flow[None]:
        new = batch([message], estimated_tokens)
        yield units.write_alone(lambda connection, _: appending.append(connection, Stamp(NOW), "s", new, None))

    runner.run(flow())


def test_a_message_that_is_written_twice_has_its_second_content(database_url: str) -> None:
    runner = Runner(database_url)
    for text in ("one", "two", "three"):
        append(runner, text)
    runner.close()

    with SessionManager(database_url) as manager:
        assert texts(manager.list_messages("s")) == ["three"]


def test_each_call_takes_the_message_that_is_oldest_then(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        manager.add_memory("s", numbered(5))
    runner = Runner(database_url)

    slices = [write(runner, archive.delete_slice, "s", 0, 1, None) for _ in range(2)]
    archived = [write(runner, archive.archive, "s", 1, None) for _ in range(2)]
    again = write(runner, archive.archive, "s", 1, None, attempt=2)
    runner.close()

    assert [texts(found) for found in slices] == [["1"], ["2"]]
    assert [texts(found) for found in archived] == [["3"], ["4"]]
    assert texts(again) == ["3"]


def test_what_was_deleted_before_a_session_stays_deleted_when_it_is_restored(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        one, _ = manager.add_memory("s", numbered(2))
    runner = Runner(database_url)

    write(runner, messages.delete, "s", [one.uuid])
    write(runner, sessions.delete, "s", None, None)
    write(runner, sessions.delete, "s", None, None, attempt=2)
    write(runner, sessions.restore, "s")
    runner.close()

    with SessionManager(database_url) as manager:
        assert texts(manager.list_messages("s")) == ["2"]
