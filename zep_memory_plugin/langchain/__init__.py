"""LangChain: histories, runnables, retrievers, agents and the classic memory on the sessions of a `SessionManager`.

Needs `langchain-core`. What needs more of LangChain is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .history import ZepChatMessageHistory, history_factory
from .retriever import ZepRetriever
from .runnable import with_session_memory
from .search_tool import search_memory_tool

if TYPE_CHECKING:
    from .memory import ZepMemory
    from .middleware import ZepMemoryMiddleware

__all__ = [
    "ZepChatMessageHistory",
    "ZepMemory",
    "ZepMemoryMiddleware",
    "ZepRetriever",
    "history_factory",
    "search_memory_tool",
    "with_session_memory",
]

_LATER = {"ZepMemory": ("memory", "langchain-classic"), "ZepMemoryMiddleware": ("middleware", "langchain")}
"""Names that need more than `langchain-core`: their module, and the distribution that it needs."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, distribution = _LATER[name]
    try:
        return getattr(import_module(f".{module}", __name__), name)
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} needs {error.name}; `pip install {distribution}` gets it") from error
