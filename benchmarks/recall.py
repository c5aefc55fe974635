"""How often search finds the turns that answer a question, on any sets of questions in one form.

    python -m benchmarks.recall FOLDER [--mode lexical|semantic|hybrid] [--on sqlite|postgres]

FOLDER holds JSON files, one for each set, which their licences keep out of this repository: a list of conversations,
`{"id", "turns": [{"id", "role", "text", "at"}], "questions": [{"text", "evidence": [ids of turns]}]}`, where `at` is
a moment in UTC or null. A question's recall at k is the share of its evidence among the first k results of a search
in its conversation; the mean over the questions with evidence is shown in percent. Modes by meaning take the embedder
"static".
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zep_memory_plugin import Embedder, Message, SearchMode, SessionManager

from . import server
from .places import Kind, Places

AT = (5, 10, 25, 50)


def recalls(manager: SessionManager, name: str, talk: dict[str, Any], mode: SearchMode) -> Iterator[list[float]]:
    """Store a conversation, and yield the recalls of each question with evidence."""
    session_id = f"{name} {talk['id']}"
    said = [turn for turn in talk["turns"] if turn["text"]]
    turn_of = {}
    for start in range(0, len(said), 1_000):
        part = said[start : start + 1_000]
        for message, turn in zip(manager.add_memory(session_id, list(map(_message, part))), part, strict=True):
            turn_of[message.seq] = turn["id"]
    for question in talk["questions"]:
        evidence = set(question["evidence"])
        if evidence:
            results = manager.search_memory(question["text"], session_id=session_id, mode=mode, limit=AT[-1])
            found = [turn_of[each.message.seq] for each in results if each.message]
            yield [len(evidence.intersection(found[:count])) / len(evidence) for count in AT]


def _message(turn: dict[str, Any]) -> Message:
    at = datetime.fromisoformat(turn["at"]).replace(tzinfo=UTC) if turn["at"] else None
    return Message(role=turn["role"] or "user", content=turn["text"], created_at=at)


def measured(manager: SessionManager, file: Path, mode: SearchMode) -> str:
    """Return the line of a set of questions."""
    talks = json.loads(file.read_text())
    rows = [row for talk in talks for row in recalls(manager, file.stem, talk, mode)]
    means = (100 * statistics.fmean(row[position] for row in rows) for position in range(len(AT)))
    return f"{file.stem:20} {len(rows):5} questions   " + " / ".join(f"{mean:.1f}" for mean in means)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the recall on each set, on each database."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recall", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the sets are")
    parser.add_argument("--mode", choices=["lexical", "semantic", "hybrid"], default="lexical")
    parser.add_argument("--on", choices=["sqlite", "postgres"], help="one database only")
    parser.add_argument("--postgres", metavar="URL", help="a server where databases may be created")
    given = parser.parse_args(arguments)
    files = sorted(given.folder.glob("*.json"))
    if not files:
        sys.exit(f"{given.folder} holds no sets; their licences keep them out of this repository")
    kinds: list[Kind] = [given.on] if given.on else ["sqlite", "postgres"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(server.running(given.postgres)) if "postgres" in kinds else None
        places = Places(folder, kinds, url)
        stack.callback(places.drop_all)
        for kind in kinds:
            _print(kind, places.make(kind).url, files, given.mode)


def _print(kind: Kind, url: str, files: Sequence[Path], mode: SearchMode) -> None:
    print(f"{kind}, {mode}, R@{' / '.join(map(str, AT))}")
    embedder: Embedder | None = None if mode == "lexical" else "static"
    with SessionManager(url, durability="normal", embedder=embedder, background=False) as manager:
        for file in files:
            print(measured(manager, file, mode), flush=True)


if __name__ == "__main__":
    main()
