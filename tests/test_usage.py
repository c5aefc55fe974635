"""Tokens and cost that providers report of messages, kept with them and summed up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.adk.events import Event
from google.genai.types import Content, GenerateContentResponseUsageMetadata, Part
from langchain_core.messages import AIMessage, HumanMessage
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, TextPart
from pydantic_ai.usage import RequestUsage

from tests.support.messages import said
from tests.support.statements import statements
from tests.support.tables import Tables
from zep_memory_plugin import Feedback, Message, MessageNotFound, SessionManager, Usage, forms, google_adk, pydantic_ai
from zep_memory_plugin.langchain import ZepChatMessageHistory

MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def reported(cost: float | None = None, at: datetime = MAY, **tokens: Any) -> Message:
    """Return an answer of a model, with what was reported of it."""
    told = tokens if cost is None else {**tokens, "cost": cost}
    return Message(role="assistant", content="yes", metadata={"usage": told}, created_at=at)


@pytest.fixture
def memory(database_url: str) -> Iterator[SessionManager]:
    """A manager with two sessions of Alice and one of Bob, on two days."""
    with SessionManager(database_url) as memory:
        memory.add_memory("a", [*said("hi"), reported(0.5, input_tokens=10, output_tokens=2)], user_id="alice")
        memory.add_memory("b", [reported(0.25, MAY + DAY, input_tokens=5, output_tokens=1)], user_id="alice")
        memory.add_memory("c", [reported(input_tokens=7, output_tokens=3), *said("so")], user_id="bob")
        yield memory


def test_usage_is_summed_by_session_user_and_day_in_one_statement(memory: SessionManager) -> None:
    with statements() as sent:
        by_session = memory.usage("session")
    assert len(sent) == 1
    assert by_session == [
        Usage(session_id="a", messages=1, input_tokens=10, output_tokens=2, cost=0.5),
        Usage(session_id="b", messages=1, input_tokens=5, output_tokens=1, cost=0.25),
        Usage(session_id="c", messages=1, input_tokens=7, output_tokens=3),
    ]
    assert memory.usage("user") == [
        Usage(user_id="alice", messages=2, input_tokens=15, output_tokens=3, cost=0.75),
        Usage(user_id="bob", messages=1, input_tokens=7, output_tokens=3),
    ]
    assert memory.usage() == [
        Usage(day=MAY.date(), messages=2, input_tokens=17, output_tokens=5, cost=0.5),
        Usage(day=MAY.date() + DAY, messages=1, input_tokens=5, output_tokens=1, cost=0.25),
    ]


def test_sums_are_of_a_user_and_of_some_time(memory: SessionManager) -> None:
    assert [each.session_id for each in memory.usage("session", user_id="alice")] == ["a", "b"]
    assert [each.session_id for each in memory.usage("session", start_date=MAY + DAY)] == ["b"]
    assert [each.session_id for each in memory.usage("session", end_date=MAY)] == ["a", "c"]
    assert [each.user_id for each in memory.as_user("bob").usage("user")] == ["bob"]


def test_what_is_told_later_and_what_is_deleted_count(memory: SessionManager) -> None:
    (_, answer) = memory.list_messages("a")
    memory.update_message("a", answer.uuid, metadata={"usage": {"cost": 2}})
    memory.delete_session("a")

    assert memory.usage("session", user_id="alice")[0] == Usage(
        session_id="a", messages=1, input_tokens=10, output_tokens=2, cost=2.0
    )
    memory.purge()
    assert [each.session_id for each in memory.usage("session")] == ["b", "c"]


def test_what_is_no_number_is_no_usage(memory: SessionManager, database_url: str) -> None:
    odds: list[dict[str, Any]] = [
        {"input_tokens": "9"},
        {"cost": -1},
        {"cost": 10**200},
        {"output_tokens": None},
        {"a": "\0\ud800"},
    ]
    for odd in odds:
        memory.add_memory("odd", [Message(role="assistant", metadata={"usage": odd})])
    memory.add_memory("odd", [Message(role="assistant", metadata={"usage": 5}), *said("usage")])
    memory.add_memory("garbled", [reported(input_tokens=1)])
    with Tables(database_url) as tables:
        tables.run("UPDATE zep_messages SET metadata = '{\"usage\": {' WHERE session_id = 'garbled'")

    assert [each.session_id for each in memory.usage("session")] == ["a", "b", "c"]


def test_feedback_is_kept_with_its_message_listed_and_summed(memory: SessionManager) -> None:
    (_, answer), (other,) = memory.list_messages("a"), memory.list_messages("b")
    memory.add_feedback("a", answer.uuid, 1, comment="right")
    rated = memory.add_feedback("b", other.uuid, 1)
    memory.add_feedback("b", other.uuid, -0.5, comment="wrong")

    assert (rated.metadata or {})["feedback"] == {"score": 1}
    assert memory.list_feedback() == [
        Feedback(session_id="b", uuid=other.uuid, score=-0.5, comment="wrong", created_at=MAY + DAY),
        Feedback(session_id="a", uuid=answer.uuid, score=1.0, comment="right", created_at=MAY),
    ]
    assert [(each.user_id, each.rated, each.score) for each in memory.usage("user")] == [
        ("alice", 2, 0.5),
        ("bob", 0, 0.0),
    ]
    assert [each.session_id for each in memory.list_feedback(1, user_id="alice", end_date=MAY)] == ["a"]
    assert memory.as_user("bob").list_feedback() == []


def test_feedback_goes_with_its_message(memory: SessionManager) -> None:
    (_, answer) = memory.list_messages("a")
    memory.add_feedback("a", answer.uuid, 1, comment="qzxsecret")
    memory.delete_messages("a", [answer.uuid])

    assert memory.list_feedback() == []
    memory.purge()
    assert memory.verify_erased("nobody", words=["qzxsecret"]).is_erased
    with pytest.raises(MessageNotFound):
        memory.add_feedback("a", answer.uuid, 1)


def test_messages_of_langchain_bring_theirs_along(sqlite_url: str) -> None:
    """And read them back as their own."""
    told = {"input_tokens": 11, "output_tokens": 4, "total_tokens": 15}
    answer = AIMessage("In Lima.", id="run-1", usage_metadata=told)
    with SessionManager(sqlite_url) as manager:
        history = ZepChatMessageHistory("a", manager)
        history.add_messages([HumanMessage("Where?", id="q-1"), answer])

        assert manager.usage("session") == [Usage(session_id="a", messages=1, input_tokens=11, output_tokens=4)]
        (_, read) = history.messages
        assert isinstance(read, AIMessage)
        assert read.usage_metadata == told


def test_messages_of_agent_frameworks_bring_theirs_along() -> None:
    answer = ModelResponse(parts=[TextPart("In Lima.")], usage=RequestUsage(input_tokens=3, output_tokens=2))
    (said,) = ModelMessagesTypeAdapter.dump_python([answer], mode="json")
    (of_pydantic_ai,) = forms.to_rows(pydantic_ai.FORM, said, "assistant")
    reported = GenerateContentResponseUsageMetadata(prompt_token_count=3, candidates_token_count=2)
    event = Event(author="agent", content=Content(parts=[Part(text="In Lima.")]), usage_metadata=reported)
    (of_google_adk,) = forms.to_rows(google_adk.FORM, event.model_dump(mode="json", exclude_none=True), "assistant")

    assert of_pydantic_ai.metadata == of_google_adk.metadata == {"usage": {"input_tokens": 3, "output_tokens": 2}}
