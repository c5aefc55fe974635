"""Where Citus keeps the rows of the tables: those of a session on one node, with all that is in it.

Users are spread by themselves. As a table that every node has, they would be locked on all of them by each row that
names one of theirs.
"""

from collections.abc import Sequence

from sqlalchemy import Table

from ...tables import sessions, tables_of


def placements() -> Sequence[str]:
    """Return what distributes the tables, that of the sessions first, as the others are kept beside it."""
    others = [table for table in tables_of("postgresql") if table is not sessions]
    return [_by(sessions, "session_id"), *map(_placed, others)]


def _placed(table: Table) -> str:
    if "session_id" in table.c:
        return _by(table, "session_id", beside=sessions.name)
    if "user_id" in table.c:
        return _by(table, "user_id", beside="none")
    return f"SELECT create_reference_table('{table.name}')"


def _by(table: Table, column: str, beside: str | None = None) -> str:
    where = f", colocate_with => '{beside}'" if beside else ""
    return f"SELECT create_distributed_table('{table.name}', '{column}'{where})"
