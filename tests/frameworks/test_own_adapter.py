"""The adapter that the page shows does what it says."""

import re
from pathlib import Path
from typing import Any

import pytest

from zep_memory_plugin import Message, SessionManager, ToolCall, use_session

PAGE = Path(__file__).parents[2] / "docs/frameworks/own.md"


@pytest.fixture
def shown() -> dict[str, Any]:
    """What the page defines."""
    names: dict[str, Any] = {}
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.S)
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_an_adapter_is_short() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.S)

    assert len(code.splitlines()) < 60


MESSAGES = [
    {"by": "user", "parts": [{"say": "Which is warmer?"}, {"look": "a picture"}]},
    {
        "by": "assistant",
        "parts": [{"run": "weather", "id": "1", "with": {}}, {"run": "weather", "id": "2", "with": {}}],
    },
    {"by": "tool", "parts": [{"got": "21", "id": "1"}, {"got": "4", "id": "2"}, {"say": "so?"}]},
]


def test_messages_come_back_as_they_were(shown: dict[str, Any]) -> None:
    with SessionManager("sqlite://") as manager:
        history = shown["History"](manager, "s")
        for message in MESSAGES:
            history.add(message)

        assert history.messages() == MESSAGES
        assert [row.content for row in manager.list_messages("s")] == ["Which is warmer?", "", "21", "4", "so?"]


def test_messages_of_others_are_read(shown: dict[str, Any]) -> None:
    with SessionManager("sqlite://") as manager, use_session("s", user_id="alice"):
        calls = [ToolCall(id="1", name="weather", args={"city": "Lisbon"})]
        manager.add_memory("s", [Message(role="ai", content="I look.", tool_calls=calls)], user_id="alice")

        assert shown["History"](manager).messages() == [
            {
                "by": "assistant",
                "parts": [{"say": "I look."}, {"run": "weather", "id": "1", "with": {"city": "Lisbon"}}],
            }
        ]
