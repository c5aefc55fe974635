"""Leftovers of an erasure: what a database still has of a user, or of words that were theirs."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, String, Table, exists, func, or_, select

from ..databases import database_of
from ..errors import InvalidInput
from ..models import ErasureCheck
from ..tables import (
    PREFIX,
    branches,
    columns_of,
    message_embeddings,
    messages,
    session_states,
    sessions,
    summaries,
    tables_of,
    user_holds,
    user_states,
    users,
)
from . import checks

_OF_USERS = (users, sessions, user_states, user_holds)
_OF_SESSIONS = (messages, summaries, message_embeddings, branches, session_states)

MOST_WORDS = 100
"""Words that are looked for at a time."""


def found(connection: Connection, user_id: str, words: Iterable[str]) -> ErasureCheck:
    """Look for a user, and for *words* that were theirs."""
    checked = checks.user_id(user_id)
    wanted = [checked, *_checked(words)]
    owned = [*_rows_of(connection, checked), *_without_session(connection)]
    mentioned = list(_mentions(connection, wanted))
    traces = list(database_of(connection).traces(connection, wanted))
    # What stands in a row that others have stands in the files, too.
    doubtful = [trace.says for trace in traces if trace.found and trace.holds_rows and mentioned]
    sure = [trace.says for trace in traces if trace.found and not (trace.holds_rows and mentioned)]
    return ErasureCheck(
        looked_in=["rows", *(trace.place for trace in traces)],
        leftovers=owned + sure,
        mentioned_in=mentioned + doubtful,
    )


def _checked(words: Iterable[str]) -> Sequence[str]:
    if isinstance(words, str | bytes) or not isinstance(words, Iterable):
        raise InvalidInput("words", f"is of type {type(words).__name__}, not several texts")
    given = list(words)
    if len(given) > MOST_WORDS:
        raise InvalidInput("words", f"has {len(given)} of them; allowed are {MOST_WORDS}")
    if not all(isinstance(word, str) and word.strip() for word in given):
        raise InvalidInput("words", "has one that is no text, or is empty")
    return given


def _rows_of(connection: Connection, user_id: str) -> Iterator[str]:
    for table in _OF_USERS:
        query = select(func.count()).select_from(table).where(table.c.user_id == user_id)
        yield from _said(connection.execute(query).scalar_one(), f"of the user in {_name(table)}")


def _without_session(connection: Connection) -> Iterator[str]:
    for table in _OF_SESSIONS:
        session = exists().where(sessions.c.session_id == table.c.session_id)
        query = select(func.count()).select_from(table).where(~session)
        yield from _said(connection.execute(query).scalar_one(), f"of no session in {_name(table)}")


def _mentions(connection: Connection, words: Sequence[str]) -> Iterator[str]:
    """Yield where a text has one of *words*; the columns that say whose a row is are looked at by themselves."""
    for table in tables_of(connection.dialect.name):
        for column in columns_of(table, connection.dialect.name):
            if isinstance(column.type, String) and column.name != "user_id":
                has_word = or_(*(column.contains(word, autoescape=True) for word in words))
                query = select(func.count()).select_from(table).where(has_word)
                yield from _said(connection.execute(query).scalar_one(), f"in {_name(table)}.{column.name}")


def _said(count: int, where: str) -> Iterator[str]:
    if count:
        yield f"{count} rows {where}"


def _name(table: Table) -> str:
    return table.name.removeprefix(PREFIX)
