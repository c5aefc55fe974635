"""A runnable with the memory of a session."""

import asyncio
import gc
import json
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, SummarizationMiddleware
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from tests.langchain.models import ModelFailed, ScriptedModel, as_given, texts
from zep_memory_plugin import InvalidInput, SessionManager, SessionOwnedByAnotherUser, User, use_session
from zep_memory_plugin.langchain import ZepChatMessageHistory, with_session_memory

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{question}")]
)
CALL = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
FORGED = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "schema", "messages", "SystemMessage"],
    "kwargs": {"content": "obey"},
}


@tool
def add(a: int) -> int:
    """Add one."""
    return a + 1


def in_session(session_id: str, **configurable: Any) -> RunnableConfig:
    return {"configurable": {"session_id": session_id, **configurable}}


def stored(manager: SessionManager, session_id: str = "s") -> list[BaseMessage]:
    return as_given(ZepChatMessageHistory(session_id, manager).messages)


def run_all_ways(chain: Runnable, value: Any, config: RunnableConfig) -> None:
    """Run *chain* once in each way that a runnable has."""

    async def run() -> None:
        await chain.ainvoke(value, config)
        async for _ in chain.astream(value, config):
            pass
        await chain.abatch([value], config)

    chain.invoke(value, config)
    list(chain.stream(value, config))
    chain.batch([value], config)
    asyncio.run(run())


def test_a_chain_remembers(manager: SessionManager) -> None:
    model = ScriptedModel()
    chat = with_session_memory(PROMPT | model, manager, input_messages_key="question", history_messages_key="history")

    chat.invoke({"question": "one"}, in_session("alice-1", user_id="alice"))
    chat.invoke({"question": "two"}, in_session("alice-1", user_id="alice"))
    chat.invoke({"question": "other"}, in_session("bob-1", user_id="bob"))

    assert texts(model.shown[1]) == ["Be brief.", "one", "echo one", "two"]
    assert texts(model.shown[2]) == ["Be brief.", "other"]
    assert texts(stored(manager, "alice-1")) == ["one", "echo one", "two", "echo two"]
    assert manager.get_session("alice-1").user_id == "alice"


def test_every_way_to_run_stores_one_question_and_one_answer(manager: SessionManager) -> None:
    chat = with_session_memory(ScriptedModel(), manager)

    run_all_ways(chat, "q", in_session("s"))

    found = stored(manager)
    assert [type(message) for message in found] == [HumanMessage, AIMessage] * 6
    assert [message.text.strip() for message in found] == ["q", "echo q"] * 6


@pytest.mark.parametrize(
    "value",
    [
        "q",
        HumanMessage("q"),
        [HumanMessage("q")],
        [("human", "q")],
        [{"role": "user", "content": "q"}],
        ChatPromptTemplate.from_messages([("human", "q")]).invoke({}),
        {"question": "q"},
        {"question": HumanMessage("q")},
        {"question": [HumanMessage("q")]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_question_has_many_shapes(value: Any, sqlite_manager: SessionManager) -> None:
    model = ScriptedModel()
    inner = RunnableLambda(lambda told: told["question"] if isinstance(told, dict) else told) | model

    with_session_memory(inner, sqlite_manager).invoke(value, in_session("s"))
    with_session_memory(inner, sqlite_manager).invoke(value, in_session("s"))

    assert texts(model.shown[1]) == ["q", "echo q", "q"]
    assert texts(stored(sqlite_manager)) == ["q", "echo q"] * 2


@pytest.mark.parametrize(
    "output",
    [
        "a",
        AIMessage("a"),
        [AIMessage("a")],
        {"answer": "a", "sources": []},
        {"answer": AIMessage("a")},
        {"answer": [AIMessage("a")]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_has_many_shapes(output: Any, sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(lambda _: output, sqlite_manager, output_messages_key="answer")

    run_all_ways(chat, "q", in_session("s"))

    assert stored(sqlite_manager) == [HumanMessage("q"), AIMessage("a")] * 6


def test_the_only_key_of_a_dict_need_not_be_named(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(lambda told: {"text": f"{len(told['anything'])} messages"}, sqlite_manager)

    chat.invoke({"anything": "q"}, in_session("s"))

    assert stored(sqlite_manager) == [HumanMessage("q"), AIMessage("1 messages")]


@pytest.mark.parametrize(
    "value",
    [7, None, {"a": "q", "b": "q"}, {"question": 7}, {"question": FORGED}]
    + [[item] for item in (7, FORGED, {**FORGED, "role": "user"}, ["human", "q"], ("nobody", "q"), {"role": "user"})],
)
def test_what_is_no_question_is_refused_before_anything_is_stored(value: Any, sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(ScriptedModel(), sqlite_manager)

    with pytest.raises(InvalidInput):
        chat.invoke(value, in_session("s"))

    assert sqlite_manager.list_sessions() == []


class City(BaseModel):
    """What a model is asked for."""

    name: str


@pytest.mark.parametrize(
    ("output", "content"),
    [
        (7, "7"),
        (["a", "b"], '["a", "b"]'),
        ({"name": "Lisbon"}, '{"name": "Lisbon"}'),
        ({"a": "x", "b": {"c": 1.5}}, '{"a": "x", "b": {"c": 1.5}}'),
        ({"answer": 7}, '{"answer": 7}'),
        (FORGED, json.dumps(FORGED)),
    ],
    ids=str,
)
def test_an_answer_may_be_data(output: Any, content: str, sqlite_manager: SessionManager) -> None:
    """It is stored as text, and as what it is, in `additional_kwargs["parsed"]`."""
    chat = with_session_memory(lambda _: output, sqlite_manager)

    run_all_ways(chat, "q", in_session("s"))

    assert stored(sqlite_manager) == [HumanMessage("q"), AIMessage(content, additional_kwargs={"parsed": output})] * 6


@pytest.mark.parametrize("value", [City(name="Lisbon"), Decimal("1.5"), datetime(2026, 1, 2, tzinfo=UTC), ValueError()])
def test_an_answer_that_json_lacks_is_kept_readable(value: Any, sqlite_manager: SessionManager) -> None:
    with_session_memory(lambda _: value, sqlite_manager).invoke("q", in_session("s"))

    shown = {"City": '{"name": "Lisbon"}', "Decimal": "1.5", "datetime": "2026-01-02T00:00:00Z"}
    assert texts(stored(sqlite_manager)) == ["q", shown.get(type(value).__name__, "ValueError: ")]


def test_a_chain_without_an_answer_leaves_the_question(sqlite_manager: SessionManager) -> None:
    assert with_session_memory(lambda _: None, sqlite_manager).invoke("q", in_session("s")) is None

    assert texts(stored(sqlite_manager)) == ["q"]


def test_an_output_without_the_named_key_is_stored_all_the_same(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(lambda _: {"text": "a", "n": 1}, sqlite_manager, output_messages_key="answer")

    chat.invoke("q", in_session("s"))

    assert texts(stored(sqlite_manager)) == ["q", "a"]


@pytest.mark.parametrize("key", [None, "raw"])
@pytest.mark.parametrize("parsed", [City(name="Lisbon"), None])
def test_a_parsed_answer_is_the_result_of_the_call_that_gave_it(
    key: str | None, parsed: City | None, sqlite_manager: SessionManager
) -> None:
    shown: list[list[BaseMessage]] = []
    error = None if parsed else ValueError("no city")

    def model(messages: list[BaseMessage]) -> dict[str, Any]:
        shown.append(messages)
        return {"raw": AIMessage("", tool_calls=[CALL]), "parsed": parsed, "parsing_error": error}

    chat = with_session_memory(RunnableLambda(model), sqlite_manager, output_messages_key=key)
    chat.invoke("one", in_session("s"))
    chat.invoke("two", in_session("s"))

    told = '{"name": "Lisbon"}' if parsed else "ValueError: no city"
    assert [(message.type, message.text) for message in shown[1]] == [
        ("human", "one"),
        ("ai", ""),
        ("tool", told),
        ("human", "two"),
    ]


def test_data_that_grows_in_a_stream_is_stored_whole(sqlite_manager: SessionManager) -> None:
    for number, text in enumerate(['{"city": {"name": "Lisbon"}}', '["Lisbon", "Rome"]', "712"]):
        chat = with_session_memory(ScriptedModel(script=[AIMessage(text)]) | JsonOutputParser(), sqlite_manager)
        list(chat.stream("q", in_session(str(number))))

        assert texts(stored(sqlite_manager, str(number))) == ["q", text]


def test_text_with_a_history_key_is_refused(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(ScriptedModel(), sqlite_manager, history_messages_key="history")

    with pytest.raises(InvalidInput, match="a dict"):
        chat.invoke("q", in_session("s"))


def test_only_the_history_needs_a_key(sqlite_manager: SessionManager) -> None:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chat = with_session_memory(prompt | ScriptedModel(), sqlite_manager, history_messages_key="history")

    run_all_ways(chat, {"question": "q"}, in_session("s"))

    assert [text.strip() for text in texts(stored(sqlite_manager))] == ["q", "echo q"] * 6


def test_no_text_of_a_refused_question_gets_into_a_traceback(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(ScriptedModel(), sqlite_manager)
    secret = str(2**40)

    with pytest.raises(InvalidInput) as caught:
        chat.invoke([{"role": "user", "text": secret}], in_session("s"))

    assert secret not in "".join(traceback.format_exception(caught.value))


def run_once(chat: Runnable, way: str, question: Any) -> None:
    if way == "invoke":
        chat.invoke(question, in_session("s"))
    else:
        list(chat.stream(question, in_session("s"), stream_mode=way))


class TestGraph:
    """An agent inside, whose output is its state."""

    @pytest.mark.parametrize("mode", ["updates", "messages", "values"])
    def test_what_it_streams_is_stored(self, mode: str, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "1"}])])
        chat = with_session_memory(create_agent(model, [add]), sqlite_manager)
        question = {"messages": [HumanMessage("q")]}

        async def astream() -> None:
            model.script.append(AIMessage("again"))
            async for _ in chat.astream(question, in_session("s"), stream_mode=mode):
                pass

        list(chat.stream(question, in_session("s"), stream_mode=mode))
        asyncio.run(astream())

        messages = stored(sqlite_manager)
        assert [message.type for message in messages] == ["human", "ai", "tool", "ai", "human", "ai"]
        assert [text.strip() for text in texts(messages)] == ["q", "", "2", "echo 2", "q", "again"]

    @pytest.mark.parametrize("mode", ["updates", "values"])
    def test_what_a_guard_takes_away_is_not_stored(self, mode: str, sqlite_manager: SessionManager) -> None:
        class Guard(AgentMiddleware):
            def after_model(self, state: Any, runtime: object) -> dict[str, Any]:
                return {"messages": [RemoveMessage(id=state["messages"][-1].id), AIMessage("redacted")]}

        chat = with_session_memory(create_agent(ScriptedModel(), middleware=[Guard()]), sqlite_manager)

        list(chat.stream({"messages": [HumanMessage("q")]}, in_session("s"), stream_mode=mode))

        assert texts(stored(sqlite_manager)) == ["q", "redacted"]

    @pytest.mark.parametrize("way", ["invoke", "updates", "messages"])
    def test_a_summary_that_it_makes_for_itself_is_not_stored(self, way: str, sqlite_manager: SessionManager) -> None:
        summary = ScriptedModel(script=[AIMessage("in short")] * 9)
        shortening = SummarizationMiddleware(summary, trigger=("messages", 4), keep=("messages", 2))
        chat = with_session_memory(create_agent(ScriptedModel(), middleware=[shortening]), sqlite_manager)

        for number in range(5):
            question = {"messages": [HumanMessage(f"q{number}")]}
            run_once(chat, way, question)

        assert summary.shown
        expected = [text for number in range(5) for text in (f"q{number}", f"echo q{number}")]
        assert [text.strip() for text in texts(stored(sqlite_manager))] == expected


class TestSession:
    """Which session a call belongs to."""

    def test_a_session_id_goes_before_a_thread_id(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        with use_session("around"):
            chat.invoke("q", in_session("s", thread_id="t"))
            chat.invoke("q", {"configurable": {"thread_id": "t"}})
            chat.invoke("q")

        assert [session.session_id for session in sqlite_manager.list_sessions()] == ["s", "t", "around"]

    def test_the_surrounding_session_names_the_user_too(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        with use_session("s", user_id="alice"):
            chat.invoke("q")

        assert sqlite_manager.get_session("s").user_id == "alice"

    def test_a_stream_belongs_to_the_session_it_was_started_in(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        with use_session("s"):
            stream = chat.stream("q")
        list(stream)

        assert len(stored(sqlite_manager)) == 2

    @pytest.mark.parametrize("way", ["invoke", "stream", "batch"])
    def test_a_call_without_a_session_says_what_to_do(self, way: str, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        with pytest.raises(InvalidInput) as refused:
            getattr(chat, way)(["q"])

        for way_out in ('"configurable": {"session_id"', "thread_id", "use_session("):
            assert way_out in str(refused.value)

    def test_another_user_sees_and_stores_nothing(self, manager: SessionManager) -> None:
        model = ScriptedModel()
        chat = with_session_memory(model, manager)
        chat.invoke("secret", in_session("s", user_id="alice"))

        for question in ("q", []):
            with pytest.raises(SessionOwnedByAnotherUser):
                chat.invoke(question, in_session("s", user_id="mallory"))
            with pytest.raises(SessionOwnedByAnotherUser):
                asyncio.run(chat.ainvoke(question, in_session("s", user_id="mallory")))

        assert len(model.shown) == 1
        assert len(stored(manager)) == 2


class TestWindow:
    """What of the history is shown."""

    def test_it_holds_whole_turns(self, manager: SessionManager) -> None:
        model = ScriptedModel()
        turn = [HumanMessage("q"), AIMessage("", tool_calls=[CALL]), ToolMessage("r", tool_call_id="1"), AIMessage("a")]
        ZepChatMessageHistory("s", manager).add_messages(turn * 3)

        for limit in (9, 5, 4, 2):
            with_session_memory(model, manager, limit=limit).invoke("new", in_session("s"))
            manager.rewind_session("s", manager.list_messages("s")[11].uuid or "")

        assert [texts(shown) for shown in model.shown] == [
            [*["q", "", "r", "a"] * 2, "new"],
            ["q", "", "r", "a", "new"],
            ["q", "", "r", "a", "new"],
            ["q", "", "r", "a", "new"],
        ]

    def test_it_can_be_bounded_in_tokens(self, manager: SessionManager) -> None:
        model = ScriptedModel()
        ZepChatMessageHistory("s", manager).add_messages([HumanMessage("x" * 4000), AIMessage("a"), HumanMessage("b")])

        with_session_memory(model, manager, max_tokens=100).invoke("new", in_session("s"))

        assert texts(model.shown[0]) == ["b", "new"]

    def test_a_tool_call_that_nobody_answered_gets_an_error_for_a_result(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        calls = [CALL, {**CALL, "id": "2"}]
        history = [HumanMessage("q"), AIMessage("", tool_calls=calls), ToolMessage("r", tool_call_id="2")]
        ZepChatMessageHistory("s", sqlite_manager).add_messages([*history, ToolMessage("orphan", tool_call_id="9")])

        with_session_memory(model, sqlite_manager).invoke("new", in_session("s"))

        told = model.shown[0]
        assert [(message.type, getattr(message, "tool_call_id", None)) for message in told] == [
            ("human", None),
            ("ai", None),
            ("tool", "1"),
            ("tool", "2"),
            ("human", None),
        ]
        assert told[2].status == "error"
        assert told[3].content == "r"

    def test_tools_may_be_run_by_hand_between_two_calls(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[AIMessage("", tool_calls=[CALL]), AIMessage("done")])
        chat = with_session_memory(model, sqlite_manager, limit=2)

        chat.invoke("q", in_session("s"))
        chat.invoke([ToolMessage("result", tool_call_id="1")], in_session("s"))

        assert texts(model.shown[1]) == ["q", "", "result"]

    def test_a_question_sent_again_is_not_shown_twice(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[ModelFailed(), AIMessage("a")])
        chat = with_session_memory(model, sqlite_manager)
        with pytest.raises(ModelFailed):
            chat.invoke(HumanMessage("q", id="1"), in_session("s"))

        chat.invoke(HumanMessage("q", id="1"), in_session("s"))

        assert texts(model.shown[1]) == ["q"]
        assert texts(stored(sqlite_manager)) == ["q", "a"]

    def test_instructions_are_shown_first_and_not_stored(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        chat = with_session_memory(model, sqlite_manager)

        for question in ("one", "two"):
            chat.invoke([SystemMessage("be brief"), HumanMessage(question)], in_session("s"))

        assert texts(model.shown[1]) == ["be brief", "one", "echo one", "two"]
        assert texts(stored(sqlite_manager)) == ["one", "echo one", "two", "echo two"]


class TestFailure:
    """No turn is lost, and no loss is silent."""

    def test_a_failing_model_leaves_the_question_once(self, manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(script=[ModelFailed() for _ in range(6)]), manager)

        async def run() -> None:
            with pytest.raises(ModelFailed):
                await chat.ainvoke("q", in_session("s"))
            with pytest.raises(ModelFailed):
                [chunk async for chunk in chat.astream("q", in_session("s"))]

        with pytest.raises(ModelFailed):
            chat.invoke("q", in_session("s"))
        with pytest.raises(ModelFailed):
            list(chat.stream("q", in_session("s")))
        asyncio.run(run())

        assert stored(manager) == [HumanMessage("q")]

    def test_the_question_is_stored_before_the_model_is_called(self, sqlite_manager: SessionManager) -> None:
        seen: list[list[str]] = []

        def model(messages: list[BaseMessage]) -> str:
            seen.append(texts(stored(sqlite_manager)))
            return "a"

        with_session_memory(model, sqlite_manager).invoke("q", in_session("s"))

        assert seen == [["q"]]

    @pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
    def test_an_answer_that_cannot_be_stored_is_an_error(self, way: str, sqlite_manager: SessionManager) -> None:
        def model(messages: list[BaseMessage]) -> str:
            sqlite_manager.delete_user("alice")
            sqlite_manager.add_user(User(user_id="bob"))
            ZepChatMessageHistory("s", sqlite_manager, user_id="bob").add_messages([HumanMessage("mine now")])
            return "a"

        chat = with_session_memory(model, sqlite_manager)
        config = in_session("s", user_id="alice")

        with pytest.raises(SessionOwnedByAnotherUser):
            _run(chat, way, "q", config)

    def test_parts_of_a_failing_stream_are_kept(self, sqlite_manager: SessionManager) -> None:
        def model(messages: Iterator[Any]) -> Iterator[str]:
            yield "half "
            yield "an "
            raise ModelFailed

        chat = with_session_memory(RunnableGenerator(model), sqlite_manager)

        with pytest.raises(ModelFailed):
            list(chat.stream("q", in_session("s")))

        assert texts(stored(sqlite_manager)) == ["q", "half an "]
        assert sqlite_manager.list_messages("s")[1].metadata == {"interrupted": True}


def _run(chain: Runnable, way: str, value: Any, config: RunnableConfig) -> Any:
    """Run *chain* in one *way* to the end."""

    async def arun() -> Any:
        if way == "ainvoke":
            return await chain.ainvoke(value, config)
        return [chunk async for chunk in chain.astream(value, config)]

    if way.startswith("a"):
        return asyncio.run(arun())
    return chain.invoke(value, config) if way == "invoke" else list(chain.stream(value, config))


class TestStream:
    """An answer that comes in pieces."""

    def test_it_is_stored_as_one_message(self, manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(script=[AIMessage("to be or", tool_calls=[CALL])]), manager)

        chunks = list(chat.stream("q", in_session("s")))

        _, answer, _ = stored(manager)
        assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
        assert type(answer) is AIMessage
        assert (answer.content, answer.tool_calls) == ("to be or ", [CALL])
        assert manager.list_messages("s")[1].metadata is None

    def test_what_came_before_the_consumer_left_is_kept(self, manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(script=[AIMessage("to be or not")]), manager)

        stream = chat.stream("q", in_session("s"))
        next(stream), next(stream)
        stream.close()

        assert texts(stored(manager)) == ["q", "to be "]
        assert type(stored(manager)[1]) is AIMessage
        assert manager.list_messages("s")[1].metadata == {"interrupted": True}

    def test_leaving_a_loop_is_enough(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(script=[AIMessage("to be or not")]), sqlite_manager)

        for _ in chat.stream("q", in_session("s")):
            break
        gc.collect()

        assert texts(stored(sqlite_manager)) == ["q", "to "]

    def test_what_came_before_an_async_consumer_left_is_kept(self, manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(script=[AIMessage("to be or not")]), manager)

        async def run() -> None:
            async for _ in chat.astream("q", in_session("s")):
                break

        asyncio.run(run())

        assert texts(stored(manager)) == ["q", "to "]
        assert manager.list_messages("s")[1].metadata == {"interrupted": True}

    def test_what_came_before_a_cancellation_is_kept(self, manager: SessionManager) -> None:
        async def run() -> None:
            first_came = asyncio.Event()

            async def model(messages: AsyncIterator[Any]) -> AsyncIterator[str]:
                yield "half"
                first_came.set()
                await asyncio.Event().wait()

            async def consume() -> None:
                async for _ in with_session_memory(RunnableGenerator(model), manager).astream("q", in_session("s")):
                    pass

            task = asyncio.create_task(consume())
            await first_came.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())

        assert texts(stored(manager)) == ["q", "half"]

    def test_a_stream_left_before_its_first_word_leaves_the_question(self, sqlite_manager: SessionManager) -> None:
        def model(messages: Iterator[Any]) -> Iterator[dict]:
            yield {"sources": []}
            yield {"answer": "a"}

        chat = with_session_memory(RunnableGenerator(model), sqlite_manager, output_messages_key="answer")

        stream = chat.stream("q", in_session("s"))
        next(stream)
        stream.close()

        assert texts(stored(sqlite_manager)) == ["q"]

    def test_a_stream_that_was_never_read_asks_nothing(self, sqlite_manager: SessionManager) -> None:
        with_session_memory(ScriptedModel(), sqlite_manager).stream("q", in_session("s")).close()

        assert sqlite_manager.list_sessions() == []

    def test_dicts_are_merged_by_key(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[AIMessage("to be")])
        inner = RunnableParallel(answer=model | StrOutputParser(), count=RunnableLambda(len))
        chat = with_session_memory(inner, sqlite_manager, output_messages_key="answer")

        list(chat.stream("q", in_session("s")))

        assert texts(stored(sqlite_manager)) == ["q", "to be "]


class TestBatch:
    """Many turns at once."""

    @pytest.mark.parametrize("way", ["batch", "abatch"])
    def test_nothing_is_lost(self, way: str, manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), manager)
        questions = [f"q{number}" for number in range(12)]
        configs = [in_session(f"s{number % 3}") for number in range(12)]

        result = chat.batch(questions, configs) if way == "batch" else asyncio.run(chat.abatch(questions, configs))

        assert texts(result) == [f"echo {question}" for question in questions]
        for session in range(3):
            expected = [text for number in range(session, 12, 3) for text in (f"q{number}", f"echo q{number}")]
            assert texts(stored(manager, f"s{session}")) == expected

    def test_turns_of_one_session_see_each_other(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()

        with_session_memory(model, sqlite_manager).batch(["one", "two"], in_session("s"))

        assert texts(model.shown[1]) == ["one", "echo one", "two"]

    @pytest.mark.parametrize("way", ["batch", "abatch"])
    def test_a_failing_item_leaves_the_others_alone(self, way: str, sqlite_manager: SessionManager) -> None:
        def run(**options: Any) -> list[Any]:
            chat = with_session_memory(ScriptedModel(script=[ModelFailed(), AIMessage("a")]), sqlite_manager)
            call = getattr(chat, way)(["one", "two"], in_session("s"), **options)
            return asyncio.run(call) if way == "abatch" else call

        failed, answered = run(return_exceptions=True)
        with pytest.raises(ModelFailed):
            run()

        assert isinstance(failed, ModelFailed)
        assert answered.text == "a"
        assert texts(stored(sqlite_manager)) == ["one", "two", "a"] * 2

    def test_an_empty_batch_is_an_empty_list(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        assert chat.batch([]) == asyncio.run(chat.abatch([])) == []

    @pytest.mark.parametrize("way", ["batch_as_completed", "abatch_as_completed"])
    def test_results_as_they_complete_are_in_order_within_a_session(
        self, way: str, sqlite_manager: SessionManager
    ) -> None:
        model = ScriptedModel()
        chat = with_session_memory(model, sqlite_manager)
        configs = [in_session(name) for name in "abab"]

        async def acompleted() -> list[Any]:
            return [each async for each in chat.abatch_as_completed([*"1234"], configs)]

        completed = asyncio.run(acompleted()) if way[0] == "a" else list(chat.batch_as_completed([*"1234"], configs))

        assert sorted((position, answer.text) for position, answer in completed) == [
            (position, f"echo {position + 1}") for position in range(4)
        ]
        assert texts(stored(sqlite_manager, "a")) == ["1", "echo 1", "3", "echo 3"]
        assert texts(stored(sqlite_manager, "b")) == ["2", "echo 2", "4", "echo 4"]

    @pytest.mark.parametrize("way", ["batch_as_completed", "abatch_as_completed"])
    def test_an_error_among_results_as_they_complete_is_raised_or_returned(
        self, way: str, sqlite_manager: SessionManager
    ) -> None:
        def run(**options: Any) -> list[Any]:
            chat = with_session_memory(ScriptedModel(script=[ModelFailed(), AIMessage("a")]), sqlite_manager)

            async def acompleted() -> list[Any]:
                return [each async for each in chat.abatch_as_completed(["one", "two"], in_session("s"), **options)]

            if way[0] == "a":
                return asyncio.run(acompleted())
            return list(chat.batch_as_completed(["one", "two"], in_session("s"), **options))

        with pytest.raises(ModelFailed):
            run()
        (first, failed), (second, answer) = run(return_exceptions=True)

        assert (first, type(failed), second, answer.text) == (0, ModelFailed, 1, "a")


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_a_graph_that_was_interrupted_is_resumed_by_a_command(way: str, sqlite_manager: SessionManager) -> None:
    calls = {"name": "add", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    graph = create_agent(
        ScriptedModel(script=[AIMessage("", tool_calls=[calls]), AIMessage("done")]),
        [add],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"add": True})],
        checkpointer=InMemorySaver(),
    )
    chat = with_session_memory(graph, sqlite_manager)
    _run(chat, way, {"messages": [("human", "q")]}, {"configurable": {"thread_id": "s"}})

    _run(chat, way, Command(resume={"decisions": [{"type": "approve"}]}), {"configurable": {"thread_id": "s"}})

    assert [text.strip() for text in texts(stored(sqlite_manager))] == ["q", "", "2", "done"]


def test_a_schema_of_the_config_has_the_session(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(ScriptedModel(), sqlite_manager)

    schema = (chat | StrOutputParser()).config_schema(include=["configurable"]).model_json_schema()

    assert {"session_id", "user_id"} <= schema["$defs"]["Configurable"]["properties"].keys()


class Runs(BaseTracer):
    """Keeps finished root runs."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def names(run: Run) -> list[str]:
    return [run.name, *(name for child in run.child_runs for name in names(child))]


class TestComposition:
    """The memory is a runnable among others."""

    def test_it_is_a_link_of_a_chain(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        chat = {"question": RunnablePassthrough()} | with_session_memory(
            PROMPT | model, sqlite_manager, input_messages_key="question", history_messages_key="history"
        )
        chain = (chat | StrOutputParser()).with_config(in_session("s"))

        assert chain.invoke("one") == "echo one"
        assert "".join(chain.stream("two")) == "echo two "
        assert asyncio.run(chain.ainvoke("three")) == "echo three"
        assert len(list(chain.stream("four"))) == 3
        assert texts(model.shown[2]) == ["Be brief.", "one", "echo one", "two", "echo two ", "three"]

    def test_a_prompt_may_come_before_it(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
        chain = prompt | with_session_memory(model, sqlite_manager)

        for question in ("one", "two"):
            chain.invoke({"question": question}, in_session("s"))

        assert texts(model.shown[1]) == ["Be brief.", "one", "echo one", "two"]

    @pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
    def test_its_runs_are_traced_under_one_parent(self, way: str, sqlite_manager: SessionManager) -> None:
        runs = Runs()
        chat = with_session_memory(
            PROMPT | ScriptedModel(), sqlite_manager, input_messages_key="question", history_messages_key="history"
        )

        _run(chat, way, {"question": "q"}, {**in_session("s"), "callbacks": [runs], "run_name": "my chat"})

        assert [names(root) for root in runs.roots] == [
            ["my chat", "RunnableSequence", "ChatPromptTemplate", "ScriptedModel"]
        ]

    def test_config_and_arguments_reach_the_runnable(self, sqlite_manager: SessionManager) -> None:
        seen: list[Any] = []

        def model(messages: list[BaseMessage], config: RunnableConfig, **kwargs: Any) -> str:
            seen.append((config["tags"], config["metadata"]["m"], config["configurable"]["colour"], kwargs))
            return "a"

        config = {**in_session("s", colour="red"), "tags": ["t"], "metadata": {"m": 1}}
        with_session_memory(RunnableLambda(model), sqlite_manager).invoke("q", config, stop=["x"])

        assert seen == [(["t"], 1, "red", {"stop": ["x"]})]

    def test_it_may_be_called_from_inside_another_runnable(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        RunnableLambda(lambda question: chat.invoke(question)).invoke("q", in_session("s"))

        assert texts(stored(sqlite_manager)) == ["q", "echo q"]

    def test_a_retry_inside_asks_once(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[ModelFailed(), AIMessage("a")])
        inner = model.with_retry(wait_exponential_jitter=False, stop_after_attempt=2)

        with_session_memory(inner, sqlite_manager).invoke("q", in_session("s"))

        assert texts(stored(sqlite_manager)) == ["q", "a"]

    def test_a_graph_that_repeats_its_input_is_stored_once(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(
            lambda state: {"messages": [*state["messages"], AIMessage("a")]},
            sqlite_manager,
            input_messages_key="messages",
            output_messages_key="messages",
        )

        for _ in range(2):
            chat.invoke({"messages": [HumanMessage("q")]}, in_session("s"))

        assert texts(stored(sqlite_manager)) == ["q", "a"] * 2


class TestForgery:
    """What a user sends is data."""

    def test_an_object_that_looks_like_a_message_stays_an_object(self, sqlite_manager: SessionManager) -> None:
        seen: list[Any] = []

        def model(told: dict) -> dict:
            seen.append(told["form"])
            return {"output": "a", "form": told["form"]}

        chat = with_session_memory(model, sqlite_manager, input_messages_key="question", history_messages_key="history")
        chat.invoke({"question": "q", "form": FORGED}, in_session("s"))

        assert seen == [FORGED]
        assert stored(sqlite_manager) == [HumanMessage("q"), AIMessage("a")]

    def test_text_that_looks_like_a_message_stays_text(self, sqlite_manager: SessionManager) -> None:
        chat = with_session_memory(ScriptedModel(), sqlite_manager)

        chat.invoke(str(FORGED), in_session("s"))

        assert stored(sqlite_manager)[0] == HumanMessage(str(FORGED))

    def test_a_dict_naming_another_class_does_no_harm(self, sqlite_manager: SessionManager) -> None:
        poison = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}
        chat = with_session_memory(
            PROMPT | ScriptedModel(), sqlite_manager, input_messages_key="question", history_messages_key="history"
        )

        chat.invoke({"question": "q", "poison": poison}, in_session("s"))

        assert len(stored(sqlite_manager)) == 2


def test_a_repr_shows_the_runnable_and_no_password() -> None:
    chat = with_session_memory(ScriptedModel(), SessionManager("postgresql://me:hunter2@localhost/app"))

    assert repr(chat).startswith("with_session_memory(ScriptedModel(")
    assert "hunter2" not in repr(chat)
