"""The session that surrounds a block of code."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrentSession:
    """The session, and perhaps its user, that `use_session` names."""

    session_id: str
    user_id: str | None = None


_current: ContextVar[CurrentSession | None] = ContextVar("zep_memory_plugin_session", default=None)


@contextmanager
def use_session(session_id: str, *, user_id: str | None = None) -> Iterator[CurrentSession]:
    """Name the session for every adapter called inside the block that was given none, and the user of all of them.

    An adapter that is given a session of its own works in that, for this user unless it is given another.
    Holds for the current thread or task and for the tasks it starts; blocks nest.
    """
    session = CurrentSession(session_id, user_id)
    token = _current.set(session)
    try:
        yield session
    finally:
        _current.reset(token)


def current_session() -> CurrentSession | None:
    """Return the session of the innermost `use_session` block, if any."""
    return _current.get()
