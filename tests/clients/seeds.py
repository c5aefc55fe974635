"""What no client can bring about: summaries, and a purge between two of its calls."""

from zep_memory_plugin import Message, SessionManager, Summary

CLIENTS = ("python", "typescript")
"""Who finds sessions of its own, whose ids begin with its name."""


def plant(database: str) -> None:
    """Store in *database* what the rows M5, D4, D5 and D6 begin with."""
    with SessionManager(database, summarizer=_summarize, message_window=4) as manager:
        for client in CLIENTS:
            manager.add_memory(f"{client}-summarized", [_said(str(number)) for number in range(30)])
            manager.add_memory(f"{client}-revived", [_said("old")])
            manager.add_memory(f"{client}-purged", [_said("old")])
        for client in CLIENTS:
            manager.delete_session(f"{client}-revived")
            manager.delete_session(f"{client}-purged")
            manager.add_memory(f"{client}-revived", [_said("new")])
        manager.purge()
        for client in CLIENTS:
            manager.add_memory(f"{client}-deleted", [_said("old")])
            manager.delete_session(f"{client}-deleted")


def _said(text: str) -> Message:
    return Message(role="human", content=text)


def _summarize(previous: Summary | None, messages: list[Message]) -> str:
    return f"{len(messages)} messages"
