"""The benchmarks run, and their counts hold."""

import json
from dataclasses import replace

import pytest

from benchmarks.__main__ import main
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


@pytest.mark.parametrize("work", ["append", "read", "turns", "growth", "listing", "purge", "load"])
def test_every_work_runs_on_sqlite(work: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--small", "--on", "sqlite", "--only", work]) == 0

    assert "zep_memory_plugin" in capsys.readouterr().out


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
    with SessionManager(place.url, durability="full") as manager:
        manager.add_memory("session", [Message(role="user", content="hello")])
        ours = manager._database.read(_durability)

    with engine.connect() as connection:
        theirs = _durability(connection)

    engine.dispose()
    assert ours == theirs == ("wal", 2)


def _durability(connection) -> tuple[str, int]:
    settings = ("PRAGMA journal_mode", "PRAGMA synchronous")
    journal, synchronous = (connection.exec_driver_sql(setting).scalar_one() for setting in settings)
    return journal, synchronous
