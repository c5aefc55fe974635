"""Finding messages and summaries that are not looked up by their words: by a filter alone, or because they are few."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, literal, null, select, tuple_

from ...dialects import dialect_of
from ...tables import messages, sessions, summaries
from ._protocol import Scope
from .candidates import Candidate, ranked
from .filters import Filter
from .requests import Request
from .scopes import LIVE_SESSION

FIRST_PAGE = 100
"""Rows that are read at first where a filter has to be applied to each."""

LARGEST_PAGE = 50_000
"""Rows that are read at once at most."""

GROWTH = 4
"""How much longer each further page is."""


def newest(connection: Connection, request: Request) -> list[Candidate]:
    """Return what the request's filter keeps, newest first, with score 0."""
    found: list[Candidate] = []
    for row in _newest_rows(connection, request):
        if request.limit is not None and len(found) >= request.limit:
            break
        if request.filter.describes(row.metadata):
            found.append(Candidate(0.0, False, (row.session_id, row.seq), row.created_at, row.content, row.metadata))
    return found


def summaries_like(connection: Connection, request: Request) -> list[Candidate]:
    """Return the summaries that answer the request's text, best first.

    They are read, not looked up: there are few, and one does not lend words to another.
    """
    question = request.question
    if not question.terms:
        return []
    query = _rows(connection, summaries, request.scope, request.filter).order_by(
        summaries.c.created_at, summaries.c.session_id, summaries.c.seq
    )
    rows = connection.execute(query, {"user": request.scope.user_id}).all()
    return ranked(question, [[row] for row in rows], request.filter)


def _newest_rows(connection: Connection, request: Request) -> Iterator[Any]:
    """Yield rows newest first, in pages: how many the filter keeps out is known only when they are read."""
    table = summaries if request.of_summaries else messages
    order = _order(table, request.scope)
    every = _rows(connection, table, request.scope, request.filter).order_by(*(column.desc() for column in order))
    query, size = every, FIRST_PAGE
    while page := connection.execute(query.limit(size), {"user": request.scope.user_id}).all():
        yield from page
        if len(page) < size:
            return
        query, size = every.where(_older(order, page[-1])), min(size * GROWTH, LARGEST_PAGE)


def _order(table: Table, scope: Scope) -> Sequence[Column[Any]]:
    """Return the columns by which rows are newer: within a session their order, which clocks cannot change."""
    if scope.session_id is not None:
        return (table.c.seq,)
    return (table.c.created_at, table.c.session_id, table.c.seq)


def _older(order: Sequence[Column[Any]], row: Any) -> ColumnElement[bool]:
    place = [literal(row._mapping[column], column.type) for column in order]
    return tuple_(*order) < tuple_(*place)


def _rows(connection: Connection, table: Table, scope: Scope, filtered: Filter) -> Select[*tuple[Any, ...]]:
    name = table.c.name if table is messages else null().label("name")
    columns = (table.c.session_id, table.c.seq, table.c.created_at, name, table.c.content, table.c.metadata)
    conditions = [table.c.deleted_at.is_(None), LIVE_SESSION, *_bounds(connection, table, filtered)]
    if scope.session_id is not None:
        conditions.append(table.c.session_id == scope.session_id)
    query = select(*columns).join_from(table, sessions, sessions.c.session_id == table.c.session_id)
    return query.where(*conditions)


def _bounds(connection: Connection, table: Table, filtered: Filter) -> Iterator[ColumnElement[bool]]:
    """Yield what the database can check of *filtered*."""
    if filtered.start is not None:
        yield table.c.created_at >= filtered.start
    if filtered.end is not None:
        yield table.c.created_at <= filtered.end
    if filtered.metadata:
        yield dialect_of(connection).metadata_contains(table.c.metadata, filtered.metadata)
    if filtered.where is not None:
        yield table.c.metadata.is_not(None)
