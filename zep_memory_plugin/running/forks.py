"""What is done around a fork of the process, by the rule in `connections`."""

import os
import time
from typing import Protocol

from ..databases.protocol import FileId
from .living import Living

PATIENCE = 10.0
"""Seconds that a fork waits for units of work that are under way."""


class Forking(Protocol):
    """Who has connections, threads and locks."""

    def halt(self) -> None:
        """Let what is to begin wait."""
        ...

    def let_go(self, deadline: float) -> None:
        """Close, by the monotonic *deadline*, what must not be open over a fork."""
        ...

    def left_open(self, deadline: float) -> FileId | None:
        """Return the file that is still open then, when all have let go."""
        ...

    def go_on(self) -> None:
        """Go on in the parent."""
        ...

    def start_anew(self) -> None:
        """Start in the child, with nothing of the parent's."""
        ...


_known: Living[Forking] = Living()
_under_way: list[None] = []
_left_open: set[FileId] = set()


def register(forking: Forking) -> None:
    """Ask *forking*, for as long as it lives, around every fork."""
    _known.add(forking)


def left_open(file: FileId | None) -> bool:
    """Tell whether the parent, when this process was forked from it, could not close its connections to *file*."""
    return file in _left_open


def leave_open(files: set[FileId]) -> None:
    """Take in that the parent has connections to *files*."""
    _left_open.update(files)


def _before() -> None:
    _under_way.append(None)
    forking = list(_known)
    for each in forking:
        each.halt()
    deadline = time.monotonic() + PATIENCE
    for each in forking:
        each.let_go(deadline)
    leave_open({file for each in forking if (file := each.left_open(deadline)) is not None})


def _after_in_parent() -> None:
    _under_way.pop()
    if _under_way:  # another thread forks, too
        return
    _left_open.clear()
    for each in _known:
        each.go_on()


def _after_in_child() -> None:
    _under_way.clear()
    for each in _known:
        each.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
