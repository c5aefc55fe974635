"""Which session a run belongs to."""

from collections.abc import Mapping
from typing import Any

from ..context import CurrentSession, current_session
from ..errors import InvalidInput

_NAMES = ("session_id", "user_id")

_RUNTIME = "__pregel_runtime"
"""Where LangGraph keeps the runtime of a run, which has its context; read by key, as LangGraph may not be installed."""


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
    """Return the session that a run's `configurable` or the surrounding `use_session` names, if any.

    The user of `use_session` is the run's even when the run names another session.
    """
    user_id = named_user(configurable)
    for key in ("session_id", "thread_id"):
        if configurable.get(key) is not None:
            return CurrentSession(configurable[key], user_id)
    current = current_session()
    return current and CurrentSession(current.session_id, user_id)


def named_user(configurable: Mapping[str, Any]) -> str | None:
    """Return the user that a run's `configurable` or the surrounding `use_session` names, if any."""
    user_id: str | None = configurable.get("user_id")
    if user_id is not None:
        return user_id
    current = current_session()
    return None if current is None else current.user_id


def with_context(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `configurable` of an agent's run with the session and the user that its context names instead."""
    context = getattr(configurable.get(_RUNTIME), "context", None)
    named = {key: context.get(key) if isinstance(context, Mapping) else getattr(context, key, None) for key in _NAMES}
    return {**configurable, **{key: value for key, value in named.items() if value is not None}}
