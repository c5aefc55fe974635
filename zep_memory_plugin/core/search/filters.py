"""Filters of a search: what a result's metadata has to hold, and when it was created.

They decide about results alone; what a filter keeps out still lends its words to what stands beside it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...dialects import JsonScalar
from ...errors import InvalidInput, shown
from . import jsonpath

DEEPEST_WHERE = 16
"""Levels of groups in a `where`."""

MOST_CONDITIONS = 1_000
"""Nodes of a `where`."""

Condition = Callable[[Any], bool]
"""Tells whether metadata meets a condition."""

_KEYS = ("jsonpath", "and", "or")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a result has to meet, checked; None does not matter."""

    metadata: dict[str, JsonScalar] | None = None
    where: Condition | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __bool__(self) -> bool:
        return any((self.metadata, self.where, self.start, self.end))

    def passes(self, created_at: datetime, metadata: str | None) -> bool:
        """Tell whether a message or summary with these columns is a result."""
        if (self.start and created_at < self.start) or (self.end and created_at > self.end):
            return False
        return self.describes(metadata)

    def describes(self, metadata: str | None) -> bool:
        """Tell whether a result may have this metadata."""
        if not self.metadata and self.where is None:
            return True
        if metadata is None:
            return False
        document = json.loads(metadata)
        if not all(key in document and _same(document[key], value) for key, value in (self.metadata or {}).items()):
            return False
        return self.where is None or self.where(document)


def condition(where: object) -> Condition | None:
    """Check a `where` and return what it asks for; None when it restricts nothing.

    A node is an object with any of `jsonpath`, a path that has to lead to something, `and` and `or`, lists of nodes.
    All parts of a node have to hold; empty nodes and lists restrict nothing.

    Raises:
        InvalidInput: it is no such object; the message says where.
    """
    return None if where is None else _Checker().node(where, "where", 1)


class _Checker:
    """Checks the nodes of one `where`."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, node: object, field: str, level: int) -> Condition | None:
        """Check one node."""
        if not isinstance(node, Mapping):
            raise InvalidInput(field, f"is of type {type(node).__name__}, not an object")
        self._count(level)
        for key in node:
            if key not in _KEYS:
                raise InvalidInput(field, f"has the key {shown(key)}; known keys are {', '.join(_KEYS)}")
        parts = [self._part(key, node[key], f"{field}.{key}", level) for key in node]
        return _all_of([part for part in parts if part is not None])

    def _part(self, key: str, value: object, field: str, level: int) -> Condition | None:
        if key == "jsonpath":
            return jsonpath.parsed(value, field).matches
        if not isinstance(value, list | tuple):
            raise InvalidInput(field, f"is of type {type(value).__name__}, not a list")
        nodes = [self.node(node, f"{field}[{position}]", level + 1) for position, node in enumerate(value)]
        conditions = [node for node in nodes if node is not None]
        return _all_of(conditions) if key == "and" else _any_of(conditions)

    def _count(self, level: int) -> None:
        self._nodes += 1
        if level > DEEPEST_WHERE:
            raise InvalidInput("where", f"has groups more than {DEEPEST_WHERE} levels deep")
        if self._nodes > MOST_CONDITIONS:
            raise InvalidInput("where", f"has more than {MOST_CONDITIONS} nodes")


def _all_of(conditions: list[Condition]) -> Condition | None:
    return (lambda metadata: all(holds(metadata) for holds in conditions)) if conditions else None


def _any_of(conditions: list[Condition]) -> Condition | None:
    return (lambda metadata: any(holds(metadata) for holds in conditions)) if conditions else None


def _same(there: object, wanted: JsonScalar) -> bool:
    """Tell whether two JSON values are equal and of one type; all numbers are of one."""
    if isinstance(there, bool) or isinstance(wanted, bool):
        return there is wanted
    return there == wanted
