"""The adapters for LlamaIndex, where LlamaIndex itself would take them. Checked, never run."""

from typing import assert_type

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer, Memory
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore

from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import (
    ManagerNotRegistered,
    ZepAsyncChatStore,
    ZepChatStore,
    ZepMemory,
    ZepMemoryBlock,
    ZepRetriever,
    register_manager,
    unregister_manager,
)


def memories(manager: SessionManager, model: LLM) -> None:
    memory = ZepMemory(manager=manager, session_id="a", user_id="alice", max_tokens=4000)
    assert_type(ZepMemory.from_defaults(session_id="a", manager=manager, token_limit=4000), ZepMemory)
    assert_type(memory.manager, SessionManager)
    base: BaseMemory = memory
    assert_type(base.get(), list[ChatMessage])
    SimpleChatEngine.from_defaults(memory=memory, llm=model)


async def agents(memory: ZepMemory, model: LLM) -> None:
    agent = FunctionAgent(llm=model)
    await agent.run("hello", memory=memory)
    assert_type(await memory.aget(), list[ChatMessage])


def stores(manager: SessionManager) -> None:
    store = ZepChatStore(manager=manager, user_id="alice")
    assert_type(store.get_messages("a"), list[ChatMessage])
    ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="a")
    Memory.from_defaults(session_id="a", chat_store=ZepAsyncChatStore(manager=manager, user_id="alice"))
    Memory.from_defaults(session_id="a", memory_blocks=[ZepMemoryBlock(manager=manager, user_id="alice", limit=5)])


def retrievers(manager: SessionManager) -> None:
    retriever = ZepRetriever(manager, user_id="alice", limit=3, metadata={"mood": "glad"}, mode="lexical")
    base: BaseRetriever = retriever
    assert_type(base.retrieve("Lisbon"), list[NodeWithScore])


def registry(manager: SessionManager) -> None:
    assert_type(register_manager("app", manager), SessionManager)
    ZepMemory(manager="app", session_id="a")
    ZepRetriever("app")
    assert_type(unregister_manager("app"), None)
    lookup: type[LookupError] = ManagerNotRegistered
    print(lookup)
