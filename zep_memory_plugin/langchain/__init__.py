"""LangChain: histories, runnables, agents and the classic memory on the sessions of a `SessionManager`.

Needs `langchain-core`. What needs more of LangChain is imported when it is first asked for.
"""

from .history import ZepChatMessageHistory, history_factory
from .runnable import with_session_memory

__all__ = ["ZepChatMessageHistory", "history_factory", "with_session_memory"]
