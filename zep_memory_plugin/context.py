"""The session that surrounds a block of code, and what it means for an adapter that is called inside."""

from dataclasses import dataclass

from .blocks import Block, Blocks
from .errors import InvalidInput
from .types import SearchOptions


@dataclass(frozen=True, slots=True)
class CurrentSession:
    """The session, and perhaps its user, that `use_session` names."""

    session_id: str
    user_id: str | None = None


_blocks: Blocks[CurrentSession] = Blocks("zep_memory_plugin_session", outlive=True)


def use_session(session_id: str, *, user_id: str | None = None) -> Block[CurrentSession]:
    """Name the session for every adapter called inside the block that was given none, and the user of all of them.

    An adapter that is given a session of its own works in that, for this user unless it is given another.
    Holds for the current thread or task and for the tasks it starts, which keep it after the block, too; blocks nest,
    and one may be entered again. In a generator it holds for the generator's own steps, whoever makes them, and not for
    what runs between them.
    """
    return Block(_blocks, CurrentSession(session_id, user_id))


def current_session() -> CurrentSession | None:
    """Return the session of the innermost `use_session` block, if any."""
    return _blocks.innermost()


def user_of(user_id: str | None) -> str | None:
    """Return the user that an adapter works for: *user_id* that it was given, else that of `use_session`, if any."""
    current = current_session()
    return current.user_id if user_id is None and current is not None else user_id


def session_of(session_id: str | None, user_id: str | None) -> CurrentSession:
    """Return the session and the user that an adapter works in and for, of which it was given one, both or neither.

    1. What it was given counts.
    2. What it was not given is that of the surrounding `use_session`. (In `use_session("b-1", user_id="bob")` one that
       was given the session "a-1" works in it for Bob, to whom it is refused when it is Alice's.)

    Raises:
        InvalidInput: neither names a session.
    """
    current = current_session()
    if session_id is not None:
        return CurrentSession(session_id, user_of(user_id))
    if current is None:
        raise InvalidInput("session_id", 'is missing; give one, or make the call inside `with use_session("alice-1"):`')
    return CurrentSession(current.session_id, user_of(user_id))


def scope_of(session_id: str | None, user_id: str | None, *, all_users: bool = False) -> SearchOptions:
    """Return where a retriever looks, of which it was given a session, a user, both or neither.

    1. Given a session it looks in that, for its user or that of the surrounding `use_session`.
    2. Given only a user it looks in all sessions of that user.
    3. Given neither it looks in the session of `use_session`; outside of such a block it is refused, as else whoever
       forgets to name a user would be shown what all users said.
    4. With *all_users* it looks wherever it was given, else everywhere, whatever surrounds it.

    Raises:
        InvalidInput: nothing names a session or a user.
    """
    if all_users or (session_id is None and user_id is not None):
        return {"session_id": session_id, "user_id": user_id}
    if session_id is None and current_session() is None:
        raise InvalidInput(
            "user_id",
            "is missing; give the retriever a user_id or a session_id, make the call inside "
            '`with use_session("alice-1"):`, or give all_users=True to look in the sessions of everyone',
        )
    session = session_of(session_id, user_id)
    return {"session_id": session.session_id, "user_id": session.user_id}
