"""Which session a run belongs to."""

from collections.abc import Mapping
from typing import Any

from ..context import CurrentSession, current_session
from ..errors import InvalidInput


def session_of(configurable: Mapping[str, Any]) -> CurrentSession:
    """Return the session that a run's `configurable` names, else that of the surrounding `use_session`.

    Raises:
        InvalidInput: neither names one.
    """
    session = named_session(configurable)
    if session is None:
        raise InvalidInput(
            "session_id",
            'is missing; give config={"configurable": {"session_id": "alice-1"}}, or a "thread_id" in its place, '
            'or make the call inside `with use_session("alice-1"):`',
        )
    return session


def named_session(configurable: Mapping[str, Any]) -> CurrentSession | None:
    """Return the session that a run's `configurable` or the surrounding `use_session` names, if any."""
    user_id = configurable.get("user_id")
    for key in ("session_id", "thread_id"):
        if configurable.get(key) is not None:
            return CurrentSession(configurable[key], user_id)
    current = current_session()
    return current and CurrentSession(current.session_id, current.user_id if user_id is None else user_id)
