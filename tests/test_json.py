"""Every public model reads its own JSON back, equal, and stays strict about types that would change meaning."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter

from zep_memory_plugin import (
    Hold,
    InvalidInput,
    Memory,
    Message,
    PurgeReport,
    SearchResult,
    Session,
    SessionResult,
    Summary,
    ToolCall,
    User,
)

MOMENT = datetime(2026, 5, 1, 12, 30, 1, 5, tzinfo=UTC)
ID = UUID(int=7)
CALL = ToolCall(id="call-1", name="weather", args={"city": "Lisbon", "days": 2})
MESSAGE = Message(
    role="ai", content="Sunny.\x00", tool_calls=[CALL], metadata={"a": [1, None]}, uuid=ID, seq=3, created_at=MOMENT
)
SUMMARY = Summary(content="in short", seq=3, token_count=2, uuid=ID, created_at=MOMENT)

FOUND = SearchResult(message=MESSAGE, score=0.5, session_id="s", neighbours=[MESSAGE], highlights=[(0, 5)])

MODELS: list[BaseModel] = [
    User(
        user_id="alice", email="a@example.com", metadata={"k": {}}, uuid=ID, id=1, created_at=MOMENT, updated_at=MOMENT
    ),
    Session(session_id="s", user_id="alice", uuid=ID, id=2, created_at=MOMENT, updated_at=MOMENT, deleted_at=MOMENT),
    CALL,
    ToolCall(name="broken", args="no {json"),
    MESSAGE,
    SUMMARY,
    Memory(messages=[MESSAGE], summary=SUMMARY),
    FOUND,
    SearchResult(summary=SUMMARY, session_id="s"),
    SessionResult(session=Session(session_id="s"), score=0.5, results=[FOUND]),
    Hold(session_id="s", held_at=MOMENT),
    PurgeReport(messages=3, older_than=timedelta(days=30), started_at=MOMENT, finished_at=MOMENT),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_is_read_back_from_its_json(model: BaseModel) -> None:
    """As text, as what a web framework makes of a body, and as keyword arguments."""
    text = model.model_dump_json()
    document = json.loads(text)

    assert type(model).model_validate_json(text) == model
    assert TypeAdapter(type(model)).validate_python(document) == model
    assert type(model)(**document) == model


@pytest.mark.parametrize(
    "fields",
    [
        {"content": 5},
        {"token_count": "5"},
        {"seq": True},
        {"created_at": 1_700_000_000},
        {"created_at": "2026-05-01T12:00:00"},
        {"created_at": "yesterday"},
        {"tool_calls": [{"name": 5}]},
        {"tool_calls": {"name": "no list"}},
        {"uuid": "no uuid"},
    ],
    ids=str,
)
def test_a_type_that_would_change_meaning_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Message(**{"role": "user", **fields})
