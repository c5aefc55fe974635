"""Rows by their keys, a session and a seq each: any number of them in one statement, with the keys as parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, and_, select

from ..tables import sessions
from . import database_named, index_of
from .protocol import Key, Rows
from .scopes import LIVE_SESSION


def same_key(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Match rows that are of one session and have one seq."""
    return and_(one.c.session_id == other.c.session_id, one.c.seq == other.c.seq)


def select_by_key(dialect: str, table: FromClause, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Build the query for *columns* of the rows of *table* that `rows_of` gives keys of."""
    wanted = database_named(dialect).index.keys()
    return select(*columns).join_from(wanted, table, same_key(table, wanted))


def select_live(dialect: str, table: Table, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Build such a query for live rows, in sessions that the scope of the parameters shows."""
    query = select_by_key(dialect, table, *columns).join(sessions, sessions.c.session_id == table.c.session_id)
    return query.where(table.c.deleted_at.is_(None), LIVE_SESSION)


def rows_of(
    connection: Connection, query: Select[*tuple[Any, ...]], keys: Sequence[Key], parameters: Mapping[str, Any] = {}
) -> Rows:
    """Return the rows of those of *keys* that *query*, made by `select_by_key`, has with its other *parameters*."""
    given = {**index_of(connection).key_parameters(keys), **parameters}
    return connection.execute(query, given).all() if keys else []
