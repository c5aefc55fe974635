"""What is asked of a search, checked before any I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args

from ...databases.protocol import Scope
from ...errors import InvalidInput, shown
from ...terms.cutting import LONGEST_QUERY, query_terms
from ...terms.kinds import kinds_of
from ...types import SearchMode, SearchScope
from .. import checks, jsontext
from .dates import dates_named
from .filters import Filter, condition
from .operators import parsed
from .ranking import Query
from .speakers import is_of_user

MOST_NEIGHBOURS = 100
"""Messages to either side of a result."""

FEWEST_DIVERSIFIED = 10
"""Candidates that a diversified search chooses from, at least; else twice as many as it returns, as in Zep."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search."""

    text: str
    """What is looked for; empty for what the filter alone keeps, newest first."""

    scope: Scope
    filter: Filter
    of_summaries: bool = False
    mode: SearchMode = "lexical"
    mmr_lambda: float | None = None
    limit: int | None = 10
    context: int = 0
    embedding: bytes | None = None
    """What the text means, where the mode needs it."""

    explain: bool = False
    sessions: int | None = None
    """How many sessions are wanted, where they are, rather than messages."""

    @property
    def query(self) -> Query:
        """The text as the ranking sees it."""
        terms = query_terms(self.text)
        kinds = {} if self.scope.session_id is None else kinds_of(terms)  # twenty terms more are dear beyond a session
        return Query(terms, dates_named(self.text), is_of_user(self.text), kinds)

    @property
    def wanted(self) -> int | None:
        """How many results are needed, before they are diversified; None for all."""
        if self.mmr_lambda is None or self.limit is None:
            return self.limit
        return max(2 * self.limit, FEWEST_DIVERSIFIED)


def request(
    text: object,
    *,
    session_id: object = None,
    user_id: object = None,
    metadata: object = None,
    where: object = None,
    start_date: object = None,
    end_date: object = None,
    scope: object = "messages",
    mode: object = "lexical",
    mmr_lambda: object = None,
    limit: object = 10,
    context: object = 0,
    explain: object = False,
) -> SearchRequest:
    """Check what is looked for.

    Raises:
        InvalidInput: a value is out of bounds, or there is neither a text nor a filter.
    """
    words, operators = parsed(_text(text))
    of_summaries = _one_of("scope", scope, get_args(SearchScope)) == "summary"
    checked = SearchRequest(
        text=words,
        scope=Scope(None if session_id is None else checks.session_id(session_id), checks.optional_user_id(user_id)),
        filter=Filter(
            metadata=checks.metadata_filter(metadata),
            where=condition(where),
            start=None if start_date is None else checks.moment("start_date", start_date),
            end=None if end_date is None else checks.moment("end_date", end_date),
            operators=operators,
            part="metadata of summary" if of_summaries else "metadata of message",
        ),
        of_summaries=of_summaries,
        mode=cast("SearchMode", _one_of("mode", mode, get_args(SearchMode))),
        mmr_lambda=_mmr_lambda(mmr_lambda),
        limit=checks.limit(limit),
        context=_context(context),
        explain=bool(explain),
    )
    filters = (metadata, where, start_date, end_date)
    _agrees(checked, text in (None, "") and all(given is None or given == {} for given in filters))
    return checked


def _agrees(checked: SearchRequest, empty: bool) -> None:
    """Check what no value can be asked by itself."""
    if empty:
        raise InvalidInput("text", "is empty; give a text, metadata, where or a date")
    if checked.of_summaries and checked.mode != "lexical":
        raise InvalidInput("mode", f"is {shown(checked.mode)}; summaries are searched by their words only")
    if not checked.text and checked.mmr_lambda is not None and checked.filter:
        raise InvalidInput("mmr_lambda", "needs a text to be near to")


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput("text", f"is of type {type(value).__name__}, not text")
    return jsontext.clean((value or "")[:LONGEST_QUERY]).strip()


def _one_of(field: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInput(field, f"is {shown(value)}; allowed are {', '.join(allowed)}")
    return value


def _mmr_lambda(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInput(
            "mmr_lambda", f"is {shown(value)}; allowed are numbers from 0, all different, to 1, all near"
        )
    return float(value)


def _context(value: object) -> int:
    count = checks.limit(value, "context") or 0
    if count > MOST_NEIGHBOURS:
        raise InvalidInput("context", f"is {count}; allowed are 0 to {MOST_NEIGHBOURS}")
    return count


def session_request(text: object, *, user_id: object, mode: object, limit: object, turns: object) -> SearchRequest:
    """Check what sessions are looked for.

    Raises:
        InvalidInput: a value is out of bounds.
    """
    if checks.limit(turns, "turns") is None:
        raise InvalidInput("turns", "is None; allowed are integers from 0 on")
    checked = request(text, user_id=user_id, mode=mode, limit=limit)
    return replace(checked, sessions=checked.limit)
