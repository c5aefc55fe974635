"""What an agent's turn costs: how often the database is asked, and how much the model is shown."""

import asyncio
from collections.abc import Iterator

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from sqlalchemy import Engine, create_engine, event

from tests.langchain.models import ScriptedModel, texts
from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemoryMiddleware
from zep_memory_plugin.tables import unindexed

TURNS = 10


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Statements:
    """The statements that an engine sends, transactions taken as one."""

    def __init__(self, engine: Engine) -> None:
        self.reads = self.writes = 0
        self.looks = 0  # of search, now and then, whether many messages wait for its index
        self._in_transaction = False
        event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, connection, cursor, statement: str, *rest) -> None:
        verb = statement.split()[0].upper()
        if verb == "BEGIN":
            self._in_transaction = True
        elif verb in ("COMMIT", "ROLLBACK"):
            self._in_transaction = False
            self.writes += 1
        elif unindexed.name in statement and not self._in_transaction:
            self.looks += 1
        elif not self._in_transaction:
            self.reads += verb == "SELECT"
            self.writes += verb != "SELECT"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("checkpointer", [False, True], ids=["stateless", "checkpointer"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_turn_with_a_round_of_tools_asks_the_database_four_times(
    way: str, checkpointer: bool, engine: Engine
) -> None:
    """The question, the history, the round of tools, the answer: each is one read or one transaction."""
    manager = SessionManager(engine)
    old = [(HumanMessage(f"q{n}"), AIMessage(f"a{n}")) for n in range(500)]
    ZepChatMessageHistory("s", manager).add_messages([message for turn in old for message in turn])
    calls = [{"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}]
    script = [said for n in range(TURNS) for said in (AIMessage("", tool_calls=calls), AIMessage(f"new a{n}"))]
    model = ScriptedModel(script=script)
    memory = ZepMemoryMiddleware(manager, limit=20)
    graph = create_agent(model, [add], middleware=[memory], checkpointer=InMemorySaver() if checkpointer else None)
    statements = Statements(engine)

    for n in range(TURNS):
        value, config = {"messages": [HumanMessage(f"new q{n}")]}, {"configurable": {"thread_id": "s"}}
        asyncio.run(graph.ainvoke(value, config)) if way == "ainvoke" else graph.invoke(value, config)

    new = [text for n in range(TURNS) for text in (f"new q{n}", "", "3", f"new a{n}")]
    assert statements.reads <= TURNS
    assert statements.looks <= 1
    assert statements.writes == 3 * TURNS
    assert texts(ZepChatMessageHistory("s", manager).messages[1000:]) == new
    assert texts(model.shown[-1]) == [*new[-24:-4], *new[-4:-1]]
    assert all(not isinstance(shown[0], ToolMessage) for shown in model.shown)
