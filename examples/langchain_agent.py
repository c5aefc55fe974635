"""A LangChain agent with tools that remembers, without a checkpointer and with one.

python examples/langchain_agent.py                                   # on a temporary SQLite file
python examples/langchain_agent.py --database postgresql://localhost/app
"""

import argparse
import tempfile
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from zep_memory_plugin import SessionManager, SessionOwnedByAnotherUser
from zep_memory_plugin.langchain import ZepMemoryMiddleware


@tool
def temperature(city: str) -> str:
    """Tell the temperature in a city."""
    return f"{14 + len(city)} degrees in {city}"


class WeatherModel(BaseChatModel):
    """Stands in for a model: asks the tool about the last word it was told, and says what came back."""

    @property
    def _llm_type(self) -> str:
        return "weather"

    def bind_tools(self, tools: Any, **kwargs: Any) -> "WeatherModel":
        """Know the tools without being told."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            cities = [message.text for message in messages if isinstance(message, ToolMessage)]
            return AIMessage(f"It has {cities[-1]}. I have looked up {len(cities)} so far.")
        city = messages[-1].text.rstrip("?").split()[-1]
        return AIMessage(
            "", tool_calls=[{"name": "temperature", "args": {"city": city}, "id": f"call-{len(messages)}"}]
        )


@dataclass
class Context:
    """What each run is told."""

    session_id: str
    user_id: str


def main() -> None:
    """Run every step on the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a database to use instead of a temporary file")
    database = parser.parse_args().database
    with tempfile.TemporaryDirectory() as folder, SessionManager(database or f"sqlite:///{folder}/zep.db") as manager:
        memory = ZepMemoryMiddleware(manager, limit=20)
        without_checkpointer(memory)
        with_checkpointer(memory)
        of_another_user(memory)
        for message in manager.list_messages("trip")[:4]:
            print("stored  ", message.role, message.content or message.tool_calls)


def without_checkpointer(memory: ZepMemoryMiddleware) -> None:
    """Every run is new to the agent; what was said before comes from the session."""
    agent = create_agent(WeatherModel(), [temperature], middleware=[memory], context_schema=Context)
    for question in ("How warm is Lisbon?", "And Porto?"):
        state = agent.invoke({"messages": [HumanMessage(question)]}, context=Context("trip", "alice"))
        print("agent   ", state["messages"][-1].text)


def with_checkpointer(memory: ZepMemoryMiddleware) -> None:
    """A new thread goes on with the session; its own turns come from the checkpointer, and are stored once."""
    agent = create_agent(
        WeatherModel(), [temperature], middleware=[memory], context_schema=Context, checkpointer=InMemorySaver()
    )
    thread: RunnableConfig = {"configurable": {"thread_id": "thread-1"}}
    for question in ("And Faro?", "And Braga?"):
        state = agent.invoke({"messages": [HumanMessage(question)]}, thread, context=Context("trip", "alice"))
        print("thread  ", state["messages"][-1].text)
    print("state   ", f"{len(state['messages'])} messages: those of the thread alone")


def of_another_user(memory: ZepMemoryMiddleware) -> None:
    """A session belongs to one user."""
    agent = create_agent(WeatherModel(), [temperature], middleware=[memory], context_schema=Context)
    try:
        agent.invoke({"messages": [HumanMessage("What did Alice ask?")]}, context=Context("trip", "mallory"))
    except SessionOwnedByAnotherUser as error:
        print("refused ", error)


if __name__ == "__main__":
    main()
