"""The ids that messages are given."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.uuids import new_uuid


def test_they_are_of_version_7_and_tell_the_time() -> None:
    before = datetime.now(UTC)

    made = new_uuid()

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert before - timedelta(milliseconds=1) <= at <= datetime.now(UTC)


def test_they_are_different_and_grow() -> None:
    """Two of the same 4096th of a millisecond may be in any order."""
    made = [new_uuid() for _ in range(20_000)]

    assert len(set(made)) == len(made)
    assert all(one.int >> 64 <= other.int >> 64 for one, other in pairwise(made))


def test_messages_have_them() -> None:
    with SessionManager("sqlite://") as manager:
        stored = manager.add_memory("a", [Message(role="user"), Message(role="assistant")])

    assert [message.uuid.version for message in stored if message.uuid] == [7, 7]
