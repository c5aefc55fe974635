"""Filters of a search: what a result's metadata has to hold, and when it was created.

They decide about results alone; what a filter keeps out still lends its words to what stands beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...errors import InvalidInput, shown
from ...terms.cutting import plain_words
from ...terms.hits import Hits
from ...terms.texts import text_of
from ...types import JsonScalar
from .. import checks, damage
from . import jsonpath
from .operators import NO_OPERATORS, Operators

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
    operators: Operators = NO_OPERATORS
    part: str = "metadata of message"
    """What is checked, in the words of the log."""

    def __bool__(self) -> bool:
        return any((self.metadata, self.where, self.start, self.end)) or self.operators != NO_OPERATORS

    @property
    def reads_texts(self) -> bool:
        """Whether it asks for words, so that rows need their texts."""
        return bool(self.operators.phrases or self.operators.without)

    def passes(self, row: Any) -> bool:
        """Tell whether a message or summary is a result: a *row* with its text, metadata and moment."""
        created_at = row.created_at or checks.EARLIEST
        if (self.start and created_at < self.start) or (self.end and created_at > self.end):
            return False
        return self._describes(row.metadata, damage.key_of(row)) and self._allows(row)

    def _allows(self, row: Any) -> bool:
        """Tell whether a row says what it has to, and nothing that it must not."""
        asked = self.operators
        if asked.roles and row.role_type not in asked.roles:
            return False
        if not self.reads_texts:
            return True
        text = text_of(row.name, row.content)
        words = plain_words(text) if asked.phrases else ""
        return all(phrase in words for phrase in asked.phrases) and not (asked.without and Hits(asked.without).of(text))

    def _describes(self, metadata: str | None, row: damage.RowKey) -> bool:
        """Tell whether the result that is such a *row* may have this metadata."""
        if not self.metadata and self.where is None:
            return True
        if metadata is None:
            return False
        document = damage.json_object(metadata, self.part, row)
        if document is None:
            return False
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
        self._budget = jsonpath.Budget()

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
            return jsonpath.parsed(value, field, self._budget).matches
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


def _same(value: object, wanted: JsonScalar) -> bool:
    """Tell whether two JSON values are equal and of one type; all numbers are of one."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted
