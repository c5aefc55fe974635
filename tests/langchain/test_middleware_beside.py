"""An agent's memory beside LangChain's other middleware, beside other agents, and when a thread is set back."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, PIIMiddleware, SummarizationMiddleware
from langchain.agents.middleware.pii import PIIDetectionError
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from tests.langchain.models import ModelFailed, ScriptedModel, texts
from tests.langchain.test_middleware import Context, ask, call, run, weather
from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemoryMiddleware, with_session_memory

WAYS = ["invoke", "ainvoke"]
MODES = ["start", "end"]
THREAD: Any = {"configurable": {"thread_id": "t", "session_id": "s"}}

NO_JSON = AIMessage(
    "", invalid_tool_calls=[InvalidToolCall(id="1", name="weather", args="{", error=None, type="invalid_tool_call")]
)


def stored(manager: SessionManager, session_id: str = "s") -> list[BaseMessage]:
    return ZepChatMessageHistory(session_id, manager, pair_calls=False).messages


def summaries() -> SummarizationMiddleware:
    model = ScriptedModel(script=[AIMessage("in short") for _ in range(20)])
    return SummarizationMiddleware(model, trigger=("messages", 3), keep=("messages", 1))


def redaction() -> PIIMiddleware:
    return PIIMiddleware("email", apply_to_output=True, apply_to_tool_results=True)


@pytest.mark.parametrize("checkpointer", [False, True], ids=["stateless", "checkpointer"])
@pytest.mark.parametrize("save_input", MODES)
@pytest.mark.parametrize("order", [*permutations(["memory", "summaries", "redaction"])], ids=" ".join)
def test_in_any_order_all_is_stored_as_it_was_redacted(
    order: tuple[str, ...], save_input: Any, checkpointer: bool, sqlite_manager: SessionManager
) -> None:
    """While the state of the agent holds a summary and the last messages only."""
    model = ScriptedModel(
        script=[call("a@b.ch"), call("Rome", "2"), call("Bern", "3"), AIMessage("I am c@d.ch"), AIMessage("a2")]
    )
    memory = ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    kinds: dict[str, AgentMiddleware] = {"memory": memory, "summaries": summaries(), "redaction": redaction()}
    saver = InMemorySaver() if checkpointer else None
    graph = create_agent(model, [weather], middleware=[kinds[kind] for kind in order], checkpointer=saver)

    first = graph.invoke(ask("my address is e@f.ch"), THREAD)
    second = graph.invoke(ask("q2"), THREAD)

    hidden = "[REDACTED_EMAIL]"
    round_one = ["", f"sunny in {hidden}"]
    rounds = [*round_one, "", "sunny in Rome", "", "sunny in Bern"]
    assert texts(stored(sqlite_manager)) == [f"my address is {hidden}", *rounds, f"I am {hidden}", "q2", "a2"]
    assert len(first["messages"]) < len(rounds)
    assert second["messages"][-1].text == "a2"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("save_input", MODES)
@pytest.mark.parametrize("memory_first", [True, False], ids=["first", "last"])
def test_what_another_middleware_blocks_is_never_stored(
    memory_first: bool, save_input: Any, way: str, sqlite_manager: SessionManager
) -> None:
    """Nor by the next run of the thread, whose state still has it."""
    guard, memory = PIIMiddleware("email", strategy="block"), ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    middleware: list[AgentMiddleware] = [memory, guard] if memory_first else [guard, memory]
    graph = create_agent(ScriptedModel(), middleware=middleware, checkpointer=InMemorySaver())

    with pytest.raises(PIIDetectionError):
        run(graph, way, ask("I am a@b.ch"), config=THREAD)
    blocked = sqlite_manager.list_sessions()
    run(graph, way, ask("hello"), config=THREAD)

    assert blocked == []
    assert texts(stored(sqlite_manager)) == ["hello", "echo hello"]


@pytest.mark.parametrize("save_input", MODES)
def test_a_question_whose_model_failed_is_stored_with_the_next(save_input: Any, sqlite_manager: SessionManager) -> None:
    """It stands in the thread's state, and the model is shown it again."""
    model = ScriptedModel(script=[ModelFailed(), AIMessage("a")])
    memory = ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    graph = create_agent(model, middleware=[memory], checkpointer=InMemorySaver())
    with pytest.raises(ModelFailed):
        graph.invoke(ask("q1"), THREAD)

    state = graph.invoke(ask("q2"), THREAD)

    assert texts(stored(sqlite_manager)) == texts(state["messages"]) == ["q1", "q2", "a"]


@pytest.mark.parametrize("save_input", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_a_question_whose_run_failed_before_its_model_is_stored_with_the_next(
    way: str, save_input: Any, sqlite_manager: SessionManager
) -> None:
    """As where the model that is to make a summary is overloaded."""

    class Overloaded(AgentMiddleware):
        times = 1

        def before_model(self, state: Any, runtime: Any) -> None:
            Overloaded.times -= 1
            if Overloaded.times >= 0:
                raise ModelFailed

    memory = ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    graph = create_agent(ScriptedModel(), middleware=[memory, Overloaded()], checkpointer=InMemorySaver())
    with pytest.raises(ModelFailed):
        run(graph, way, ask("q1"), config=THREAD)

    state = run(graph, way, ask("q2"), config=THREAD)

    assert texts(stored(sqlite_manager)) == texts(state["messages"]) == ["q1", "q2", "echo q2"]


@pytest.mark.parametrize("save_input", MODES)
def test_results_that_another_middleware_puts_in_stand_before_the_next_question(
    save_input: Any, sqlite_manager: SessionManager
) -> None:
    class Patch(AgentMiddleware):
        def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
            *before, last = state["messages"]
            open_calls = [bad["id"] for bad in getattr(before[-1], "invalid_tool_calls", [])] if before else []
            results = [ToolMessage("no JSON", tool_call_id=call_id) for call_id in open_calls]
            all_anew = RemoveMessage(id=REMOVE_ALL_MESSAGES)
            return {"messages": [all_anew, *before, *results, last]} if results else None

    model = ScriptedModel(script=[NO_JSON, AIMessage("a")])
    memory = ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    graph = create_agent(model, [weather], middleware=[memory, Patch()], checkpointer=InMemorySaver())

    graph.invoke(ask("q1"), THREAD)
    graph.invoke(ask("q2"), THREAD)

    assert [message.type for message in stored(sqlite_manager)] == ["human", "ai", "tool", "human", "ai"]


@pytest.mark.parametrize("save_input", MODES)
def test_results_that_the_agent_puts_in_are_stored_where_they_stand(
    save_input: Any, sqlite_manager: SessionManager
) -> None:
    model = ScriptedModel(script=[NO_JSON, AIMessage("a"), AIMessage("a3")])
    memory = ZepMemoryMiddleware(sqlite_manager, save_input=save_input)
    graph = create_agent(model, [weather], middleware=[memory], checkpointer=InMemorySaver())

    for question in ("q1", "q2", "q3"):
        state = graph.invoke(ask(question), THREAD)

    assert texts(stored(sqlite_manager)) == texts(state["messages"])
    assert [message.id for message in stored(sqlite_manager)] == [message.id for message in state["messages"]]


def test_a_call_that_is_no_json_has_a_result_before_the_next_question(sqlite_manager: SessionManager) -> None:
    model = ScriptedModel(script=[NO_JSON, AIMessage("a")])
    graph = create_agent(model, [weather], middleware=[ZepMemoryMiddleware(sqlite_manager)])

    for question in ("q1", "q2"):
        graph.invoke(ask(question), THREAD)

    assert [message.type for message in model.shown[-1]] == ["human", "ai", "tool", "human"]


def test_a_request_without_runtime_and_state_is_passed_on(sqlite_manager: SessionManager) -> None:
    memory = ZepMemoryMiddleware(sqlite_manager)
    request: Any = ModelRequest(model=ScriptedModel(), messages=[HumanMessage("q")])
    passed: list[Any] = []

    memory.wrap_model_call(request, lambda given: passed.append(given))  # type: ignore[arg-type, func-returns-value]

    assert passed == [request]


def chain_tools(chain: Any, way: str) -> list[Any]:
    """Return two tools that ask *chain*, the second one in a session of its own."""

    @tool
    def consult() -> str:
        """Ask the chain."""
        return chain.invoke("inner q").text

    @tool
    async def aconsult() -> str:
        """Ask the chain."""
        return (await chain.ainvoke("inner q")).text

    @tool
    def own() -> str:
        """Ask the chain in another session."""
        return chain.invoke("inner q", {"configurable": {"session_id": "own"}}).text

    @tool
    async def aown() -> str:
        """Ask the chain in another session."""
        return (await chain.ainvoke("inner q", {"configurable": {"session_id": "own"}})).text

    return [aconsult, aown] if way == "ainvoke" else [consult, own]


class TestAgentInATool:
    """An agent that another one calls."""

    def agents(self, manager: SessionManager, way: str, **given: Any) -> Any:
        """Return an agent whose tool asks another one, each with a memory of its own."""
        inner = create_agent(
            ScriptedModel(), middleware=[ZepMemoryMiddleware(manager)], context_schema=Context, name="inner"
        )

        @tool
        def consult(question: str) -> str:
            """Ask the other one."""
            return inner.invoke(ask(question), **given)["messages"][-1].text

        @tool
        async def aconsult(question: str) -> str:
            """Ask the other one."""
            return (await inner.ainvoke(ask(question), **given))["messages"][-1].text

        used = aconsult if way == "ainvoke" else consult
        asking = [{"name": used.name, "args": {"question": "inner q"}, "id": "1"}]
        calls = [AIMessage("", tool_calls=asking) for _ in range(2)]
        model = ScriptedModel(script=[*calls, AIMessage("a"), AIMessage("a2")])
        return create_agent(model, [used], middleware=[ZepMemoryMiddleware(manager)], context_schema=Context)

    @pytest.mark.parametrize("options", [{"context": Context("s")}, {"config": THREAD}], ids=["context", "config"])
    @pytest.mark.parametrize("way", WAYS)
    def test_it_does_not_write_to_the_session_of_the_other(
        self, way: str, options: dict[str, Any], sqlite_manager: SessionManager
    ) -> None:
        graph = self.agents(sqlite_manager, way)

        run(graph, way, ask("q"), **options)
        run(graph, way, ask("q2"), **options)

        rounds = ["", "echo inner q", "", "echo inner q"]
        assert texts(stored(sqlite_manager)) == ["q", *rounds, "a", "q2", "a2"]
        assert [session.session_id for session in sqlite_manager.list_sessions()] == ["s"]

    @pytest.mark.parametrize("way", WAYS)
    def test_it_writes_to_a_session_that_it_is_given(self, way: str, sqlite_manager: SessionManager) -> None:
        graph = self.agents(sqlite_manager, way, context=Context("inner"))

        run(graph, way, ask("q"), context=Context("s"))

        assert texts(stored(sqlite_manager, "inner")) == ["inner q", "echo inner q"] * 2
        assert len(stored(sqlite_manager)) == 6

    @pytest.mark.parametrize("around", ["middleware", "chain"])
    @pytest.mark.parametrize("way", WAYS)
    def test_a_chain_in_its_place_does_not_write_to_the_session_either(
        self, way: str, around: str, sqlite_manager: SessionManager
    ) -> None:
        inner = ScriptedModel()
        consult, own = chain_tools(with_session_memory(inner, sqlite_manager), way)
        calls = [{"name": used.name, "args": {}, "id": used.name} for used in (consult, own)]
        model = ScriptedModel(script=[AIMessage("", tool_calls=[call]) for call in calls] + [AIMessage("a")])
        memory = [ZepMemoryMiddleware(sqlite_manager)] if around == "middleware" else []
        graph: Any = create_agent(model, [consult, own], middleware=memory)
        graph = graph if memory else with_session_memory(graph, sqlite_manager, output_messages_key="messages")

        run(graph, way, ask("q"), config=THREAD)

        assert texts(stored(sqlite_manager)) == ["q", "", "echo inner q", "", "echo inner q", "a"]
        assert texts(stored(sqlite_manager, "own")) == ["inner q", "echo inner q"]
        assert [texts(shown) for shown in inner.shown] == [["inner q"]] * 2

    def test_without_another_one_around_it_has_the_session_of_the_config(self, sqlite_manager: SessionManager) -> None:
        inner = create_agent(ScriptedModel(), middleware=[ZepMemoryMiddleware(sqlite_manager)])

        @tool
        def consult() -> str:
            """Ask the other one."""
            return inner.invoke(ask("inner q"))["messages"][-1].text

        says = AIMessage("", tool_calls=[{"name": "consult", "args": {}, "id": "1"}])
        create_agent(ScriptedModel(script=[says, AIMessage("a")]), [consult]).invoke(ask("q"), THREAD)

        assert texts(stored(sqlite_manager)) == ["inner q", "echo inner q"]


class TestSetBack:
    """A thread that goes on with an earlier state than its last one."""

    def agent(self, manager: SessionManager, save_input: Any = "start") -> tuple[Any, ScriptedModel]:
        model = ScriptedModel(script=[AIMessage(text) for text in ("a1", "a2", "a1 again", "a3")])
        memory = ZepMemoryMiddleware(manager, save_input=save_input)
        return create_agent(model, [weather], middleware=[memory], checkpointer=InMemorySaver()), model

    def before(self, graph: Any, is_it: Callable[[Any], bool]) -> Any:
        """Return the last checkpoint of which *is_it* is true."""
        return next(state for state in graph.get_state_history(THREAD) if is_it(state))

    @pytest.mark.parametrize("save_input", MODES)
    @pytest.mark.parametrize("way", WAYS)
    def test_a_new_answer_stands_in_the_place_of_the_old(
        self, way: str, save_input: Any, manager: SessionManager
    ) -> None:
        graph, model = self.agent(manager, save_input)
        run(graph, way, ask("q1"), config=THREAD)
        run(graph, way, ask("q2"), config=THREAD)
        first = self.before(graph, lambda state: state.next == ("model",) and len(state.values["messages"]) == 1)

        run(graph, way, None, config=first.config)
        again = texts(stored(manager))
        state = run(graph, way, ask("q3"), config=THREAD)

        assert again == ["q1", "a1 again"]
        assert texts(stored(manager)) == texts(state["messages"]) == ["q1", "a1 again", "q3", "a3"]
        assert texts(model.shown[-1]) == ["q1", "a1 again", "q3"]

    def test_a_question_may_be_another_one_then(self, sqlite_manager: SessionManager) -> None:
        graph, _ = self.agent(sqlite_manager)
        graph.invoke(ask("q1"), THREAD)
        graph.invoke(ask("q2"), THREAD)
        second = self.before(graph, lambda state: state.next == ("model",))
        edited: list[AnyMessage] = [HumanMessage("better q2", id=second.values["messages"][-1].id)]

        graph.invoke(None, graph.update_state(second.config, {"messages": edited}))

        assert texts(stored(sqlite_manager)) == ["q1", "a1", "better q2", "a1 again"]

    def test_it_may_go_on_with_another_question(self, sqlite_manager: SessionManager) -> None:
        graph, _ = self.agent(sqlite_manager)
        graph.invoke(ask("q1"), THREAD)
        after_first = graph.get_state(THREAD).config
        graph.invoke(ask("q2"), THREAD)

        graph.invoke(ask("other q2"), after_first)

        assert texts(stored(sqlite_manager)) == ["q1", "a1", "other q2", "a1 again"]

    def test_what_others_have_said_in_the_session_stays(self, sqlite_manager: SessionManager) -> None:
        graph, _ = self.agent(sqlite_manager)
        graph.invoke(ask("q1"), THREAD)
        ZepChatMessageHistory("s", sqlite_manager).add_messages([HumanMessage("by hand"), AIMessage("noted")])
        create_agent(ScriptedModel(), middleware=[ZepMemoryMiddleware(sqlite_manager)]).invoke(ask("stateless"), THREAD)
        first = self.before(graph, lambda state: state.next == ("model",))

        graph.invoke(None, first.config)

        kept = ["q1", "by hand", "noted", "stateless", "echo stateless", "a2"]
        assert texts(stored(sqlite_manager)) == kept

    def test_a_round_of_tools_is_another_one_then(self, sqlite_manager: SessionManager) -> None:
        model = ScriptedModel(script=[call("Rome"), AIMessage("a"), call("Bern", "2"), AIMessage("better")])
        memory = ZepMemoryMiddleware(sqlite_manager)
        graph: Any = create_agent(model, [weather], middleware=[memory], checkpointer=InMemorySaver())
        graph.invoke(ask("q"), THREAD)
        start = list(graph.get_state_history(THREAD))[-1]
        first = self.before(graph, lambda state: state.next == ("model",) and len(state.values["messages"]) == 1)

        graph.invoke(None, first.config)

        assert start.values.get("messages", []) == []
        assert texts(stored(sqlite_manager)) == ["q", "", "sunny in Bern", "better"]

    def test_a_thread_whose_states_are_lost_loses_nothing(self, sqlite_manager: SessionManager) -> None:
        """As after a restart, where states were kept in the process."""
        for number in range(2):
            graph, _ = self.agent(sqlite_manager)
            graph.invoke(ask(f"q{number}"), THREAD)

        assert texts(stored(sqlite_manager)) == ["q0", "a1", "q1", "a1"]
