"""What the database does with the statements of a call: which tables and indexes it reads, and how many rows."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from zep_memory_plugin import SessionManager


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it was sent."""

    text: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Scan:
    """A table that a statement reads."""

    by_index: bool
    rows: int | None
    """Rows read; known on Postgres only."""


def sent(manager: SessionManager, call: Callable[[], object]) -> list[Statement]:
    """Return the statements that *call* sends through the blocking connections of *manager*."""
    statements: list[Statement] = []

    def remember(connection: Any, cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        statements.append(Statement(text, parameters))

    engine = manager._runner.read(lambda connection: connection.engine)
    event.listen(engine, "before_cursor_execute", remember)
    try:
        call()
    finally:
        event.remove(engine, "before_cursor_execute", remember)
    return statements


def scans(manager: SessionManager, call: Callable[[], object]) -> list[Scan]:
    """Return what the statements of *call*, all of them reads, look at."""
    statements = sent(manager, call)
    return manager._runner.read(lambda connection: [scan for each in statements for scan in _scans(connection, each)])


def _scans(connection: Connection, statement: Statement) -> Iterator[Scan]:
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters)
        steps = (str(row[3]) for row in plan)
        return (Scan("USING" in step and "SEARCH" in step, None) for step in steps if re.match("SEARCH|SCAN", step))
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"
    document = connection.exec_driver_sql(explain, statement.parameters).scalar_one()
    nodes = document if isinstance(document, list) else json.loads(document)
    return _nodes(nodes[0]["Plan"])


def _nodes(node: dict[str, Any]) -> Iterator[Scan]:
    if "Index Name" in node or node["Node Type"] == "Seq Scan":
        rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        yield Scan("Index Cond" in node, int(rows))
    for child in node.get("Plans", ()):
        yield from _nodes(child)
