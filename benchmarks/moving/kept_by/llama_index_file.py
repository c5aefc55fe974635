"""LlamaIndex's `SimpleChatStore`, in the file that it persists."""

from llama_index.core.storage.chat_store import SimpleChatStore

from ..spoken import Talks
from ._llama_index import all_said, message


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""
    store = SimpleChatStore()
    for session, said in talks:
        store.set_messages(session, [message(each) for each in said])
    store.persist(place)


def read(place: str) -> Talks:
    """Read each session as an application does."""
    store = SimpleChatStore.from_persist_path(place)
    for key in sorted(store.get_keys()):
        yield key, all_said(store.get_messages(key))
