"""Moments inside a call at which something may happen to it: each statement, and each step of a driver.

Nothing is replaced for that. Statements are seen by events of SQLAlchemy, for all engines there are; steps by the
profiler of Python, which may raise where a signal's handler could.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

from sqlalchemy import Engine, Pool, event

When = Literal["before", "after"]
Act = Callable[[str], object]


@contextmanager
def statements(act: Act, when: When = "before") -> Iterator[None]:
    """Call *act* with the text of each statement, before or after it is executed, in whichever thread that is."""

    def see(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        act(statement)

    name = f"{when}_cursor_execute"
    event.listen(Engine, name, see)
    try:
        yield
    finally:
        event.remove(Engine, name, see)


@contextmanager
def traced(act: Act) -> Iterator[None]:
    """Call *act* with the text of each statement that SQLite begins on connections that are made in the block.

    Unlike an event, that changes nothing in the way that a statement takes there; *act* cannot raise.
    """

    def trace(connection: Any, _: Any) -> None:
        if hasattr(connection, "run_async"):
            connection.run_async(lambda driver: driver.set_trace_callback(act))
        else:
            connection.set_trace_callback(act)

    event.listen(Pool, "connect", trace)
    try:
        yield
    finally:
        event.remove(Pool, "connect", trace)


class Nth:
    """Does something the *number*-th time that it is called, from 1 on, and counts."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self.count = 0
        self._number = number
        self._act = act

    def __call__(self, _: str = "") -> None:
        self.count += 1
        if self.count == self._number:
            self._act()

    @property
    def came(self) -> bool:
        """Whether its turn has come."""
        return self.count >= self._number


class Interrupted(BaseException):
    """What the handler of some signal raises; KeyboardInterrupt is another."""


def _is_step(frame: FrameType, kind: str, argument: Any, modules: tuple[str, ...]) -> bool:
    """Tell whether this is a way into or out of *modules*, rather than one inside of them."""
    if kind in ("call", "return"):
        return _is_of(frame, modules) and not _is_inside(frame.f_back, modules)
    return type(getattr(argument, "__self__", None)).__module__.startswith(modules) and not _is_inside(frame, modules)


def _is_of(frame: FrameType, modules: tuple[str, ...]) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(modules)


def _is_inside(frame: FrameType | None, modules: tuple[str, ...]) -> bool:
    while frame is not None and not _is_of(frame, modules):
        frame = frame.f_back
    return frame is not None


@contextmanager
def interrupted_at(
    number: int, error: type[BaseException], modules: tuple[str, ...] = ("sqlite3", "psycopg")
) -> Iterator[Nth]:
    """Raise *error* in this thread at the *number*-th step into or out of a function of *modules*.

    That is where Python runs the handler of a signal that arrived meanwhile.
    """

    def interrupt() -> None:
        sys.setprofile(None)
        raise error

    turn = Nth(number, interrupt)

    def see(frame: FrameType, kind: str, argument: Any) -> None:
        if _is_step(frame, kind, argument, modules):
            turn()

    sys.setprofile(see)
    try:
        yield turn
    finally:
        sys.setprofile(None)
