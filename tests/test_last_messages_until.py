"""The newest messages of a session as it was when a seq was its last."""

import asyncio

import pytest

from zep_memory_plugin import InvalidInput, Message, SessionManager

TEXTS = ["q1", "a1", "q2", "a2", "q3", "a3"]


@pytest.fixture
def manager(database_url: str):
    with SessionManager(database_url) as manager:
        roles = ["user", "assistant"] * 3
        manager.add_memory(
            "s", [Message(role=role, content=text, token_count=10) for role, text in zip(roles, TEXTS, strict=True)]
        )
        yield manager


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, TEXTS[:5]),
        ({"limit": 2}, ["a2", "q3"]),
        ({"limit": 0}, []),
        ({"limit": 4, "whole_turns": True}, ["q2", "a2", "q3"]),
        ({"max_tokens": 30}, ["q2", "a2", "q3"]),
        ({"max_tokens": 1, "whole_turns": True}, ["q3"]),
        ({"limit": 2, "max_tokens": 10}, ["q3"]),
    ],
)
def test_what_came_later_is_left_out(manager: SessionManager, window: dict, expected: list[str]) -> None:
    found = manager.last_messages("s", **window, until_seq=5)

    assert [message.content for message in found] == expected
    assert asyncio.run(manager.alast_messages("s", **window, until_seq=5)) == found


def test_before_the_first_seq_there_is_nothing(manager: SessionManager) -> None:
    assert manager.last_messages("s", until_seq=0) == []


def test_a_seq_after_the_last_leaves_nothing_out(manager: SessionManager) -> None:
    assert len(manager.last_messages("s", until_seq=1000)) == 6


@pytest.mark.parametrize("bad", [-1, "5", True, 2**63])
def test_what_is_no_seq_is_refused(manager: SessionManager, bad: object) -> None:
    with pytest.raises(InvalidInput, match="until_seq"):
        manager.last_messages("s", until_seq=bad)  # type: ignore[arg-type]
