"""Flows that summarise sessions. What a summarizer raises never costs a message."""

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from .. import core, units
from ..errors import InvalidInput, shown
from ..models import Summary
from ..units import Ask, Flow
from . import asking
from .application import Application, log_failure


def summarize(app: Application, session_id: str) -> Flow[None]:
    """Summarise what has left the window of a session; a failure is logged."""
    if app.summarizer is None:
        return
    try:
        previous, messages = yield units.read(core.summaries.due, session_id, app.message_window)
        if messages:
            text = asking.text_of((yield _not_again(app.summarizer(previous, messages), (id(app), session_id))))
            if isinstance(text, str) and not text.strip():
                raise InvalidInput("summarizer", "returned no words, which would take the place of what was said")
            row = core.summaries.written(Summary(content=text), app.token_counter)
            yield units.write(core.summaries.add_of, session_id, row, messages)
    except Exception as error:  # whatever the application's function raises, the messages are stored
        log_failure(f"summarizing session {session_id!r}", error)


_summarized: ContextVar[tuple[tuple[int, str], ...]] = ContextVar("zep_memory_plugin_summarized", default=())
"""The sessions, each with its manager's application, whose summarizer is being called around this code."""


def _not_again(ask: Ask, session: tuple[int, str]) -> Ask:
    """Return *ask*, during which its session takes no messages: each would be summarised in its turn."""
    awaitable = None if ask.awaitable is None else _marked(ask.awaitable, session)
    return Ask(_marked(ask.function, session), ask.arguments, awaitable)


def _marked(function: Callable[..., Any], session: tuple[int, str]) -> Callable[..., Any]:
    """Return *function*, around whose calls the *session* is known as the one that is summarised."""

    def call(*arguments: object) -> Any:
        token = _summarized.set((*_summarized.get(), session))
        try:
            answer = function(*arguments)
        finally:
            _summarized.reset(token)
        return _awaited(answer, session) if inspect.isawaitable(answer) else answer

    return call


async def _awaited(answer: Awaitable[Any], session: tuple[int, str]) -> Any:
    token = _summarized.set((*_summarized.get(), session))
    try:
        return await answer
    finally:
        _summarized.reset(token)


def refuse_summarizer(app: Application, session_id: str) -> None:
    if (id(app), session_id) in _summarized.get():
        raise InvalidInput("summarizer", f"writes to {shown(session_id)}, the session that it is summarizing")
