"""LlamaIndex on sessions: memories and chat stores that keep conversations in the application's database."""

from .async_chat_store import ZepAsyncChatStore
from .chat_store import ZepChatStore
from .memory import ZepMemory
from .memory_block import ZepMemoryBlock
from .registry import ManagerNotRegistered, register_manager, unregister_manager
from .retriever import ZepRetriever
from .search_tool import search_memory_tool

__all__ = [
    "ManagerNotRegistered",
    "ZepAsyncChatStore",
    "ZepChatStore",
    "ZepMemory",
    "ZepMemoryBlock",
    "ZepRetriever",
    "register_manager",
    "search_memory_tool",
    "unregister_manager",
]
