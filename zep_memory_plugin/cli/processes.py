"""Commands that go on until they are told to end: `purge --every` and `retain --every`."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import TypeVar

from pydantic import BaseModel

from ..manager import SessionManager
from .printing import print_json, say

T = TypeVar("T", bound=BaseModel)


def until_told(manager: SessionManager, work: Callable[[], None]) -> None:
    """Do *work*, which ends with *manager*, in a thread until a signal; a batch that is under way comes to its end."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("zep_memory_plugin").setLevel(logging.INFO)
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work)
        done.add_done_callback(lambda _: stopped.set())
        stopped.wait()
        manager.close()
        done.result()
    say("stopped")


def saying(line: Callable[[T], str], *, as_json: bool) -> Callable[[T], None]:
    """Return what prints a report, as JSON for a pipe that waits for it, or as the *line* that it comes to."""

    def print_report(report: T) -> None:
        print_json([report])
        sys.stdout.flush()

    return print_report if as_json else lambda report: say(line(report))
