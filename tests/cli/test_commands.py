"""Each command does what a manager does, and says so in lines that a program or a person can read."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from tests.cli.conftest import Command, talk
from tests.support.tables import Tables
from zep_memory_plugin import Message, Session, SessionManager, Summary, User
from zep_memory_plugin.tables import tables_of


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_sessions_are_listed_in_the_order_of_their_ids(on: Command, manager: SessionManager) -> None:
    for name in ("a", "b", "c"):
        manager.add_session(Session(session_id=name, metadata={"topic": name}))

    ended = on("sessions", "list", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert [line["session_id"] for line in lines(ended.out)] == ["a", "b", "c"]
    assert [Session.model_validate_json(line) for line in ended.out.splitlines()] == manager.list_sessions()


def test_a_listing_goes_on_where_it_ended(on: Command, manager: SessionManager) -> None:
    """What is left is said beside the output, with the option that prints it."""
    for number in range(5):
        manager.add_session(Session(session_id=f"s-{number}"))

    first = on("sessions", "list", "--limit", "2", "--json")
    cursor = first.err.split("--cursor ")[1].split(" ")[0]
    rest = on("sessions", "list", "--cursor", cursor, "--json")

    assert [line["session_id"] for line in lines(first.out + rest.out)] == [f"s-{number}" for number in range(5)]
    assert rest.err == ""
    assert len(lines(on("sessions", "list", "--limit", "2", "--all", "--json").out)) == 5


def test_sessions_are_filtered_by_user_metadata_and_deletion(on: Command, manager: SessionManager) -> None:
    manager.add_user(User(user_id="alice"))
    manager.add_session(Session(session_id="a", user_id="alice", metadata={"open": True}))
    manager.add_session(Session(session_id="b", metadata={"open": "true", "of": "x"}))
    manager.add_session(Session(session_id="c"))
    manager.delete_session("c")

    def listed(*options: str) -> list[object]:
        return [line["session_id"] for line in lines(on("sessions", "list", "--json", *options).out)]

    assert listed("--user", "alice") == ["a"]
    assert listed("--metadata", "open=true") == ["a"]
    assert listed("-m", 'open="true"', "-m", "of=x") == ["b"]
    assert listed("--deleted") == ["c"]
    assert on("sessions", "list", "-m", "open").code == 2


def test_a_table_that_is_not_for_a_terminal_has_tabs(on: Command, manager: SessionManager) -> None:
    """So that `cut` and `awk` find their way, and nothing is cut off."""
    manager.add_session(Session(session_id="a" * 200, metadata={"note": "two\nlines"}))

    (row,) = on("sessions", "list").out.splitlines()

    assert row.split("\t")[1] == "a" * 200
    assert row.split("\t")[-1] == '{"note": "two\\nlines"}'


def test_a_session_is_shown_with_all_that_is_in_it(on: Command, manager: SessionManager) -> None:
    manager.add_memory("a", talk(3), user_id="alice")
    manager.add_summary("a", Summary(content="in short"))

    ended = on("sessions", "show", "a", "--json")
    text = on("sessions", "show", "a", "--last", "1").out

    assert [next(iter(line)) for line in lines(ended.out)] == ["session", "summary", "message", "message", "message"]
    assert [line["message"]["content"] for line in lines(ended.out)[2:]] == ["text 1", "text 2", "text 3"]  # type: ignore[index]
    assert "in short" in text
    assert "text 3" in text
    assert "text 2" not in text


def test_what_is_stored_does_nothing_to_the_terminal(on: Command, manager: SessionManager) -> None:
    """No escape sequence of a message reaches it, nor what turns the direction of a line around."""
    manager.add_memory("a", [Message(role="user", content="red \x1b[31m\x07 [bold]x[/bold] \u202e\x9b2J")])

    for ended in (on("sessions", "show", "a"), on("search", "red")):
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ended.out)
        assert "\\x1b[31m" in ended.out
        assert "[bold]x[/bold]" in ended.out


def test_a_session_is_deleted_and_restored(on: Command, manager: SessionManager) -> None:
    manager.add_memory("a", talk(2))

    assert on("sessions", "delete", "a").code == 0
    assert manager.list_sessions() == []
    assert on("sessions", "delete", "a").code == 3
    assert on("sessions", "restore", "a").code == 0
    assert len(manager.list_messages("a")) == 2


def test_a_session_is_renamed(on: Command, manager: SessionManager) -> None:
    manager.add_memory("a", talk(2))

    assert on("sessions", "rename", "a", "b").code == 0
    assert manager.count_messages(["a", "b"]) == {"a": 0, "b": 2}
    assert on("sessions", "rename", "a", "c").code == 3


def test_a_session_is_forked_and_rewound(on: Command, manager: SessionManager) -> None:
    stored = manager.add_memory("a", talk(4))

    assert on("sessions", "fork", "a", "b", "--until", str(stored[2].uuid)).code == 0
    assert on("sessions", "rewind", "a", str(stored[0].uuid), "--yes").code == 0

    assert [message.content for message in manager.list_messages("b")] == ["text 1", "text 2", "text 3"]
    assert [message.content for message in manager.list_messages("a")] == ["text 1"]
    assert on("sessions", "fork", "a", "b").code == 1


def test_the_session_of_another_user_is_refused(on: Command, manager: SessionManager) -> None:
    stored = manager.add_memory("a", talk(2), user_id="alice")
    before = manager.list_messages("a")

    for arguments in (["show", "a"], ["delete", "a"], ["fork", "a", "b"], ["rewind", "a", str(stored[0].uuid), "-y"]):
        ended = on("sessions", *arguments, "--user", "bob")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "error: session 'a' does not belong to user 'bob'\n"

    assert manager.list_messages("a") == before


def test_users_are_listed_shown_and_erased(on: Command, manager: SessionManager) -> None:
    manager.add_user(User(user_id="bob", email="bob@example.org"))
    manager.add_memory("a", talk(2), user_id="alice")

    listed = lines(on("users", "list", "--json").out)
    shown = on("users", "show", "alice").out

    assert [(line["user_id"], line["email"]) for line in listed] == [("bob", "bob@example.org"), ("alice", None)]
    assert "sessions    1" in shown
    assert on("users", "erase", "alice", "--yes").code == 0
    assert [user.user_id for user in manager.list_users()] == ["bob"]
    assert manager.list_messages("a") == []
    assert on("users", "erase", "alice", "--yes").code == 3


def test_what_cannot_be_undone_is_asked_for(on: Command, manager: SessionManager) -> None:
    """Without an answer, as in a script, nothing happens."""
    stored = manager.add_memory("a", talk(2), user_id="alice")

    assert on("users", "erase", "alice").code == 1
    assert on("sessions", "rewind", "a", str(stored[0].uuid)).code == 1
    assert len(manager.list_messages("a")) == 2


def test_a_search_finds_what_was_said(on: Command, manager: SessionManager) -> None:
    manager.add_memory("a", [Message(role="user", content="the dog is called Fido")], user_id="alice")
    manager.add_memory("b", [Message(role="user", content="Fido barks", metadata={"loud": True})], user_id="bob")
    manager.add_summary("b", Summary(content="about Fido"))

    def found(*options: str) -> set[object]:
        return {line["session_id"] for line in lines(on("search", "fido", "--json", *options).out)}

    assert found() == {"a", "b"}
    assert found("--user", "alice") == {"a"}
    assert found("--session", "b") == {"b"}
    assert found("-m", "loud=true") == {"b"}
    assert found("--since", "2999-01-01") == set()
    assert found("--until", "2999-01-01") == {"a", "b"}
    assert found("--summaries", "--session", "b") == {"b"}
    assert on("search", "fido", "--since", "yesterday").code == 2


def test_a_purge_counts_what_would_go_before_it_goes(on: Command, manager: SessionManager, database_url: str) -> None:
    for name in ("old", "new"):
        manager.add_memory(name, talk(2))
        manager.delete_session(name)
    with Tables(database_url) as tables:
        tables.age("old", timedelta(days=31))

    dry = json.loads(on("purge", "--older-than", "30d", "--dry-run", "--json").out)
    before = manager.stats()
    done = json.loads(on("purge", "--older-than", "30d", "--json").out)

    assert (dry["sessions"], dry["messages"], dry["dry_run"]) == (1, 2, True)
    assert (before.deleted_sessions, before.deleted_messages) == (2, 4)
    assert (done["sessions"], done["messages"], done["dry_run"]) == (1, 2, False)
    assert [session.session_id for session in manager.list_sessions(deleted=True)] == ["new"]


@pytest.mark.parametrize("text", ["", "30", "d", "5 d", "-5d", "1y", "9" * 20 + "w"])
def test_a_duration_that_is_none_is_refused(command: Command, text: str) -> None:
    ended = command("purge", f"--older-than={text}")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: --older-than is ")


def test_stats_count_what_is_live_and_what_is_deleted(on: Command, manager: SessionManager) -> None:
    stored = manager.add_memory("a", talk(3), user_id="alice")
    manager.add_summary("a", Summary(content="in short"))
    manager.add_memory("b", talk(2))
    manager.delete_session("b")

    counts = json.loads(on("stats", "--json").out)

    expected = {"users": 1, "sessions": 1, "messages": 3, "summaries": 1, "deleted_summaries": 0}
    assert {**counts, **expected, "deleted_sessions": 1, "deleted_messages": 2} == counts
    assert counts["oldest_message_at"].startswith(f"{stored[0].created_at:%Y-%m-%dT%H:%M}")
    assert counts["bytes"] > 10_000


def test_the_index_is_made_anew(on: Command, manager: SessionManager) -> None:
    manager.add_memory("a", talk(3))

    assert on("reindex").err == "indexed 3 messages\n"


def test_messages_are_embedded_anew_with_word_vectors(on: Command, manager: SessionManager, database_url: str) -> None:
    manager.add_memory("a", [Message(role="user", content="My dog is ill"), Message(role="user", content="By train")])

    assert on("reindex", "--embeddings").err == "indexed 2 messages\n"

    with SessionManager(database_url, embedder="static") as searching:
        (found,) = searching.search_memory("a sick puppy", mode="semantic", limit=1)
    assert found.message is not None
    assert found.message.content == "My dog is ill"


def test_the_statements_of_the_schema_make_tables_that_work(command: Command, tmp_path: Path) -> None:
    """Who does not let a program create tables gives them to the database's own client."""
    import sqlite3

    with sqlite3.connect(tmp_path / "zep.db") as connection:
        connection.executescript(command("schema", "sqlite").out)
    connection.close()

    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        assert len(manager.add_memory("a", talk(2))) == 2


def test_citus_is_told_of_every_table_and_can_keep_its_keys(command: Command) -> None:
    """A table is distributed by a column that is in each of its unique keys, those of sessions beside the sessions."""
    printed = command("schema", "--distributed").out
    placed = dict(re.findall(r"create_distributed_table\('(\w+)', '(\w+)'", printed))
    beside = dict(re.findall(r"\('(\w+)', '\w+', colocate_with => '(\w+)'\)", printed))
    everywhere = re.findall(r"create_reference_table\('(\w+)'\)", printed)
    tables = {table.name: table for table in tables_of("postgresql")}

    assert next(iter(placed)) == "zep_sessions"
    assert sorted([*placed, *everywhere]) == sorted(tables)
    for name, column in placed.items():
        keys = [key for key in tables[name].constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)]
        assert all(column in key.columns for key in keys)
        assert not any(index.unique for index in tables[name].indexes)
    assert beside == {
        name: "none" if column == "user_id" else "zep_sessions"
        for name, column in placed.items()
        if name != "zep_sessions"
    }


def test_the_statements_of_the_schema_of_postgres_work(command: Command, postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        connection.execute(command("schema", "postgresql").out.encode())

    with SessionManager(postgres_url) as manager:
        assert len(manager.add_memory("a", talk(2))) == 2


def test_an_erasure_has_a_receipt_and_is_verified(on: Command, manager: SessionManager, tmp_path: Path) -> None:
    manager.add_memory("s", talk(2), user_id="alice-4711")
    assert on("users", "verify", "alice-4711").code == 1

    receipt = lines(on("users", "erase", "alice-4711", "--yes", "--json").out)[0]
    check = on("users", "verify", "alice-4711", "--word", "text 1")
    wrote = on("users", "ledger", str(tmp_path / "erasures.jsonl"))
    applied = on("users", "apply-ledger", str(tmp_path / "erasures.jsonl"))

    assert receipt["rows"] == {"messages": 2, "sessions": 1, "users": 1}
    assert (check.code, check.out) == (0, "left  nothing\n")
    assert (wrote.err, applied.code, applied.out) == ("wrote 1 entries\n", 0, "")


def test_usage_is_summed_by_what_is_asked_for(on: Command, manager: SessionManager) -> None:
    told = {"usage": {"input_tokens": 9, "output_tokens": 3, "cost": 0.5}}
    manager.add_memory("s", [Message(role="assistant", content="yes", metadata=told)], user_id="alice")

    assert on("usage", "user").out == "alice\t1\t9\t3\t0.5\t0\t0.0\n"
    assert lines(on("usage", "session", "--user", "alice", "--since", "2020-01-01", "--json").out)[0]["cost"] == 0.5
    assert on("usage", "--until", "2020-01-01").out == ""
