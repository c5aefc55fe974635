"""Sessions of the OpenAI Agents SDK on ours."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, RunConfig, RunContextWrapper, Runner, SessionSettings, Usage
from agents import function_tool as tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from zep_memory_plugin import Message, SessionManager, SessionOwnedByAnotherUser, ToolCall, use_session
from zep_memory_plugin.openai_agents import ZepSession

UNTRACED = RunConfig(tracing_disabled=True)

IMAGE = {"type": "input_image", "image_url": "data:,"}
ITEMS: list[Any] = [
    {"role": "user", "content": "plain"},
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": "data:,"}],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
    {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "weather", "arguments": '{"city": "Lisbon"}'},
    {"type": "function_call", "call_id": "2", "name": "weather", "arguments": '{"city": '},
    {"type": "function_call_output", "call_id": "1", "output": "21\x00 \ud800"},
    {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "4"}]},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"score": float("inf")}},
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot"}]},
    {"type": "compaction", "encrypted_content": "sealed"},
]


class ScriptedModel(Model):
    """Gives one output of the script per call, and remembers what it was shown."""

    def __init__(self, *script: Any) -> None:
        self._script = iter(script)
        self.prompts: list[Any] = []

    async def get_response(self, *others: Any, **options: Any) -> ModelResponse:
        self.prompts.append(options["input"])
        return ModelResponse(output=[next(self._script)], usage=Usage(), response_id=None)

    def stream_response(self, *others: Any, **options: Any) -> Any:
        raise NotImplementedError


def answer(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id="msg", type="message", role="assistant", status="completed", content=[content])


def call(name: str, arguments: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(type="function_call", call_id="1", name=name, arguments=arguments)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def in_a_loop(session: ZepSession, method: str, *arguments: Any) -> Any:
    return asyncio.run(getattr(session, method)(*arguments))


def test_items_come_back_as_they_were(manager: SessionManager) -> None:
    session = ZepSession("s", manager)
    in_a_loop(session, "add_items", ITEMS)

    assert in_a_loop(session, "get_items") == ITEMS
    assert in_a_loop(session, "get_items", 3) == ITEMS[-3:]
    assert in_a_loop(session, "get_items", 0) == []


def test_the_columns_hold_what_items_say(manager: SessionManager) -> None:
    """Every other framework reads roles, text, calls and results."""
    in_a_loop(ZepSession("s", manager), "add_items", ITEMS)

    rows = manager.list_messages("s")
    assert [(row.role_type, row.content) for row in rows if row.content] == [
        ("user", "plain"),
        ("user", "look"),
        ("assistant", "I look"),
        ("tool", "21  \ufffd"),
        ("tool", "4"),
        ("assistant", "I cannot"),
    ]
    calls = [each for row in rows for each in row.tool_calls or ()]
    assert calls == [
        ToolCall(id="1", name="weather", args={"city": "Lisbon"}),
        ToolCall(id="2", name="weather", args='{"city": '),
    ]
    assert [row.tool_call_id for row in rows if row.tool_call_id] == ["1", "2"]


def test_items_are_popped_newest_first_until_there_are_none(manager: SessionManager) -> None:
    session = ZepSession("s", manager)
    in_a_loop(session, "add_items", ITEMS)

    popped = [in_a_loop(session, "pop_item") for _ in range(len(ITEMS) + 1)]
    assert popped == [*reversed(ITEMS), None]


def test_a_new_session_is_empty_in_every_way(manager: SessionManager) -> None:
    session = ZepSession("s", manager)

    assert in_a_loop(session, "get_items") == []
    assert in_a_loop(session, "pop_item") is None
    in_a_loop(session, "clear_session")
    in_a_loop(session, "add_items", [])
    assert manager.list_sessions() == []


def test_a_cleared_session_is_still_there(manager: SessionManager) -> None:
    session = ZepSession("s", manager, user_id="alice")
    in_a_loop(session, "add_items", ITEMS)
    in_a_loop(session, "clear_session")

    assert in_a_loop(session, "get_items") == []
    assert [each.session_id for each in manager.get_user_sessions("alice")] == ["s"]


def test_settings_bound_what_is_read_and_may_be_a_dictionary(manager: SessionManager) -> None:
    in_a_loop(ZepSession("s", manager), "add_items", ITEMS)

    assert in_a_loop(ZepSession("s", manager, session_settings={"limit": 2}), "get_items") == ITEMS[-2:]
    assert in_a_loop(ZepSession("s", manager, session_settings=SessionSettings(limit=1)), "get_items", 2) == ITEMS[-2:]
    with pytest.raises(TypeError):
        ZepSession("s", manager, session_settings={"bound": 2})


def test_an_answer_of_another_framework_with_its_calls_is_several_items(manager: SessionManager) -> None:
    calls = [ToolCall(id="1", name="weather", args={"city": "Lisbon"}), ToolCall(id="2", name="now")]
    manager.add_memory(
        "s",
        [
            Message(role="system", content="Be kind."),
            Message(role="human", content="Weather?"),
            Message(role="ai", content="I look.", tool_calls=calls),
            Message(role="tool", content="sunny", tool_call_id="1"),
            Message(role="ai", native_format="another", native="{}"),
        ],
    )
    session = ZepSession("s", manager)
    items = in_a_loop(session, "get_items")

    assert items == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city":"Lisbon"}'},
        {"type": "function_call", "call_id": "2", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "sunny"},
    ]
    assert in_a_loop(session, "get_items", 4) == items[-4:]
    assert in_a_loop(session, "pop_item") == items[-1]


def test_an_agent_remembers_from_run_to_run(manager: SessionManager) -> None:
    """Each run has an event loop of its own."""
    model = ScriptedModel(call("weather", '{"city":"Lisbon"}'), answer("Sunny."), answer("In Lisbon."))
    agent = Agent("guide", model=model, tools=[weather])
    session = ZepSession("s", manager, user_id="alice")
    asyncio.run(Runner.run(agent, "Weather in Lisbon?", session=session, run_config=UNTRACED))
    asyncio.run(Runner.run(agent, "Where?", session=session, run_config=UNTRACED))

    assert [message.content for message in manager.list_messages("s", user_id="alice")] == [
        "Weather in Lisbon?",
        "",
        "sunny in Lisbon",
        "Sunny.",
        "Where?",
        "In Lisbon.",
    ]
    assert len(model.prompts[-1]) == 5


@dataclass
class Visitor:
    """The context of a run."""

    user_id: str


def test_the_context_of_a_run_names_the_user(manager: SessionManager) -> None:
    def user_of(run: RunContextWrapper[Any]) -> str:
        return run.context.user_id

    session = ZepSession("s", manager, user_id=user_of)
    agent = Agent[Visitor]("guide", model=ScriptedModel(answer("Hello."), answer("Hello.")))
    asyncio.run(Runner.run(agent, "Hi", session=session, context=Visitor("alice"), run_config=UNTRACED))

    assert manager.get_session("s").user_id == "alice"
    with pytest.raises(SessionOwnedByAnotherUser):
        asyncio.run(Runner.run(agent, "Hi", session=session, context=Visitor("bob"), run_config=UNTRACED))
    assert manager.count_messages(["s"]) == {"s": 2}


def test_the_surrounding_session_names_the_user(manager: SessionManager) -> None:
    in_a_loop(ZepSession("s", manager, user_id="alice"), "add_items", ITEMS)

    with use_session("elsewhere", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        in_a_loop(ZepSession("s", manager), "get_items")


def test_a_native_form_that_is_no_item_is_read_by_its_columns(manager: SessionManager) -> None:
    manager.add_memory("s", [Message(role="user", content="hi", native_format="openai_agents", native="[")])

    assert in_a_loop(ZepSession("s", manager), "get_items") == [{"role": "user", "content": "hi"}]


def said(*texts: str) -> list[Any]:
    return [{"role": "assistant" if position % 2 else "user", "content": text} for position, text in enumerate(texts)]


def test_a_part_of_a_session_is_compacted(manager: SessionManager) -> None:
    """What it stands for is kept as another branch; nothing is replaced once somebody has written meanwhile."""
    session = ZepSession("s", manager, user_id="alice")

    async def main() -> list[Any]:
        assert await compacted(session, 2, 0) == ([], True, False)
        await session.add_items(said("one", "two", "three", "four"))
        assert await compacted(session, 2, 5) == (said("three", "four"), False, False)
        assert await compacted(session, 3, 1) == (said("one", "two", "three", "four")[1:], False, True)
        first = await session.get_items()
        assert (await compacted(session, 9, 0))[1:] == (True, True)
        outdated: Any = await session._get_compaction_snapshot(9)
        await session.add_items(said("five"))
        assert not await outdated.replace_suffix(0, COMPACTED)
        return first

    assert asyncio.run(main()) == [*said("one", "two"), *COMPACTED]
    assert asyncio.run(session.get_items()) == [*COMPACTED, *said("five")]
    assert [branch.preview for branch in manager.list_branches("s")] == ["four", "", "five"]


def test_a_message_of_another_framework_is_compacted_as_a_whole(manager: SessionManager) -> None:
    call = ToolCall(id="1", name="weather", args={})
    manager.add_memory("s", [Message(role="ai", content="I look", tool_calls=[call])])
    session = ZepSession("s", manager)

    assert asyncio.run(compacted(session, 1, 0))[2] is False
    assert asyncio.run(compacted(session, 2, 0))[2] is True
    assert asyncio.run(session.get_items()) == COMPACTED


COMPACTED: list[Any] = [{"type": "compaction", "encrypted_content": "sealed"}]


async def compacted(session: ZepSession, limit: int, start: int) -> tuple[list[Any], bool, bool]:
    """Replace what follows the first *start* of the newest items, as the SDK does, and return what it is shown."""
    snapshot: Any = await session._get_compaction_snapshot(limit)
    return snapshot.items, snapshot.complete, await snapshot.replace_suffix(start, COMPACTED)


def test_values_that_json_lacks_are_kept_readable(manager: SessionManager) -> None:
    session, at = ZepSession("s", manager), datetime(2026, 5, 1, tzinfo=UTC)
    called = {"type": "function_call", "call_id": "1", "name": "plan", "arguments": {"at": at}}
    output = {"type": "function_call_output", "call_id": "1", "output": {"price": Decimal("1.5")}}
    in_a_loop(session, "add_items", [{"role": "user", "content": "when?", "at": at}, called, output])

    read = "2026-05-01T00:00:00Z"
    assert in_a_loop(session, "get_items") == [
        {"role": "user", "content": "when?", "at": read},
        called | {"arguments": {"at": read}},
        output | {"output": {"price": "1.5"}},
    ]
    assert [message.content for message in manager.list_messages("s")] == ["when?", "", '{"price":"1.5"}']


class BusyModel(ScriptedModel):
    """A model that answers no sooner than the third time."""

    async def get_response(self, *others: Any, **options: Any) -> ModelResponse:
        if len(self.prompts) < 2:
            self.prompts.append(options["input"])
            raise ConnectionError("429")
        return await super().get_response(*others, **options)


def test_a_question_that_is_asked_again_after_a_run_that_failed_stands_once(manager: SessionManager) -> None:
    """The runner stores the question before it asks the model."""
    agent = Agent(name="guide", model=BusyModel(answer("Sunny.")))

    async def ask() -> None:
        await Runner.run(agent, "Weather?", session=ZepSession("s", manager), run_config=UNTRACED)

    for _ in range(2):
        with pytest.raises(ConnectionError):
            asyncio.run(ask())
    asyncio.run(ask())

    assert [row.content for row in manager.list_messages("s")] == ["Weather?", "Sunny."]
