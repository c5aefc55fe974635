"""Waiting for something to be logged."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Setter(logging.Handler):
    """Sets an event when something is logged in the event's loop."""

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        self._event.set()


@contextmanager
def warned() -> Iterator[asyncio.Event]:
    """Return an event that is set when the package logs a warning."""
    event = asyncio.Event()
    handler = _Setter(event)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("zep_memory_plugin")
    logger.addHandler(handler)
    try:
        yield event
    finally:
        logger.removeHandler(handler)
