"""The benchmarks run, and their counts hold."""

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from benchmarks import picture, recall
from benchmarks.__main__ import PICTURE, RESULTS, WORKS, main
from benchmarks.places import Place
from benchmarks.report import Count, Figure, Goal, Table, as_json, as_markdown
from zep_memory_plugin import Message, SessionManager

COUNTED = "counts,delay,size"

APPEND = Table(
    "append",
    "Append",
    "Here",
    "seconds",
    [Figure("us", "ours", 0.0001, 0.0001, 0.0002), Figure("them", "peer", 0.0005, 0.0004, 0.0006)],
    [Goal("times as fast", 5, 4, at_least=True)],
    [Count("statements", 4, 4)],
)


def test_the_counts_are_as_before(postgres_server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--small", "--json", "--only", COUNTED, "--postgres", postgres_server.url("postgres")]) == 0

    tables = json.loads(capsys.readouterr().out)["tables"]
    assert {table["work"] for table in tables} == set(COUNTED.split(","))


@pytest.mark.parametrize("work", sorted({*WORKS} - {*COUNTED.split(","), "imports"}))
def test_every_work_runs_on_sqlite(work: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--small", "--on", "sqlite", "--only", work]) == 0

    assert "zep_memory_plugin" in capsys.readouterr().out


def test_recall_is_measured_on_sets_of_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"id": "a", "role": "user", "text": "We saw whales off Tromso.", "at": "2024-05-01T10:00:00"}]
    turns += [
        {"id": f"b{number}", "role": "user", "text": f"Lunch number {number}.", "at": None} for number in range(9)
    ]
    questions = [{"text": "Where were the whales?", "evidence": ["a"]}, {"text": "Dinner?", "evidence": ["b8"]}]
    (tmp_path / "trips.json").write_text(json.dumps([{"id": 1, "turns": turns, "questions": questions}]))

    recall.main([str(tmp_path), "--on", "sqlite"])

    assert "2 questions   50.0 / 50.0 / 50.0 / 50.0" in capsys.readouterr().out


def test_recall_says_when_there_are_no_sets(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no sets"):
        recall.main([str(tmp_path)])


def test_an_unknown_work_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])

    assert "'nothing' is none of counts, append" in capsys.readouterr().err


def test_a_table_shows_ratios_to_ours() -> None:
    assert as_markdown(APPEND).splitlines()[4:] == [
        "| contender | median | quartiles | to ours |",
        "| --- | ---: | ---: | ---: |",
        "| **us** | 100 µs | 100 µs to 200 µs | 1.00 |",
        "| them | 500 µs | 400 µs to 600 µs | 5.00 |",
        "",
        "- reached: times as fast: 5.00 (goal ≥ 4)",
        "- as before: statements: 4 (expected 4)",
    ]


def test_json_says_what_was_reached() -> None:
    changed = replace(APPEND, counts=[Count("statements", 5, 4)])

    (table,) = as_json([changed], {})["tables"]

    assert [goal["met"] for goal in table["goals"]] == [True]
    assert [count["held"] for count in table["counts"]] == [False]


def test_a_count_may_differ_by_its_tolerance() -> None:
    assert Count("bytes", 1.48, 1.45, tolerance=0.05).held
    assert not Count("bytes", 1.6, 1.45, tolerance=0.05).held


def test_peers_write_as_durably_as_we_do(tmp_path) -> None:
    place = Place(f"sqlite:///{tmp_path / 'there.db'}", "full")
    engine = place.engine()
    seen: list[list[object]] = []

    def look(connection: sqlite3.Connection, *_: object) -> None:
        settings = ("PRAGMA journal_mode", "PRAGMA synchronous")
        seen.append([connection.execute(setting).fetchone()[0] for setting in settings])

    event.listen(Pool, "checkin", look)
    with SessionManager(place.url, durability="full") as manager:
        manager.add_memory("session", [Message(role="user", content="hello")])
    ours = seen.pop()
    with engine.connect():
        pass
    theirs = seen.pop()
    event.remove(Pool, "checkin", look)

    engine.dispose()
    assert ours == theirs == ["wal", 2]


def test_bars_of_the_picture_begin_at_zero_and_longer_ones_are_cut(tmp_path: Path) -> None:
    """So that lengths compare as the figures do; what is cut says how long it is."""
    figures = [
        Figure("zep_memory_plugin", "ours", 0.001, 0.001, 0.001),
        Figure("twice", "peer", 0.002, 0.002, 0.002),
        Figure("<far>", "peer", 0.1, 0.1, 0.1),
    ]
    table = replace(APPEND, title="Append, async", setting="SQLite, FULL", figures=figures)
    document = as_json([table], {"processors": "2", "system": "Linux", "python": "3", "sqlite": "3"})
    tables = [{**each, "date": "2026-01-01"} for each in document["tables"]]

    picture.draw(tables, document["machine"], tmp_path / "picture.svg")

    drawn = (tmp_path / "picture.svg").read_text()
    ours, twice, far = (
        float(width) for width in re.findall(r'<rect class="\w+" x="\d+" y="\d+" width="([\d.]+)"', drawn)
    )
    assert (twice / ours, far / ours) == (2, picture.LONGEST)
    assert drawn.count('class="cut"') == 1
    assert "&lt;far&gt;" in drawn
    assert "100 ms <tspan" in drawn
    for words in ("Lower is better", "2026-01-01", "prefers-color-scheme: dark"):
        assert words in drawn


def test_the_picture_is_that_of_the_figures_that_are_kept(tmp_path: Path) -> None:
    """Nobody has edited the one without the other."""
    kept = json.loads(RESULTS.read_text())

    picture.draw(kept["tables"], kept["machine"], tmp_path / "picture.svg")

    assert (tmp_path / "picture.svg").read_text() == PICTURE.read_text()
