"""Keeping Ctrl-C out of asyncpg while it sends.

It would swallow an interrupt then, not know which statement it has sent, and crash at the answer, or wait for one that
never comes. So its connection ends instead, and the event loop raises the interrupt.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, NoReturn


def guard(transport: Any) -> None:
    """Let the asyncio *transport* of a new connection raise no interrupt into whoever writes to it."""
    if hasattr(transport, "__dict__"):  # a transport in C, as uvloop's, lets none come up
        sending = _sending(transport, transport.write, asyncio.get_running_loop())
        next(sending)
        transport.write = sending.send


def _sending(
    transport: Any, write: Callable[[Any], object], loop: asyncio.AbstractEventLoop
) -> Generator[None, Any, None]:
    """Write what is sent here: a generator, as what comes up when one is resumed is raised inside of its `try`."""
    try:
        while True:
            write((yield))
    except (KeyboardInterrupt, SystemExit) as interrupt:
        del transport.write
        transport.abort()
        loop.call_soon(_raise, interrupt)
    yield


def _raise(interrupt: BaseException) -> NoReturn:
    raise interrupt
