"""Which session and user a run names: in its config, in the context of an agent's run, or by `use_session`."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig

from .. import context
from ..context import CurrentSession, current_session
from ..errors import InvalidInput

_NAMES = ("session_id", "user_id")

REMEMBERED = "zep_memory_session"
"""Where a run that remembers a session says so to those that are a part of it."""

RUNTIME = "__pregel_runtime"
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
            'is missing; give config={"configurable": {"session_id": "alice-1"}}, or a "thread_id" instead, '
            'or make the call inside `with use_session("alice-1"):`',
        )
    return session


def named_session(configurable: Mapping[str, Any]) -> CurrentSession | None:
    """Return the session that a run's `configurable` or the surrounding `use_session` names, if any.

    A "session_id" goes before a "thread_id". The user of `use_session` is the run's even when the run names another
    session.
    """
    names = (configurable.get(key) for key in ("session_id", "thread_id"))
    session_id = next((name for name in names if name is not None), None)
    if session_id is None and current_session() is None:
        return None
    return context.session_of(session_id, configurable.get("user_id"))


def remembering(session: Mapping[str, Any], config: RunnableConfig) -> RunnableConfig:
    """Return *config* for what a run calls that remembers *session* itself."""
    return {**config, "configurable": {**config.get("configurable", {}), REMEMBERED: session["session_id"]}}


def with_context(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `configurable` of an agent's run with the session and the user that its context names instead."""
    run = getattr(configurable.get(RUNTIME), "context", None)
    names = {key: run.get(key) if isinstance(run, Mapping) else getattr(run, key, None) for key in _NAMES}
    return {**configurable, **{key: name for key, name in names.items() if name is not None}}
