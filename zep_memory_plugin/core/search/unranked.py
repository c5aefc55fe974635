"""Finding messages and summaries that are not looked up by their words: by a filter alone, or because they are few."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, bindparam, func, literal, null, select, tuple_

from ...databases import database_of
from ...databases.protocol import Rows, Scope
from ...databases.scopes import LIVE_SESSION
from ...tables import messages, sessions, summaries
from ...terms.texts import LONGEST_TEXT, text_of
from .candidates import Candidate, candidate_of
from .filters import Filter
from .ranking import Passages, rank, seconds_of
from .requests import SearchRequest

FIRST_PAGE = 100
"""Rows that are read at first where a filter has to be applied to each."""

LARGEST_PAGE = 50_000
"""Rows that are read at once at most."""

PAGE_GROWTH = 4
"""How much longer each further page is."""


def newest(connection: Connection, request: SearchRequest) -> list[Candidate]:
    """Return what the request's filter keeps, newest first, with score 0."""
    rows = _newest_rows(connection, request)
    passing = (row for row in rows if request.filter.passes(row))
    return [candidate_of(row, 0.0, says_it=False) for row in islice(passing, request.limit)]


def summaries_like(connection: Connection, request: SearchRequest) -> list[Candidate]:
    """Return the summaries that answer the request's text, best first.

    They are read, not looked up: there are few, and one does not lend words to another.
    """
    if not request.query.terms:
        return []
    by_age = (summaries.c.created_at, summaries.c.session_id, summaries.c.seq)
    query = _rows(connection, summaries, request).order_by(*by_age)
    rows = connection.execute(query, request.scope.parameters).all()
    ranks = rank(request.query, _passages(rows))
    found = (
        candidate_of(rows[each.position], each.score, says_it=True)._replace(shares=each.shares, says=each.says)
        for each in ranks
        if request.filter.passes(rows[each.position])
    )
    return list(found)


def _passages(rows: Rows) -> Passages:
    """Return summaries as the ranking sees them, each in a run of its own."""
    contents = [text_of(None, row.content) for row in rows]
    lengths = [len(content.encode()) for content in contents]
    moments = [seconds_of(row.created_at) for row in rows]
    return Passages(range(len(rows)), contents, lengths, [False] * len(rows), moments)


def _newest_rows(connection: Connection, request: SearchRequest) -> Iterator[Any]:
    """Yield rows newest first, in pages: how many the filter keeps out is known only when they are read."""
    table = summaries if request.of_summaries else messages
    order = _order(table, request.scope)
    every = _rows(connection, table, request).order_by(*(column.desc() for column in order))
    query, size = every, FIRST_PAGE
    while page := connection.execute(query.limit(size), request.scope.parameters).all():
        yield from page
        if len(page) < size:
            return
        query, size = every.where(_older(order, page[-1])), min(size * PAGE_GROWTH, LARGEST_PAGE)


def _order(table: Table, scope: Scope) -> Sequence[Column[Any]]:
    """Return the columns by which rows are newer: within a session their order, which clocks cannot change."""
    if scope.session_id is not None:
        return (table.c.seq,)
    return (table.c.created_at, table.c.session_id, table.c.seq)


def _older(order: Sequence[Column[Any]], row: Any) -> ColumnElement[bool]:
    values = [literal(row._mapping[column], column.type) for column in order]
    return tuple_(*order) < tuple_(*values)


def _rows(connection: Connection, table: Table, request: SearchRequest) -> Select[*tuple[Any, ...]]:
    said_by = [table.c[name] if name in table.c else null().label(name) for name in ("name", "role_type")]
    content = func.substr(table.c.content, 1, LONGEST_TEXT).label("content")
    columns = (*(table.c[name] for name in ("session_id", "seq", "uuid", "created_at", "metadata")), *said_by, content)
    conditions = [table.c.deleted_at.is_(None), LIVE_SESSION, *_bounds(connection, table, request.filter)]
    if request.scope.session_id is not None:
        conditions.append(table.c.session_id == bindparam("session"))
    query = select(*columns).join_from(table, sessions, sessions.c.session_id == table.c.session_id)
    return query.where(*conditions)


def _bounds(connection: Connection, table: Table, criteria: Filter) -> Iterator[ColumnElement[bool]]:
    """Yield what the database can check of *criteria*."""
    if criteria.start is not None:
        yield table.c.created_at >= criteria.start
    if criteria.end is not None:
        yield table.c.created_at <= criteria.end
    if criteria.metadata:
        yield database_of(connection).metadata_contains(connection, table.c.metadata, criteria.metadata)
    if criteria.where is not None:
        yield table.c.metadata.is_not(None)
