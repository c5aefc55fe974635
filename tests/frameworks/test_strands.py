"""Sessions and memories of Strands Agents on ours."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy
import pytest
from strands import Agent, tool
from strands.models import Model
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from zep_memory_plugin import Message, SessionManager, SessionOwnedByAnotherUser, Summary, ToolCall, Usage, use_session
from zep_memory_plugin.strands import ZepMemoryStore, ZepSessionRepository

IMAGE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\x00"}}}
MESSAGES: list[Any] = [
    {"role": "user", "content": [{"text": "look \ud800"}, IMAGE]},
    {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm"}}},
            {"text": "I look"},
            {"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": "Lisbon"}}},
            {"toolUse": {"toolUseId": "2", "name": "weather", "input": {}}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "1", "status": "success", "content": [{"text": "21"}]}},
            {"toolResult": {"toolUseId": "2", "status": "error", "content": [{"json": {"degrees": 4}}]}},
            {"text": "so?"},
        ],
    },
]


class ScriptedModel(Model):
    """Calls the tool once, and then says how much it was shown."""

    def update_config(self, **config: Any) -> None: ...

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *others: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *others: Any, **options: Any) -> AsyncIterator[Any]:
        called = any("toolResult" in content for message in messages for content in message["content"])
        yield {"messageStart": {"role": "assistant"}}
        if called:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": f"{len(messages)} messages"}}}
        else:
            yield {"contentBlockStart": {"start": {"toolUse": {"name": "weather", "toolUseId": "1"}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city": "Lisbon"}'}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if called else "tool_use"}}
        usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def repository(manager: SessionManager) -> ZepSessionRepository:
    """A repository with a session and an agent."""
    repository = ZepSessionRepository(manager, user_id="alice")
    repository.create_session(Session("s", SessionType.AGENT))
    repository.create_agent("s", SessionAgent("guide", {"seen": None}, {"__name__": "Manager"}))
    return repository


def store(repository: ZepSessionRepository, agent_id: str = "guide") -> None:
    for index, message in enumerate(MESSAGES):
        repository.create_message("s", agent_id, SessionMessage.from_message(message, index))


def test_messages_come_back_as_they_were(repository: ZepSessionRepository) -> None:
    store(repository)

    assert [each.to_message() for each in repository.list_messages("s", "guide")] == MESSAGES
    assert [each.message_id for each in repository.list_messages("s", "guide", limit=1, offset=1)] == [1]
    second = repository.read_message("s", "guide", 1)
    assert second is not None
    assert second.to_message() == MESSAGES[1]
    assert repository.read_message("s", "guide", 3) is None


def test_the_columns_hold_what_messages_say(repository: ZepSessionRepository, manager: SessionManager) -> None:
    store(repository)

    rows = manager.list_messages("s")
    assert [(row.role_type, row.content, row.tool_call_id) for row in rows] == [
        ("user", "look \ufffd", None),
        ("assistant", "I look", None),
        ("tool", "21", "1"),
        ("tool", '{"degrees":4}', "2"),
        ("user", "so?", None),
    ]
    assert rows[1].tool_calls == [
        ToolCall(id="1", name="weather", args={"city": "Lisbon"}),
        ToolCall(id="2", name="weather"),
    ]


def test_the_second_of_two_processes_on_one_agent_is_told(manager: SessionManager) -> None:
    """Both count on from the same message; nothing is overwritten, and what the first stored stays."""
    repositories = [ZepSessionRepository(manager) for _ in range(6)]
    repositories[0].create_session(Session("s", SessionType.AGENT))

    def create(number: int) -> str:
        message: Any = {"role": "user", "content": [{"text": f"from {number}"}]}
        try:
            repositories[number].create_message("s", "guide", SessionMessage.from_message(message, 0))
        except SessionException:
            return "told"
        return f"from {number}"

    with ThreadPoolExecutor(len(repositories)) as threads:
        outcomes = list(threads.map(create, range(len(repositories))))

    (stored,) = manager.list_messages("s")
    assert sorted(outcomes) == sorted([stored.content, *["told"] * 5])


def test_of_a_redacted_message_nothing_stays_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "zep.db"
    with SessionManager(f"sqlite:///{file}") as manager:
        repository = ZepSessionRepository(manager)
        repository.create_session(Session("s", SessionType.AGENT))
        secret: Any = [
            {"toolResult": {"toolUseId": i, "status": "success", "content": [{"text": "PIN 4711"}]}} for i in "12"
        ]
        message = SessionMessage.from_message({"role": "user", "content": [*secret, {"text": "PIN 4711"}]}, 0)
        repository.create_message("s", "guide", message)
        message.redact_message = {"role": "user", "content": [{"text": "redacted"}]}
        repository.update_message("s", "guide", message)

        (read,) = repository.list_messages("s", "guide")
        assert read.to_message() == message.redact_message
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"4711" not in file.read_bytes()


def test_states_of_agents_are_stored_and_replaced(repository: ZepSessionRepository) -> None:
    agent = SessionAgent("guide", {"seen": {"a": 1}}, {"__name__": "Manager"})
    repository.update_agent("s", agent)
    agent.state = {"seen": {"b": 2}}
    repository.update_agent("s", agent)

    assert repository.read_agent("s", "guide") == agent
    assert repository.read_agent("s", "another") is None
    assert repository.read_agent("elsewhere", "guide") is None
    with pytest.raises(SessionException):
        repository.create_agent("s", agent)


def test_what_is_not_there_is_said_in_the_words_of_the_framework(manager: SessionManager) -> None:
    repository = ZepSessionRepository(manager)
    message = SessionMessage.from_message(MESSAGES[0], 0)

    assert repository.read_session("s") is None
    for call in (repository.create_message, repository.update_message):
        with pytest.raises(SessionException):
            call("s", "guide", message)
    repository.create_session(Session("s", SessionType.AGENT))
    with pytest.raises(SessionException):
        repository.create_session(Session("s", SessionType.AGENT))
    with pytest.raises(SessionException):
        repository.update_message("s", "guide", message)


def test_each_agent_of_a_session_has_its_own_messages(repository: ZepSessionRepository) -> None:
    store(repository)
    store(repository, "another")

    assert [each.to_message() for each in repository.list_messages("s", "another")] == MESSAGES


def test_another_user_is_refused(repository: ZepSessionRepository, manager: SessionManager) -> None:
    with use_session("elsewhere", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        ZepSessionRepository(manager).list_messages("s", "guide")


def agent(manager: SessionManager) -> Agent:
    sessions = RepositorySessionManager("s", ZepSessionRepository(manager, user_id="alice"))
    return Agent(model=ScriptedModel(), tools=[weather], session_manager=sessions, callback_handler=None)


def test_an_agent_goes_on_in_the_next_process(manager: SessionManager) -> None:
    first, second = agent(manager)("Weather?"), agent(manager)("And now?")

    assert str(first).strip() == "3 messages"
    assert str(second).strip() == "5 messages"
    assert [row.content for row in manager.list_messages("s")] == [
        "Weather?",
        "",
        "sunny in Lisbon",
        "3 messages",
        "And now?",
        "5 messages",
    ]


def test_what_a_provider_reports_is_kept_with_each_answer(manager: SessionManager) -> None:
    agent(manager)("Weather?")

    assert manager.usage("session") == [Usage(session_id="s", messages=2, input_tokens=6, output_tokens=4)]
    assert [message.get("metadata", {}).get("usage") for message in agent(manager).messages][1] == {
        "inputTokens": 3,
        "outputTokens": 2,
        "totalTokens": 5,
    }


def test_an_agent_takes_on_what_another_framework_began(manager: SessionManager) -> None:
    manager.add_memory("s", [Message(role="human", content="Hello"), Message(role="ai", content="Hi")], user_id="alice")
    taken_on = agent(manager)

    assert [message["role"] for message in taken_on.messages] == ["user", "assistant"]
    taken_on("Weather?")
    assert [row.content for row in manager.list_messages("s")][:3] == ["Hello", "Hi", "Weather?"]
    assert len(agent(manager).messages) == 6


def test_an_agent_begins_with_the_newest_turns_that_fit(manager: SessionManager) -> None:
    """And is told how many came before, as if its conversation manager had removed them; all of them stay stored."""
    words = [Message(role=role, content="word " * 3_000) for _ in range(9) for role in ("human", "ai")]
    manager.add_memory("s", words, user_id="alice")

    first = agent(manager)
    first("Weather?")
    second = agent(manager)

    assert (len(first.messages), len(second.messages)) == (8 + 4, 8 + 4)
    assert second.conversation_manager.removed_message_count == 10
    assert len(ZepSessionRepository(manager).list_messages("s", "default")) == 22


def test_the_first_question_that_an_agent_begins_with_is_told_with_the_summary(manager: SessionManager) -> None:
    """Which the model takes no system message for; what is stored stays as it was."""
    words = [Message(role=role, content=f"{turn} " + "word " * 9_000) for turn in range(4) for role in ("human", "ai")]
    stored = manager.add_memory("s", words, user_id="alice")
    manager.add_summary("s", Summary(content="They like rain.", seq=stored[3].seq))

    first = agent(manager)
    first("Weather?")
    second = agent(manager)

    for each in (first, second):
        told, said = each.messages[0]["content"]
        assert told == {"text": "Earlier in this conversation:\nThey like rain."}
        assert said["text"].startswith("3 word")
        assert "They like rain." not in str(each.messages[1:])
    assert "They like rain." not in str(manager.list_messages("s"))


def test_an_agent_that_is_shown_all_is_told_no_summary(manager: SessionManager) -> None:
    (stored, _) = manager.add_memory(
        "s", [Message(role=role, content="Hi") for role in ("human", "ai")], user_id="alice"
    )
    manager.add_summary("s", Summary(content="They like rain.", seq=stored.seq))

    assert "They like rain." not in str(agent(manager).messages)


def test_an_agent_is_shown_as_much_as_it_is_told(manager: SessionManager) -> None:
    manager.add_memory("s", [Message(role="human", content="word " * 9_000) for _ in range(5)], user_id="alice")
    bounds: list[dict[str, int | None]] = [{}, {"max_tokens": None}, {"turns": 2}, {"max_tokens": 1}]

    shown = [
        ZepSessionRepository(manager, **each).read_agent("s", "guide")  # type: ignore[arg-type]
        for each in bounds
    ]

    assert [each and each.conversation_manager_state["removed_message_count"] for each in shown] == [2, 0, 3, 4]


def test_memories_are_what_the_user_said_in_all_sessions(manager: SessionManager) -> None:
    manager.add_memory("before", [Message(role="user", content="My dog is called Rex.")], user_id="alice")
    manager.add_memory("his", [Message(role="user", content="My dog is called Bello.")], user_id="bob")
    store = ZepMemoryStore(manager, user_id="alice")

    (entry,) = asyncio.run(store.search("dog", {"max_search_results": 3}))
    assert (entry.content, entry.metadata) == ("My dog is called Rex.", {"session_id": "before", "role": "user"})
    assert asyncio.run(store.search(" ")) == []


def test_values_that_json_lacks_are_kept_readable(repository: ZepSessionRepository, manager: SessionManager) -> None:
    store(repository)
    moment, points = datetime(2026, 5, 1, tzinfo=UTC), numpy.arange(3)
    result: Any = {"toolUseId": "1", "status": "success", "content": [{"json": {"at": moment, "points": points}}]}
    repository.create_message("s", "guide", SessionMessage({"role": "user", "content": [{"toolResult": result}]}, 9))
    repository.update_agent("s", SessionAgent("guide", {"since": moment}, {}))

    (stored,) = manager.last_messages("s", 1)
    assert stored.tool_call_id == "1"
    read = repository.list_messages("s", "guide")[-1].message["content"][0]["toolResult"]["content"]
    assert read == [{"json": {"at": "2026-05-01T00:00:00Z", "points": [0, 1, 2]}}]
    agent = repository.read_agent("s", "guide")
    assert agent is not None
    assert agent.state == {"since": "2026-05-01T00:00:00Z"}
