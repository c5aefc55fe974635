"""Watching units of work: what a watcher of the application is told of each, and what it is not: whose and of what."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from sqlalchemy import URL

from ..types import Operation, Watcher
from ..units import Unit


class Watched:
    """A watcher, and where the units are carried out that it watches."""

    def __init__(self, watcher: Watcher, url: URL) -> None:
        self._watcher = watcher
        self._system = url.get_backend_name()
        self._place = (url.database, url.host, url.port) if url.host else (None, None, None)

    def around(self, unit: Unit) -> AbstractContextManager[object]:
        """Return what the watcher has around *unit*, from its first attempt to its last."""
        return self._watcher(Operation(_name_of(unit.called), unit.writes, self._system, *self._place))


@lru_cache(1_000)
def _name_of(called: Callable[..., Any] | None) -> str:
    """Return the name of a function with that of its module, which are few."""
    module = getattr(called, "__module__", None) or __name__
    name = getattr(called, "__name__", "").strip("_")
    return f"{module.rpartition('.')[2]}.{name}" if name.isidentifier() else module.rpartition(".")[2]
