"""Interrupting a call at any moment, and at each of them."""

import sys
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupt(KeyboardInterrupt):
    """Ctrl-C, as a test sends it."""


def _anywhere(frame: FrameType) -> bool:
    return True


def interrupted_at(
    moment: int, call: Callable[[], object], within: Callable[[FrameType], bool] = _anywhere
) -> Interrupt | None:
    """Make a *call* that is interrupted before the line of Python number *moment* that it comes to.

    Lines count in the frames *within* which they do. Return the interrupt, with the traceback that keeps all frames, or
    None when the call ended sooner.
    """
    left = moment
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if event == "line" and within(frame):
            left -= 1
            if left == 0:
                raise Interrupt
        return trace

    hook = sys.unraisablehook
    sys.unraisablehook = deque[Any](maxlen=0).append  # of C: pytest's own has lines, and its interrupt fails the test
    sys.settrace(trace)
    try:
        call()
    except Interrupt as error:
        return error
    finally:
        sys.settrace(before)
        sys.unraisablehook = hook
    return None


def moments_of(call: Callable[[], object]) -> int:
    """Return how many lines of Python a *call* comes to."""
    count = 0
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
