"""Candidates of a search: messages that may be results, with what is known of each."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, null

from ...databases.keys import rows_of, select_live
from ...databases.protocol import Key
from ...databases.statements import SEARCHED_CONTENT
from ...tables import messages, summaries
from ...terms.texts import text_of
from .ranking import seconds_of
from .requests import SearchRequest

NEVER = float("-inf")
"""When a message was created whose moment cannot be read: before all others."""


class Candidate(NamedTuple):
    """A message or summary that may be a result."""

    score: float
    says_it: bool
    """Whether it has words of the query itself, rather than hearing them from messages around it."""

    at: float
    """When it was created, in seconds since 1970."""

    key: Key
    shares: Mapping[str, float] = {}
    """What its score consists of, by terms of the query and parts of a date."""

    says: Mapping[str, int] = {}
    """How often it has which terms of the query itself."""

    meaning: float | None = None
    """What part of its score is its meaning's, where that was looked at."""


def candidate_of(row: Any, score: float, *, says_it: bool) -> Candidate:
    """Return the candidate that a message's or summary's *row* is."""
    at = seconds_of(row.created_at)
    return Candidate(score, says_it, NEVER if at is None else at, (row.session_id, row.seq))


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Sort candidates of several sessions; of equal ones the later comes first."""
    return sorted(candidates, key=lambda each: each[:4], reverse=True)


def passing(connection: Connection, request: SearchRequest, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return those of *candidates* that are live still and that the request's filter lets through, best first."""
    query = _filtered(connection.dialect.name, with_texts=request.filter.reads_texts)
    rows = rows_of(connection, query, [each.key for each in candidates], request.scope.parameters)
    row_of = {(row.session_id, row.seq): row for row in rows if request.filter.passes(row)}
    return best_first(_dated(each, row_of[each.key]) for each in candidates if each.key in row_of)


def _dated(candidate: Candidate, row: Any) -> Candidate:
    at = seconds_of(row.created_at)
    return candidate._replace(at=NEVER if at is None else at)


def texts(connection: Connection, request: SearchRequest, candidates: Sequence[Candidate]) -> list[str]:
    """Return what is searched of each candidate; nothing of one that is gone by now."""
    query = _texts(connection.dialect.name, summaries if request.of_summaries else messages)
    rows = rows_of(connection, query, [each.key for each in candidates], request.scope.parameters)
    text = {(row.session_id, row.seq): text_of(row.name, row.content) for row in rows}
    return [text.get(each.key, "") for each in candidates]


@cache
def _filtered(dialect: str, *, with_texts: bool) -> Select[*tuple[Any, ...]]:
    names = ("session_id", "seq", "uuid", "created_at", "metadata", "role_type", "name")
    columns = [messages.c[name] for name in names]
    return select_live(dialect, messages, *columns, *([SEARCHED_CONTENT] if with_texts else []))


@cache
def _texts(dialect: str, table: Table) -> Select[*tuple[Any, ...]]:
    searched = (messages.c.name, SEARCHED_CONTENT) if table is messages else (null().label("name"), table.c.content)
    return select_live(dialect, table, table.c.session_id, table.c.seq, *searched)
