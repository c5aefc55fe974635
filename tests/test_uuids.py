"""Messages get ids that differ, grow with time, and tell it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.uuids import new_uuid, uuid_of


def test_uuids_are_of_version_7_and_tell_the_time() -> None:
    before = datetime.now(UTC)

    made = new_uuid()

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert before - timedelta(milliseconds=1) <= at <= datetime.now(UTC)


def test_uuids_are_different_and_grow() -> None:
    """Two of the same 4096th of a millisecond may be in any order."""
    made = [new_uuid() for _ in range(20_000)]

    assert len(set(made)) == len(made)
    assert all(one.int >> 64 <= other.int >> 64 for one, other in pairwise(made))


def test_the_uuid_of_an_id_never_changes() -> None:
    """A uuid stands for itself, however it is written."""
    same = "0b7d2f3e-6a0c-5f0e-9a5d-6f1c2b7a94e2"

    assert uuid_of("msg-1") == UUID("50d2f350-5f17-55ec-a859-7d0636bd0292")
    assert uuid_of(same) == uuid_of(same.upper()) == uuid_of(UUID(same).hex) == UUID(same)
    assert uuid_of("\ud800") != uuid_of("\udfff")


def test_messages_get_such_uuids() -> None:
    with SessionManager("sqlite://") as manager:
        stored = manager.add_memory("a", [Message(role="user"), Message(role="assistant")])

    assert [message.uuid.version for message in stored if message.uuid] == [7, 7]
