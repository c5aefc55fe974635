"""Searching one session for two words, beside the full-text search of the database itself.

Plain FTS5 and `ts_rank` know no sessions here: each has a table for the one that is searched, returns its rows by how
well they match, and knows nothing of what stands beside a message.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from itertools import cycle
from typing import Any, Protocol

import psycopg

from zep_memory_plugin import Message, SessionManager

from .harness import Entry, interleaved
from .places import Kind, Place
from .report import Figure, Goal, Table, named, ratio_goal
from .run import Run, setting
from .speech import Speech
from .workload import SESSION

WORDS = 35
LONG_WORDS = 700
"""Words of a message: about 200 characters, and about 4,000."""

LIMIT = 20
GOALS = {600: 20.0, 6_000: 15.0, 60_000: 8.0}
"""Times as long as plain full-text search, at most, by the messages of the session."""

QUESTIONS = 12
OURS = "zep_memory_plugin"


class Plain(Protocol):
    """The database's own full-text search."""

    name: str

    def search(self, question: str) -> Any:
        """Return the rows that have any word of *question*, best first."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class PlainFts5:
    """An FTS5 table of the texts."""

    name = "plain FTS5"

    def __init__(self, place: Place, texts: list[str]) -> None:
        self._connection = sqlite3.connect(place.path)
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5 (content, tokenize = 'porter')")
        self._connection.executemany("INSERT INTO texts VALUES (?)", ((text,) for text in texts))
        self._connection.commit()

    def search(self, question: str) -> Any:
        query = "SELECT rowid, content, rank FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
        return self._connection.execute(query, (" OR ".join(question.split()), LIMIT)).fetchall()

    def close(self) -> None:
        self._connection.close()


class PlainTsRank:
    """A table of the texts with a column of their vectors under a GIN index."""

    name = "plain ts_rank"

    def __init__(self, place: Place, texts: list[str]) -> None:
        self._connection = psycopg.connect(place.url, autocommit=True)
        self._connection.execute("""
            CREATE TABLE texts (
                id integer PRIMARY KEY, content text,
                vector tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED
            )
        """)
        with self._connection.cursor().copy("COPY texts (id, content) FROM STDIN") as copy:
            for numbered in enumerate(texts):
                copy.write_row(numbered)
        self._connection.execute("CREATE INDEX ON texts USING gin (vector)")

    def search(self, question: str) -> Any:
        query = """
            SELECT id, content, ts_rank(vector, asked) AS rank
              FROM texts, to_tsquery('english', %s) AS asked
             WHERE vector @@ asked
             ORDER BY rank DESC
             LIMIT %s
        """
        return self._connection.execute(query, (" | ".join(question.split()), LIMIT)).fetchall()

    def close(self) -> None:
        self._connection.close()


async def measured(run: Run) -> AsyncIterator[Table]:
    """Search sessions of every size, and one of long messages, on every database."""
    for kind in run.places.kinds:
        for size in run.scale.searched:
            figures = await _figures(run, kind, size, WORDS)
            title = f"Search for two words, session of {size:,}"
            yield Table("search", title, setting(kind), "seconds", figures, _goals(figures, size))
        yield await _long_messages(run, kind)


async def _long_messages(run: Run, kind: Kind) -> Table:
    """Compare a session of messages of 4,000 characters with one of 200, where as many have the words of a question."""
    size = run.scale.searched[0]
    short = (await _figures(run, kind, size, WORDS))[0]
    long = (await _figures(run, kind, size, LONG_WORDS))[0]
    long = Figure(f"{OURS}, 4,000 characters", "ours", long.value, long.low, long.high)
    goals = ratio_goal("to messages of 200 characters", long, short, 2)
    title = f"Search for two words in long messages, session of {size:,}"
    return Table("search", title, setting(kind), "seconds", [long, short], goals)


async def _figures(run: Run, kind: Kind, size: int, words: int) -> list[Figure]:
    speech = Speech(size)
    texts = [speech.say(words) for _ in range(size)]
    with SessionManager(run.places.make(kind).url) as manager, closing(_plain(run.places.make(kind), texts)) as plain:
        _fill(manager, texts)
        run.places.settle()
        rarer = words // WORDS
        entries = [_entry(name, manager, limit, rarer) for name, limit in _LIMITS.items()]
        entries.append(Entry(plain.name, "limit", _asking(plain.search, rarer)))
        return await interleaved(entries, run.scale.rounds)


_LIMITS = {OURS: LIMIT, f"{OURS}, limit=10": 10, f"{OURS}, limit=50": 50}


def _plain(place: Place, texts: list[str]) -> Plain:
    return PlainFts5(place, texts) if place.kind == "sqlite" else PlainTsRank(place, texts)


def _fill(manager: SessionManager, texts: list[str]) -> None:
    messages = [Message(role=("user", "assistant")[at % 2], content=text) for at, text in enumerate(texts)]
    for start in range(0, len(messages), 1_000):
        manager.add_memory(SESSION, messages[start : start + 1_000])


def _entry(name: str, manager: SessionManager, limit: int, rarer: int) -> Entry:
    def search(question: str) -> Any:
        return manager.search_memory(question, session_id=SESSION, limit=limit)

    return Entry(name, "ours", _asking(search, rarer))


def _asking(search: Callable[[str], Any], rarer: int) -> Callable[[], Any]:
    """Return a search for the next of some questions."""
    questions = cycle(_questions(rarer))
    return lambda: search(next(questions))


def _questions(rarer: int) -> Iterator[str]:
    """Yield two words each: one message of 35 in about a hundred has the first, in some hundreds the second.

    With *rarer* they are so many times rarer, as fits messages that are as many times longer.
    """
    speech = Speech(7)
    for _ in range(QUESTIONS):
        common, rare = speech.random.randint(60, 400), speech.random.randint(400, 1_400)
        yield f"{speech.words[common * rarer]} {speech.words[rare * rarer]}"


def _goals(figures: list[Figure], size: int) -> list[Goal]:
    ours, ten, fifty, plain = figures
    return [
        *ratio_goal(f"to {plain.name}", ours, plain, GOALS.get(size, max(GOALS.values()))),
        *ratio_goal("limit=50 to limit=10", fifty, named([ten], ten.name), 1.3),
    ]
