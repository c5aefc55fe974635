"""Every kind of write, on a store that has something for each of them; and what such a store holds."""

import itertools
from collections.abc import Callable
from typing import Any

from tests.support.colours import Caller, SyncCaller
from tests.support.messages import said
from tests.support.tables import Tables
from zep_memory_plugin import Message, Session, SessionManager, Summary, User

Write = Callable[[Caller, str], object]
"""A write of a caller to the session of a name, and to what `fill` put beside it."""


def blocking(url: str) -> SyncCaller:
    """Open a manager on *url* for blocking calls."""
    return SyncCaller(SessionManager(url), Tables(url))


def fill(caller: Caller, name: str = "s", count: int = 5) -> None:
    """Store a session of the user "of NAME" with messages and a summary, a soft-deleted one beside it, and a user."""
    caller.add_user(User(user_id=f"user of {name}"))
    stored = caller.add_memory(name, numbered(name, count), user_id=f"of {name}")
    caller.add_summary(name, Summary(content=f"summary of {name}"), until_uuid=stored[1].uuid)
    caller.add_memory(f"deleted {name}", numbered(f"deleted {name}", count))
    caller.delete_session(f"deleted {name}")


def numbered(name: str, count: int, after: int = 0) -> list[Message]:
    """Return *count* messages, each with its session's name and its number."""
    return said(*(f"{name} number {number}" for number in range(after + 1, after + count + 1)))


def _uuid(caller: Caller, name: str, position: int) -> Any:
    return caller.list_messages(name)[position].uuid


WRITES: dict[str, Write] = {
    "append": lambda caller, name: caller.add_memory(name, numbered(name, 3, 100)),
    "append many": lambda caller, name: caller.add_memory(name, numbered(name, 300, 100)),
    "append to a new session": lambda caller, name: caller.add_memory(f"new {name}", numbered(name, 3)),
    "append to a deleted session": lambda caller, name: caller.add_memory(f"deleted {name}", numbered(name, 3, 100)),
    "replace": lambda caller, name: caller.replace_memory(name, numbered(name, 4, 200)),
    "change a message": lambda caller, name: caller.update_message(name, _uuid(caller, name, 2), content="changed"),
    "delete messages": lambda caller, name: caller.delete_messages(name, [_uuid(caller, name, 1)]),
    "delete a slice": lambda caller, name: caller.delete_slice(name, -2),
    "archive": lambda caller, name: caller.archive_messages(name, 2),
    "rewind": lambda caller, name: caller.rewind_session(name, _uuid(caller, name, 1)),
    "switch the branch": lambda caller, name: caller.switch_branch(name, _uuid(caller, name, 1)),
    "clear": lambda caller, name: caller.clear_memory(name),
    "fork": lambda caller, name: caller.fork_session(name, f"fork of {name}"),
    "rename": lambda caller, name: caller.rename_session(name, f"other {name}"),
    "summarise": lambda caller, name: caller.add_summary(name, Summary(content="all of it")),
    "add a session": lambda caller, name: caller.add_session(Session(session_id=f"new {name}")),
    "change a session": lambda caller, name: caller.update_session(Session(session_id=name, metadata={"a": 1})),
    "append with a state": lambda caller, name: caller.add_memory(name, numbered(name, 3, 100), state="[2]"),
    "set a state": lambda caller, name: caller.set_state(name, "[2]"),
    "set the state of a user": lambda caller, name: caller.set_user_state(f"user of {name}", "[2]"),
    "delete a session": lambda caller, name: caller.delete_session(name),
    "restore a session": lambda caller, name: caller.restore_session(f"deleted {name}"),
    "add a user": lambda caller, name: caller.add_user(User(user_id=f"new {name}")),
    "change a user": lambda caller, name: caller.update_user(User(user_id=f"user of {name}", email="a@example.org")),
    "erase a user": lambda caller, name: caller.delete_user(f"of {name}"),
    "purge": lambda caller, name: caller.purge(),
    "rebuild search": lambda caller, name: caller.rebuild_search(),
}

SOME_WRITES = {
    name: WRITES[name] for name in ("append", "append to a new session", "replace", "change a session", "purge")
}
"""One of each way of sending: a single statement, a transaction, a flow of several."""


class Stores:
    """Filled stores beside each other in one database, each for one attempt at a write."""

    def __init__(self, caller: Caller, write: Write) -> None:
        self._caller = caller
        self._names = (f"store-{number}-" for number in itertools.count())
        name = self.new()
        self.before = self.contents(name)
        write(caller, name)
        self.after = self.contents(name)

    def new(self) -> str:
        """Fill another store, and return its name."""
        name = next(self._names)
        fill(self._caller, name)
        return name

    def contents(self, name: str) -> dict[str, Any]:
        """Return what a store holds, but for its name, moments and ids."""
        of_store = [session for session in self._caller.list_sessions() if name in session.session_id]
        deleted = [session.session_id for session in self._caller.list_sessions(deleted=True)]
        users = [(user.user_id, user.email) for user in self._caller.list_users()]
        return {
            "sessions": [_session(self._caller, session, name) for session in of_store],
            "deleted": [session_id.replace(name, "") for session_id in deleted if name in session_id],
            "users": [(user_id.replace(name, ""), email) for user_id, email in users if name in user_id],
        }


def _session(caller: Caller, session: Session, name: str) -> dict[str, Any]:
    session_id = session.session_id
    return {
        "session": session_id.replace(name, ""),
        "user": session.user_id and session.user_id.replace(name, ""),
        "metadata": session.metadata,
        "messages": [(message.seq, message.content.replace(name, "")) for message in caller.list_messages(session_id)],
        "archived": len(caller.slice_messages(session_id, status="archived")),
        "summaries": [
            (summary.seq, summary.content.replace(name, "")) for summary in caller.list_summaries(session_id)
        ],
    }
