"""An agent with the memory of a session."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
)
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from tests.langchain.models import ModelFailed, ScriptedModel, as_given, texts
from zep_memory_plugin import (
    DatabaseUnavailable,
    InvalidInput,
    SessionManager,
    SessionOwnedByAnotherUser,
    use_session,
)
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemoryMiddleware, with_session_memory


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    if city == "Atlantis":
        raise ModelFailed
    return f"sunny in {city}"


@dataclass
class Context:
    session_id: str
    user_id: str | None = None


def call(city: str = "Rome", call_id: str = "1") -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "weather", "args": {"city": city}, "id": call_id}])


def agent(model: ScriptedModel, memory: ZepMemoryMiddleware, *others: AgentMiddleware, **options: Any) -> Any:
    return create_agent(model, [weather], middleware=[memory, *others], context_schema=Context, **options)


def ask(text: str) -> dict[str, list[AnyMessage]]:
    return {"messages": [HumanMessage(text)]}


def stored(manager: SessionManager, session_id: str = "s") -> list[BaseMessage]:
    return as_given(ZepChatMessageHistory(session_id, manager).messages)


def run(graph: Any, way: str, value: Any, **options: Any) -> Any:
    async def arun() -> Any:
        if way == "ainvoke":
            return await graph.ainvoke(value, **options)
        return [chunk async for chunk in graph.astream(value, **options, stream_mode="messages")]

    if way.startswith("a"):
        return asyncio.run(arun())
    if way == "invoke":
        return graph.invoke(value, **options)
    return list(graph.stream(value, **options, stream_mode="messages"))


WAYS = ["invoke", "ainvoke", "stream", "astream"]


@pytest.mark.parametrize("checkpointer", [False, True], ids=["stateless", "checkpointer"])
@pytest.mark.parametrize("way", WAYS)
def test_each_run_goes_on_where_the_last_one_ended(
    way: str, checkpointer: bool, sqlite_manager: SessionManager
) -> None:
    model = ScriptedModel(script=[call(), AIMessage("a1"), AIMessage("a2"), AIMessage("a3")])
    graph = agent(model, ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver() if checkpointer else None)
    config = {"configurable": {"thread_id": "t"}}

    for question in ("q1", "q2", "q3"):
        run(graph, way, ask(question), config=config, context=Context("s", "alice"))

    found = stored(sqlite_manager)
    assert [text.strip() for text in texts(found)] == ["q1", "", "sunny in Rome", "a1", "q2", "a2", "q3", "a3"]
    assert [type(message) for message in found[:4]] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert [[text.strip() for text in texts(shown)] for shown in model.shown] == [
        ["q1"],
        ["q1", "", "sunny in Rome"],
        ["q1", "", "sunny in Rome", "a1", "q2"],
        ["q1", "", "sunny in Rome", "a1", "q2", "a2", "q3"],
    ]
    assert sqlite_manager.get_session("s").user_id == "alice"


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_it_works_on_every_database(way: str, manager: SessionManager) -> None:
    model = ScriptedModel(script=[call(), AIMessage("a1"), AIMessage("a2")])
    graph = agent(model, ZepMemoryMiddleware(manager))

    for question in ("q1", "q2"):
        run(graph, way, ask(question), context=Context("s"))

    assert texts(stored(manager)) == ["q1", "", "sunny in Rome", "a1", "q2", "a2"]
    assert texts(model.shown[2]) == ["q1", "", "sunny in Rome", "a1", "q2"]


def test_history_is_neither_streamed_nor_kept_in_the_state(sqlite_manager: SessionManager) -> None:
    ZepChatMessageHistory("s", sqlite_manager).add_messages([HumanMessage("old"), AIMessage("older")])
    graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "s"}}

    streamed = list(graph.stream(ask("q"), config, stream_mode=["messages", "values", "updates"]))

    assert "old" not in repr(streamed)
    assert "old" not in repr(list(graph.get_state_history(config)))
    assert "zep_memory" not in graph.invoke(ask("q"), config)


class TestSession:
    """Which session a run belongs to."""

    @pytest.mark.parametrize(
        ("options", "session_id"),
        [
            ({"context": Context("c"), "config": {"configurable": {"session_id": "s", "thread_id": "t"}}}, "c"),
            ({"context": {"session_id": "c"}}, "c"),
            ({"config": {"configurable": {"session_id": "s", "thread_id": "t"}}}, "s"),
            ({"config": {"configurable": {"thread_id": "t"}}}, "t"),
            ({}, "around"),
        ],
    )
    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_it_is_named_by_the_nearest(
        self, way: str, options: dict[str, Any], session_id: str, sqlite_manager: SessionManager
    ) -> None:
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager))

        with use_session("around"):
            run(graph, way, ask("q"), **options)

        assert [session.session_id for session in sqlite_manager.list_sessions()] == [session_id]

    def test_a_context_without_schema_will_do(self, sqlite_manager: SessionManager) -> None:
        graph = create_agent(ScriptedModel(), middleware=[ZepMemoryMiddleware(sqlite_manager)])

        graph.invoke(ask("q"), context={"session_id": "s", "user_id": "alice"})

        assert sqlite_manager.get_session("s").user_id == "alice"

    @pytest.mark.parametrize(
        ("options", "user_id"),
        [
            ({"context": Context("s", "alice")}, "alice"),
            ({"config": {"configurable": {"session_id": "s", "user_id": "bob"}}}, "bob"),
            ({"context": Context("s"), "config": {"configurable": {"user_id": "bob"}}}, "bob"),
            ({}, "carol"),
        ],
    )
    def test_its_user_is_named_with_it(
        self, options: dict[str, Any], user_id: str, sqlite_manager: SessionManager
    ) -> None:
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager))

        with use_session("s", user_id="carol"):
            graph.invoke(ask("q"), **options)

        assert sqlite_manager.get_session("s").user_id == user_id

    def test_a_run_without_one_says_what_to_do(self, sqlite_manager: SessionManager) -> None:
        with pytest.raises(InvalidInput, match="use_session"):
            agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager)).invoke(ask("q"))

    def test_a_thread_stays_in_its_session(self, sqlite_manager: SessionManager) -> None:
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "t"}}
        graph.invoke(ask("q1"), config, context=Context("s"))

        graph.invoke(ask("q2"), config)
        with pytest.raises(InvalidInput, match="thread is one of session 's'"):
            graph.invoke(ask("q3"), config, context=Context("other"))

        assert len(stored(sqlite_manager)) == 4

    def test_a_second_thread_goes_on_with_the_session(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
        one, two = ({"configurable": {"thread_id": thread}} for thread in ("one", "two"))

        graph.invoke(ask("q1"), one, context=Context("s"))
        graph.invoke(ask("q2"), two, context=Context("s"))
        graph.invoke(ask("q3"), two, context=Context("s"))

        assert texts(model.shown[2]) == ["q1", "echo q1", "q2", "echo q2", "q3"]
        assert texts(stored(sqlite_manager)) == ["q1", "echo q1", "q2", "echo q2", "q3", "echo q3"]

    @pytest.mark.parametrize("save_input", ["start", "end"])
    @pytest.mark.parametrize("on_error", ["raise", "log"])
    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_that_of_another_user_is_refused(
        self, way: str, save_input: Any, on_error: Any, sqlite_manager: SessionManager
    ) -> None:
        model = ScriptedModel()
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager, save_input=save_input, on_error=on_error))
        run(graph, way, ask("secret"), context=Context("s", "alice"))

        for question in (ask("q"), {"messages": []}):
            with pytest.raises(SessionOwnedByAnotherUser):
                run(graph, way, question, context=Context("s", "mallory"))

        assert len(model.shown) == 1
        assert len(stored(sqlite_manager)) == 2

    def test_a_thread_of_another_user_is_refused(self, sqlite_manager: SessionManager) -> None:
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "t"}}
        graph.invoke(ask("secret"), config, context=Context("s", "alice"))

        with pytest.raises(SessionOwnedByAnotherUser):
            graph.invoke(ask("q"), config, context=Context("s", "mallory"))

        assert len(stored(sqlite_manager)) == 2

    @pytest.mark.parametrize("colour", ["sync", "async"])
    def test_fifty_at_once_share_one_instance(self, colour: str, manager: SessionManager) -> None:
        model = ScriptedModel()
        graph = agent(model, ZepMemoryMiddleware(manager))

        async def talk(number: int) -> None:
            for turn in range(2):
                value, options = ask(f"s{number} q{turn}"), {"context": Context(f"s{number}")}
                if colour == "async":
                    await graph.ainvoke(value, **options)
                else:
                    await asyncio.to_thread(graph.invoke, value, **options)

        async def all_talk() -> None:
            await asyncio.gather(*(talk(number) for number in range(50)))

        asyncio.run(all_talk())

        for number in range(50):
            expected = [f"s{number} q0", f"echo s{number} q0", f"s{number} q1", f"echo s{number} q1"]
            assert texts(stored(manager, f"s{number}")) == expected
            assert expected[:3] in [texts(shown) for shown in model.shown]


class TestWindow:
    """What of the history is shown."""

    @pytest.mark.parametrize(("limit", "shown"), [(None, 12), (12, 12), (9, 8), (4, 4), (1, 4), (0, 0)])
    def test_it_holds_whole_turns(self, limit: int | None, shown: int, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        turn = [HumanMessage("q"), call(), ToolMessage("r", tool_call_id="1"), AIMessage("a")]
        ZepChatMessageHistory("s", sqlite_manager).add_messages(turn * 3)

        agent(model, ZepMemoryMiddleware(sqlite_manager, limit=limit)).invoke(ask("new"), context=Context("s"))

        assert texts(model.shown[0]) == [*texts(turn * 3)[12 - shown :], "new"]

    def test_it_can_be_bounded_in_tokens(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        ZepChatMessageHistory("s", sqlite_manager).add_messages([HumanMessage("x" * 4000), HumanMessage("b")])

        agent(model, ZepMemoryMiddleware(sqlite_manager, max_tokens=100)).invoke(ask("new"), context=Context("s"))

        assert texts(model.shown[0]) == ["b", "new"]

    def test_it_moves_on_with_the_thread(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        ZepChatMessageHistory("s", sqlite_manager).add_messages([HumanMessage("x"), HumanMessage("y"), AIMessage("z")])
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager, limit=2), checkpointer=InMemorySaver())

        for question in ("q1", "q2", "q3"):
            graph.invoke(ask(question), {"configurable": {"thread_id": "s"}})

        assert texts(model.shown[2]) == ["q2", "echo q2", "q3"]

    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_a_call_that_nobody_answered_gets_an_error_for_a_result(
        self, way: str, sqlite_manager: SessionManager
    ) -> None:
        model = ScriptedModel()
        ZepChatMessageHistory("s", sqlite_manager).add_messages(
            [HumanMessage("q"), call(call_id="lost"), ToolMessage("orphan", tool_call_id="9"), AIMessage("a")]
        )

        run(agent(model, ZepMemoryMiddleware(sqlite_manager)), way, ask("new"), context=Context("s"))

        told = model.shown[0]
        assert [message.type for message in told] == ["human", "ai", "tool", "ai", "human"]
        assert (told[2].tool_call_id, told[2].status) == ("lost", "error")
        assert len(stored(sqlite_manager)) == 6

    def test_what_the_state_has_already_is_not_shown_twice(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager))
        client: list[BaseMessage] = []

        for number in range(3):
            client = graph.invoke(
                {"messages": [*client, HumanMessage(f"q{number}", id=str(number))]}, context=Context("s")
            )["messages"]

        assert texts(model.shown[2]) == ["q0", "echo q0", "q1", "echo q1", "q2"]
        assert texts(stored(sqlite_manager)) == ["q0", "echo q0", "q1", "echo q1", "q2", "echo q2"]


class TestFailure:
    """What is left of a run that fails."""

    @pytest.mark.parametrize("way", WAYS)
    def test_a_failing_model_leaves_the_question_and_the_finished_rounds(
        self, way: str, sqlite_manager: SessionManager
    ) -> None:
        model = ScriptedModel(script=[call(), ModelFailed()])

        with pytest.raises(ModelFailed):
            run(agent(model, ZepMemoryMiddleware(sqlite_manager)), way, ask("q"), context=Context("s"))

        assert [text.strip() for text in texts(stored(sqlite_manager))] == ["q", "", "sunny in Rome"]

    @pytest.mark.parametrize("way", WAYS)
    def test_a_failing_tool_leaves_the_question_and_the_finished_rounds(
        self, way: str, sqlite_manager: SessionManager
    ) -> None:
        model = ScriptedModel(script=[call(), call("Atlantis", "2")])

        with pytest.raises(ModelFailed):
            run(agent(model, ZepMemoryMiddleware(sqlite_manager)), way, ask("q"), context=Context("s"))

        assert [text.strip() for text in texts(stored(sqlite_manager))] == ["q", "", "sunny in Rome"]

    def test_a_stream_that_is_left_keeps_the_question(self, sqlite_manager: SessionManager) -> None:
        stream = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager)).stream(
            ask("q"), context=Context("s"), stream_mode="messages"
        )
        next(stream)
        stream.close()

        assert texts(stored(sqlite_manager)) == ["q"]

    def test_a_run_tried_again_stores_everything_once(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[call(), ModelFailed(), AIMessage("a")])
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "s"}}
        with pytest.raises(ModelFailed):
            graph.invoke(ask("q"), config)

        graph.invoke(None, config)

        assert texts(stored(sqlite_manager)) == ["q", "", "sunny in Rome", "a"]

    def test_a_failing_store_fails_the_run(self, sqlite_manager: SessionManager) -> None:
        sqlite_manager.close()

        with pytest.raises(DatabaseUnavailable):
            agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager)).invoke(ask("q"), context=Context("s"))

    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_a_failing_store_is_logged_if_so_told(
        self, way: str, sqlite_manager: SessionManager, caplog: pytest.LogCaptureFixture
    ) -> None:
        sqlite_manager.close()
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager, on_error="log"))

        with caplog.at_level(logging.WARNING):
            answer = run(graph, way, ask("a secret"), context=Context("s"))

        assert texts(answer["messages"]) == ["a secret", "echo a secret"]
        assert "DatabaseUnavailable" in caplog.text
        assert "secret" not in caplog.text

    def test_what_could_not_be_stored_is_tried_again(self, tmp_path: Path) -> None:
        @tool
        def repair() -> str:
            """Make the place where the database will be."""
            (tmp_path / "later").mkdir()
            return "done"

        says = AIMessage("", tool_calls=[{"name": "repair", "args": {}, "id": "1"}])
        with SessionManager(f"sqlite:///{tmp_path / 'later' / 'zep.db'}") as manager:
            memory = ZepMemoryMiddleware(manager, on_error="log")
            graph = create_agent(ScriptedModel(script=[says, AIMessage("a")]), [repair], middleware=[memory])

            graph.invoke(ask("q"), {"configurable": {"session_id": "s"}})

            assert texts(stored(manager)) == ["q", "", "done", "a"]

    @pytest.mark.parametrize("option", ["save_input", "on_error"])
    def test_a_choice_that_is_none_is_refused(self, option: str, sqlite_manager: SessionManager) -> None:
        with pytest.raises(InvalidInput, match=option):
            ZepMemoryMiddleware(sqlite_manager, **{option: "sometimes"})  # type: ignore[arg-type]


class TestOtherMiddleware:
    """What other middleware does to the messages."""

    @pytest.mark.parametrize("checkpointer", [False, True], ids=["stateless", "checkpointer"])
    def test_a_summary_of_the_state_is_left_alone(self, checkpointer: bool, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel()
        summaries = SummarizationMiddleware(
            ScriptedModel(script=[AIMessage("in short") for _ in range(9)]),
            trigger=("messages", 4),
            keep=("messages", 1),
        )
        graph = agent(
            model,
            ZepMemoryMiddleware(sqlite_manager, limit=4),
            summaries,
            checkpointer=InMemorySaver() if checkpointer else None,
        )

        for number in range(6):
            graph.invoke(ask(f"q{number}"), {"configurable": {"thread_id": "s"}})

        expected = [text for number in range(6) for text in (f"q{number}", f"echo q{number}")]
        assert texts(stored(sqlite_manager)) == expected
        assert all(len(shown) <= 5 for shown in model.shown)
        if checkpointer:
            assert any("in short" in text for text in texts(model.shown[-1]))
            assert "q0" not in texts(model.shown[-1])

    @pytest.mark.parametrize("save_input", ["start", "end"])
    def test_what_was_redacted_is_stored_redacted(self, save_input: Any, sqlite_manager: SessionManager) -> None:
        graph = agent(
            ScriptedModel(), ZepMemoryMiddleware(sqlite_manager, save_input=save_input), PIIMiddleware("email")
        )

        graph.invoke(ask("I am a@b.ch"), context=Context("s"))

        assert "a@b.ch" not in repr(sqlite_manager.list_messages("s")) + "".join(texts(stored(sqlite_manager)))
        assert len(stored(sqlite_manager)) == 2

    def test_saving_at_the_end_stores_nothing_of_a_failed_run(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[call(), ModelFailed()])

        with pytest.raises(ModelFailed):
            agent(model, ZepMemoryMiddleware(sqlite_manager, save_input="end")).invoke(ask("q"), context=Context("s"))

        assert sqlite_manager.list_sessions() == []

    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_saving_at_the_end_remembers_all_the_same(self, way: str, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[call(), AIMessage("a1"), AIMessage("a2")])
        graph = agent(model, ZepMemoryMiddleware(sqlite_manager, save_input="end"))

        for question in ("q1", "q2"):
            run(graph, way, ask(question), context=Context("s"))

        assert texts(stored(sqlite_manager)) == ["q1", "", "sunny in Rome", "a1", "q2", "a2"]
        assert texts(model.shown[2]) == ["q1", "", "sunny in Rome", "a1", "q2"]

    @pytest.mark.parametrize("context", [Context("s", "alice"), None], ids=["with context", "without context"])
    @pytest.mark.parametrize("way", ["invoke", "ainvoke"])
    def test_a_resumed_run_goes_on_in_its_session(
        self, way: str, context: Context | None, sqlite_manager: SessionManager
    ) -> None:
        ZepChatMessageHistory("s", sqlite_manager).add_messages([HumanMessage("old")])
        model = ScriptedModel(script=[call(), AIMessage("a")])
        graph = agent(
            model,
            ZepMemoryMiddleware(sqlite_manager),
            HumanInTheLoopMiddleware(interrupt_on={"weather": True}),
            checkpointer=InMemorySaver(),
        )
        config = {"configurable": {"thread_id": "t"}}
        run(graph, way, ask("q"), config=config, context=Context("s", "alice"))
        before = texts(stored(sqlite_manager))

        resume = Command(resume={"decisions": [{"type": "approve"}]})
        run(graph, way, resume, config=config, context=context)

        assert before == ["old", "q"]
        assert texts(stored(sqlite_manager)) == ["old", "q", "", "sunny in Rome", "a"]
        assert texts(model.shown[1]) == ["old", "q", "", "sunny in Rome"]
        assert [session.session_id for session in sqlite_manager.list_sessions()] == ["s"]

    def test_another_user_cannot_resume_it(self, sqlite_manager: SessionManager) -> None:
        graph = agent(
            ScriptedModel(script=[call(), AIMessage("a")]),
            ZepMemoryMiddleware(sqlite_manager),
            HumanInTheLoopMiddleware(interrupt_on={"weather": True}),
            checkpointer=InMemorySaver(),
        )
        config = {"configurable": {"thread_id": "t"}}
        graph.invoke(ask("q"), config, context=Context("s", "alice"))

        with pytest.raises(SessionOwnedByAnotherUser):
            graph.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config, context=Context("s", "mallory"))

    def test_a_message_edited_in_the_state_is_stored_edited(self, sqlite_manager: SessionManager) -> None:
        graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "s"}}
        graph.invoke({"messages": [HumanMessage("tpyo", id="1")]}, config)

        graph.invoke({"messages": [HumanMessage("typo", id="1")]}, config)

        assert texts(stored(sqlite_manager))[:2] == ["typo", "echo tpyo"]


def test_a_deleted_message_stays_deleted(sqlite_manager: SessionManager) -> None:
    graph = agent(ScriptedModel(), ZepMemoryMiddleware(sqlite_manager), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "s"}}
    graph.invoke(ask("q1"), config)
    sqlite_manager.delete_messages("s", [sqlite_manager.list_messages("s")[0].uuid or ""])

    graph.invoke(ask("q2"), config)

    assert texts(stored(sqlite_manager)) == ["echo q1", "q2", "echo q2"]


def test_messages_come_back_equal_to_those_of_the_state(sqlite_manager: SessionManager) -> None:
    graph = agent(ScriptedModel(script=[call(), AIMessage("a")]), ZepMemoryMiddleware(sqlite_manager))

    state = graph.invoke(ask("q"), context=Context("s"))

    assert stored(sqlite_manager) == as_given(state["messages"])


def test_an_agent_of_a_chain_with_memory_is_stored_once(sqlite_manager: SessionManager) -> None:
    chat = with_session_memory(
        create_agent(ScriptedModel()), sqlite_manager, input_messages_key="messages", output_messages_key="messages"
    )

    for question in ("q1", "q2"):
        chat.invoke(ask(question), {"configurable": {"session_id": "s"}})

    assert texts(stored(sqlite_manager)) == ["q1", "echo q1", "q2", "echo q2"]
