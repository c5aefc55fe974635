"""Results of a search: what the caller sees of each candidate, read by its key."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, bindparam, literal, select, union_all

from ...databases import index_of
from ...databases.keys import rows_of, select_live
from ...databases.prepared import Prepared
from ...databases.protocol import Key, Scope
from ...databases.scopes import LIVE_SESSION
from ...models import Explanation, Message, SearchResult, Summary, stored
from ...tables import messages, sessions, summaries
from ...terms.cutting import query_words
from ...terms.hits import Hits
from .. import messages as message_rows
from .. import summaries as summary_rows
from ..chunks import chunked
from .candidates import Candidate
from .ranking import BY_SPEAKER, of_kind
from .requests import SearchRequest

_SEQ = messages.c.seq.label("seq_of_key")

_NEIGHBOURS_AT_ONCE = 50
"""Results whose neighbours one statement reads."""


def results_of(connection: Connection, request: SearchRequest, candidates: Sequence[Candidate]) -> list[SearchResult]:
    """Return *candidates* as the caller sees them, but for those that were deleted since they were ranked."""
    keys = [candidate.key for candidate in candidates]
    wanted = Hits(request.query.terms)
    if request.of_summaries:
        summary_of = _summaries(connection, request.scope, keys)
        found = [each for each in candidates if each.key in summary_of]
        return [_result(request, each, wanted, summary=summary_of[each.key]) for each in found]
    message_of = _messages(connection, request.scope, keys)
    found = [each for each in candidates if each.key in message_of]
    around = _neighbours(connection, request, list(message_of)) if request.context else {}
    return [
        _result(request, each, wanted, message=message_of[each.key], neighbours=around.get(each.key, []))
        for each in found
    ]


def _result(
    request: SearchRequest,
    candidate: Candidate,
    wanted: Hits,
    *,
    message: Message | None = None,
    summary: Summary | None = None,
    neighbours: list[Message] | None = None,
) -> SearchResult:
    part = message or summary
    fields = {
        "message": message,
        "summary": summary,
        "score": candidate.score,
        "session_id": candidate.key[0],
        "neighbours": neighbours or [],
        "highlights": wanted.spans(part.content) if part and request.text else [],
        "explanation": _explanation(request, candidate) if request.explain else None,
    }
    return stored(SearchResult, fields)


def _explanation(request: SearchRequest, candidate: Candidate) -> Explanation:
    words = query_words(request.text)
    shares = candidate.shares
    by_word = {
        word: share for term, word in words.items() if (share := shares.get(term, 0) + shares.get(of_kind(term), 0))
    }
    said = {word: candidate.says[term] for term, word in words.items() if term in candidate.says}
    beside = {BY_SPEAKER, *words, *map(of_kind, words)}
    dates = {part: share for part, share in shares.items() if part not in beside}
    fields = {
        "said": said,
        "heard": [word for word in by_word if word not in said],
        "by_word": by_word,
        "by_date": dates,
        "by_speaker": shares.get(BY_SPEAKER, 0.0),
        "by_meaning": candidate.meaning,
    }
    return stored(Explanation, fields)


def _messages(connection: Connection, scope: Scope, keys: Sequence[Key]) -> dict[Key, Message]:
    """Return those of *keys* that may be shown still: since they were ranked, some may have been deleted."""
    if not keys:
        return {}
    given = {**index_of(connection).key_parameters(keys), **scope.parameters}
    rows = _live_messages(connection.dialect.name).rows(connection, given)
    return {(session_id, seq): message_rows.read_one(columns, session_id) for session_id, seq, *columns in rows}


def _summaries(connection: Connection, scope: Scope, keys: Sequence[Key]) -> dict[Key, Summary]:
    rows = rows_of(connection, _live_summaries(connection.dialect.name), keys, scope.parameters)
    return {(row.session_id, row.seq): summary_rows.read_summary(row, row.session_id) for row in rows}


@cache
def _live_messages(dialect: str) -> Prepared:
    return Prepared(select_live(dialect, messages, messages.c.session_id, _SEQ, *message_rows.COLUMNS))


@cache
def _live_summaries(dialect: str) -> Select[*tuple[Any, ...]]:
    return select_live(dialect, summaries, *summaries.c)


def _neighbours(connection: Connection, request: SearchRequest, keys: Sequence[Key]) -> dict[Key, list[Message]]:
    """Return as many live messages before and after each of *keys* as are asked for, in order."""
    around: dict[Key, list[Message]] = {key: [] for key in keys}
    for chunk in chunked(keys, _NEIGHBOURS_AT_ONCE):
        parameters: dict[str, Any] = {"count": request.context, **request.scope.parameters}
        for number, (session_id, seq) in enumerate(chunk):
            parameters |= {f"session_{number}": session_id, f"seq_{number}": seq}
        rows = connection.execute(_around(len(chunk)), parameters).all()
        for row in sorted(rows, key=lambda row: (row.number, row.seq)):
            key = chunk[row.number]
            around[key] += [message_rows.read_one(row[1:], key[0])]
    return around


@cache
def _around(count: int) -> CompoundSelect[Any]:
    """Build the query for the neighbours of so many messages."""
    return union_all(*(select(side) for number in range(count) for side in _sides(number)))


def _sides(number: int) -> list[Any]:
    """Build the queries for what stands before and after the message of that number."""
    session_id = bindparam(f"session_{number}", type_=messages.c.session_id.type)
    seq = bindparam(f"seq_{number}", type_=messages.c.seq.type)
    of_session = (
        select(literal(number).label("number"), *message_rows.COLUMNS)
        .join_from(sessions, messages, sessions.c.session_id == messages.c.session_id)
        .where(messages.c.session_id == session_id, messages.c.deleted_at.is_(None), LIVE_SESSION)
    )
    before = of_session.where(messages.c.seq < seq).order_by(messages.c.seq.desc())
    after = of_session.where(messages.c.seq > seq).order_by(messages.c.seq)
    count = bindparam("count", type_=messages.c.seq.type)
    return [side.limit(count).subquery() for side in (before, after)]
