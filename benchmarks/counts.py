"""What does not depend on the machine: statements, and rows that a read looks at."""

from collections.abc import AsyncIterator

from zep_memory_plugin import SessionManager

from .peers.zep import ZepBlocking
from .places import Kind
from .plans import scans, sent
from .report import Count, Table
from .run import Run
from .workload import SESSION, WINDOW

STATEMENTS: dict[Kind, int] = {"sqlite": 5, "postgres": 1}
"""Statements of an append: on SQLite BEGIN, one each for the session, the messages and their index, COMMIT."""

BY_INDEX: dict[Kind, int] = {"sqlite": 2, "postgres": 1}
"""Of one session Postgres reads the table of sessions."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Count on every database."""
    for kind in run.places.kinds:
        contender = ZepBlocking(run.places.make(kind))
        contender.fill(SESSION, run.scale.session)
        run.places.settle()
        counts = _counts(kind, contender, contender.manager)
        contender.close()
        title = f"What a call makes the database do, session of {run.scale.session:,}: {kind}"
        yield Table("counts", title, "The same on every machine", "per second", [], counts=counts)


def _counts(kind: Kind, contender: ZepBlocking, manager: SessionManager) -> list[Count]:
    appended = sent(manager, lambda: contender.append_turn(SESSION))
    read = sent(manager, lambda: contender.read_newest(SESSION))
    seen = scans(manager, lambda: contender.read_newest(SESSION))
    counts = [
        Count("statements of an append", len(appended), STATEMENTS[kind]),
        Count("statements of a read", len(read), 1),
        Count("tables or indexes that a read looks at, for where a session ends and its messages", len(seen), 2),
        Count("of them by a range of an index", sum(scan.by_index for scan in seen), BY_INDEX[kind]),
    ]
    rows = [scan.rows for scan in seen if scan.rows is not None]
    return [*counts, Count(f"rows that a read of {WINDOW} looks at", sum(rows), WINDOW + 1)] if rows else counts
