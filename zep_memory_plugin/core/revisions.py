"""At which revision of its session a message was changed last: every write notes that of what it changes."""

from typing import Any

from sqlalchemy import ColumnElement, Table, Update, select, update

from ..tables import messages, sessions

_OF_SESSION = select(sessions.c.revision).where(sessions.c.session_id == messages.c.session_id).correlate(messages)


def change(table: Table, *conditions: ColumnElement[bool], **values: Any) -> Update:
    """Build the change of the rows of *table* that meet *conditions*, whose sessions have been moved on by now."""
    noted = {"changed_revision": _OF_SESSION.scalar_subquery()} if table is messages else {}
    return update(table).where(*conditions).values(**values, **noted)
