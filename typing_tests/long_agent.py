"""An agent of many turns, with a summary, as an application writes it: without a cast. Checked, never run."""

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms.function_calling import FunctionCallingLLM

from zep_memory_plugin import DEFAULT_MAX_TOKENS, Message, SessionManager, Summary, use_session
from zep_memory_plugin.langchain import ZepMemoryMiddleware, search_memory_tool
from zep_memory_plugin.llama_index import ZepMemory, register_manager
from zep_memory_plugin.llama_index import search_memory_tool as llama_index_search_memory_tool


def summarize(latest: Summary | None, messages: list[Message]) -> str:
    last = messages[-1]
    return f"{latest.content if latest else ''} Until {last.created_at:%Y-%m-%d}: {last.content}"


manager = register_manager("app", SessionManager("sqlite://", summarizer=summarize, message_window=40))


def run(model: BaseChatModel, turns: int) -> int:
    memory = ZepMemoryMiddleware(manager, turns=20, max_tokens=DEFAULT_MAX_TOKENS)
    agent = create_agent(model, [search_memory_tool(manager)], middleware=[memory], checkpointer=InMemorySaver())
    for turn in range(turns):
        with use_session("long", user_id="alice"):
            asked = HumanMessage(f"question {turn}")
            agent.invoke({"messages": [asked]}, {"configurable": {"thread_id": "long"}})
    shown = manager.prompt_memory("long", user_id="alice")
    covered = shown.summary.seq if shown.summary else 0
    return covered + sum(message.token_count for message in shown.messages)


async def run_of_llama_index(llm: FunctionCallingLLM, turns: int) -> int:
    memory = ZepMemory(manager="app", session_id="long", user_id="alice", max_tokens=8000)
    agent = FunctionAgent(llm=llm, tools=[llama_index_search_memory_tool("app", user_id="alice")])
    for turn in range(turns):
        await agent.run(f"question {turn}", memory=memory)
    return len(memory.get())
