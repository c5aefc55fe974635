"""Candidates of a search: messages that may be results, with what is known of each."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ._protocol import Key, Rows
from .filters import Filter
from .ranking import Passage, Question, Statistics, rank
from .texts import text_of


class Candidate(NamedTuple):
    """A message or summary that may be a result."""

    score: float
    says_it: bool
    """Whether it has words of the question itself, rather than hearing them from messages around it."""

    key: Key
    created_at: datetime
    text: str
    metadata: str | None


def ranked(
    question: Question, runs: Sequence[Rows], filtered: Filter, statistics: Statistics | None = None
) -> list[Candidate]:
    """Return those of *runs* that answer the question, best first, but for what the filter keeps out.

    What it keeps out lends its words all the same.
    """
    passages = [[Passage(text_of(row.name, row.content), row.created_at) for row in run] for run in runs]
    found = []
    for score, says_it, run, position in rank(question, passages, statistics):
        row = runs[run][position]
        if filtered.passes(row.created_at, row.metadata):
            key = (row.session_id, row.seq)
            found.append(Candidate(score, says_it, key, row.created_at, passages[run][position].text, row.metadata))
    return found


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Sort candidates of several sessions; of equal ones the later comes first."""
    return sorted(candidates, key=lambda each: (each.score, each.says_it, each.created_at, each.key), reverse=True)


def grouped(rows: Rows, by: Callable[[Any], Any]) -> list[list[Any]]:
    """Cut *rows* into runs that agree in *by*, in order."""
    runs: dict[Any, list[Any]] = {}
    for row in rows:
        runs.setdefault(by(row), []).append(row)
    return list(runs.values())
