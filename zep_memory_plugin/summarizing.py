"""Calling the application's summarizer: after a write, outside any transaction, and never at a message's cost."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from . import core
from .core.batches import TokenCounter
from .database import Database
from .models import Message, Summary

logger = logging.getLogger(__name__)

Summarizer = Callable[[Summary | None, list[Message]], str | Awaitable[str]]
"""Given the latest summary and the messages to add to it, returns the new summary's text; blocking or async."""


def summarize(
    database: Database, summarizer: Summarizer, session_id: str, window: int, token_counter: TokenCounter
) -> None:
    """Summarise what has left the window of a session; a failure is logged."""
    try:
        previous, messages = database.read(core.summaries.due, session_id, window)
        if not messages:
            return
        text = summarizer(previous, messages)
        content = _awaited(text) if inspect.isawaitable(text) else text
        row = core.summaries.written(Summary(content=content), token_counter)
        database.write(core.summaries.add, session_id, row, messages[-1].uuid)
    except Exception as error:  # whatever the application's function raises, the messages are stored
        _log(session_id, error)


async def asummarize(
    database: Database, summarizer: Summarizer, session_id: str, window: int, token_counter: TokenCounter
) -> None:
    """Summarise what has left the window of a session; a failure is logged. See `summarize`."""
    try:
        previous, messages = await database.aread(core.summaries.due, session_id, window)
        if not messages:
            return
        text = await _called(summarizer, previous, messages)
        row = core.summaries.written(Summary(content=text), token_counter)
        await database.awrite(core.summaries.add, session_id, row, messages[-1].uuid)
    except Exception as error:  # whatever the application's function raises, the messages are stored
        _log(session_id, error)


async def _called(summarizer: Summarizer, previous: Summary | None, messages: list[Message]) -> str:
    if inspect.iscoroutinefunction(summarizer):
        return cast("str", await summarizer(previous, messages))
    text = await asyncio.to_thread(summarizer, previous, messages)
    return await text if inspect.isawaitable(text) else text


def _awaited(text: Awaitable[str]) -> str:
    """Await *text* for a blocking caller, whose own thread may have an event loop running."""
    result: list[str] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(cast("Coroutine[Any, Any, str]", text)))
        except Exception as error:  # handed over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="zep-memory-summarizer")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _log(session_id: str, error: Exception) -> None:
    """Log a failure by its kind alone: its text may hold words of the conversation."""
    logger.warning("summarizing session %r failed: %s", session_id, type(error).__name__)
