"""A pytest plugin that puts our history instead of LangChain's own, in the tests of langchain-core."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import langchain_core.chat_history
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from langchain_core.messages import BaseMessage

from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory


class StoredHistory(ZepChatMessageHistory):
    """A new session for each history, made and compared as `InMemoryChatMessageHistory` is, but for ids and times."""

    manager: SessionManager

    def __init__(self, *, messages: Sequence[BaseMessage] = ()) -> None:
        super().__init__(uuid4().hex, self.manager)
        if messages:  # also in a running event loop, where I/O would hold it up
            self.add_messages(messages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredHistory) and self._said == other._said

    @property
    def _said(self) -> list[BaseMessage]:
        return [message.model_copy(update={"id": None, "response_metadata": {}}) for message in self.messages]

    __hash__ = ZepChatMessageHistory.__hash__


langchain_core.chat_history.InMemoryChatMessageHistory = StoredHistory  # before the tests import it


@pytest.fixture(autouse=True)
def a_database(tmp_path) -> Iterator[None]:
    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        StoredHistory.manager = manager
        yield


@pytest.fixture(autouse=True)
def nothing_blocks_the_event_loop(a_database: None) -> Iterator[BlockBuster]:
    """Let a call that blocks fail when LangChain makes it on the event loop."""
    with blockbuster_ctx("langchain_core") as watched:
        for function in ("os.stat", "os.path.abspath"):
            watched.functions[function].can_block_in("langchain_core/_api/internal.py", "is_caller_internal")
            watched.functions[function].can_block_in("langchain_core/runnables/base.py", "__repr__")
        yield watched
