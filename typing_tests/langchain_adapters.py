"""The adapters for LangChain, where LangChain itself would take them. Checked, never run."""

from collections.abc import Callable
from typing import Any, assert_type

from langchain.agents import create_agent
from langchain_classic.base_memory import BaseMemory
from langchain_classic.chains import ConversationChain
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import BaseTool

from zep_memory_plugin import SearchResult, SessionManager
from zep_memory_plugin.langchain import (
    ZepChatMessageHistory,
    ZepMemory,
    ZepMemoryMiddleware,
    ZepRetriever,
    history_factory,
    search_memory_tool,
    with_session_memory,
)


def histories(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("a", manager, user_id="alice", window={"limit": 10, "turns": 4})
    base: BaseChatMessageHistory = history
    base.add_messages([HumanMessage("hello")])
    assert_type(history.session_id, str)
    assert_type(history.messages, list[BaseMessage])
    assert_type(history.search("Lisbon", k=3), list[SearchResult])
    assert_type(history_factory(manager, max_tokens=400), Callable[..., ZepChatMessageHistory])


async def histories_async(history: ZepChatMessageHistory) -> None:
    assert_type(await history.aget_messages(), list[BaseMessage])
    assert_type(await history.asearch("Lisbon", k=3), list[SearchResult])


def runnables(manager: SessionManager, model: BaseChatModel, prompt: ChatPromptTemplate) -> None:
    chat = with_session_memory(model, manager)
    assert_type(chat, Runnable[Any, Any])
    chat.invoke("hello", config={"configurable": {"session_id": "a", "user_id": "alice"}})
    chain = prompt | model
    with_session_memory(
        chain, manager, input_messages_key="question", history_messages_key="history", limit=10, max_tokens=400
    )
    with_session_memory(lambda messages: "an answer", manager, output_messages_key="answer")


def agents(manager: SessionManager, model: BaseChatModel) -> None:
    tool = search_memory_tool(manager, limit=3, include_current=True)
    assert_type(tool, BaseTool)
    middleware = ZepMemoryMiddleware(manager, limit=10, max_tokens=400, save_input="end", on_error="log")
    agent = create_agent(model, tools=[tool], middleware=[middleware])
    agent.invoke({"messages": [HumanMessage("hello")]}, config={"configurable": {"thread_id": "a"}})
    ZepMemoryMiddleware(manager, on_error="hide")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def retrievers(manager: SessionManager, prompt: ChatPromptTemplate) -> None:
    retriever = ZepRetriever(
        manager=manager,
        k=3,
        user_id="alice",
        metadata_filter={"mood": "glad"},
        mode="hybrid",
        mmr_lambda=0.5,
        scope="messages",
    )
    base: BaseRetriever = retriever
    assert_type(base.invoke("Lisbon"), list[Document])
    chain = {"context": retriever, "question": RunnablePassthrough[str]()} | prompt
    chain.invoke("Where do I like to be?")


def classic(manager: SessionManager, model: BaseChatModel) -> None:
    memory = ZepMemory(manager=manager, session_id="a", user_id="alice", turns=5, max_tokens=400, return_messages=True)
    base: BaseMemory = memory
    assert_type(memory.memory_variables, list[str])
    ConversationChain(llm=model, memory=base)
