"""`export` and `import` carry conversations from one database to another, and to people."""

import csv
import io
import json
from pathlib import Path

from tests.cli.conftest import Command, talk
from zep_memory_plugin import Message, Session, SessionManager


def test_an_export_is_imported_elsewhere(
    on: Command, command: Command, manager: SessionManager, tmp_path: Path
) -> None:
    manager.add_memory("a", talk(3), user_id="alice")
    manager.add_memory("b", talk(2))
    other = str(tmp_path / "other.db")
    command("upgrade", "--create", "-d", other)

    out = on("export", str(tmp_path / "all.jsonl"))
    first = command("import", str(tmp_path / "all.jsonl"), "-d", other)
    again = command("import", str(tmp_path / "all.jsonl"), "-d", other, "--json")

    assert out.err == "exported 1 users, 2 sessions, 5 messages, 0 summaries\n"
    assert first.err == "imported 1 users, 2 sessions, 5 messages, 0 summaries; 0 were there already\n"
    assert (json.loads(again.out)["messages"], json.loads(again.out)["known"]) == (0, 8)
    with SessionManager(f"sqlite:///{other}") as there:
        assert there.list_messages("a") == manager.list_messages("a")


def test_a_session_is_imported_with_its_title_activity_and_revision(
    on: Command, command: Command, manager: SessionManager, tmp_path: Path
) -> None:
    """And what it got after the first import moves its activity and revision on there, once."""
    other, lines = str(tmp_path / "other.db"), str(tmp_path / "all.jsonl")
    command("upgrade", "--create", "-d", other)
    manager.add_session(Session(session_id="a", title="Cakes"))
    manager.add_memory("a", talk(3))
    told = (manager.get_session("a").title, manager.get_session("a").last_active_at, manager.get_session("a").revision)

    on("export", lines)
    command("import", lines, "-d", other)
    with SessionManager(f"sqlite:///{other}") as there:
        first = there.get_session("a")
    manager.add_memory("a", talk(1))
    on("export", lines)
    command("import", lines, "-d", other)
    command("import", lines, "-d", other)

    assert (first.title, first.last_active_at, first.revision) == told == ("Cakes", told[1], 2)
    with SessionManager(f"sqlite:///{other}") as there:
        assert there.get_session("a").last_active_at == manager.get_session("a").last_active_at
        assert there.get_session("a").revision == 3


def test_a_session_of_a_file_without_its_activity_was_active_when_it_was_created(
    command: Command, tmp_path: Path
) -> None:
    other, lines = str(tmp_path / "other.db"), tmp_path / "all.jsonl"
    command("upgrade", "--create", "-d", other)
    session = {"session_id": "a", "created_at": "2024-01-01T00:00:00+00:00"}
    lines.write_text(
        "\n".join(json.dumps(line) for line in ({"zep_memory_plugin": {"format": 1}}, {"session": session}))
    )

    assert command("import", str(lines), "-d", other).code == 0
    with SessionManager(f"sqlite:///{other}") as there:
        assert str(there.get_session("a").last_active_at) == "2024-01-01 00:00:00+00:00"


def test_a_session_that_is_left_out_is_named(
    on: Command, command: Command, manager: SessionManager, tmp_path: Path
) -> None:
    manager.add_memory("a", talk(1))
    with SessionManager(f"sqlite:///{tmp_path / 'other.db'}") as other:
        other.add_memory("a", talk(2))
    on("export", str(tmp_path / "all.jsonl"))

    ended = command("import", str(tmp_path / "all.jsonl"), "-d", str(tmp_path / "other.db"))

    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "session 'a' was left out: another one has its id"


def test_an_export_for_people_has_who_said_what(on: Command, manager: SessionManager, tmp_path: Path) -> None:
    """Markup that is stored is text, and a spreadsheet takes no text for a formula."""
    manager.add_memory("a_b", [Message(role="user", content="<script>x</script>\n# no heading"), *talk(1)])
    manager.add_memory("c", [Message(role="user", content="=1+1")], user_id="alice")

    on("export", str(tmp_path / "all.md"), "--format", "markdown")
    on("export", str(tmp_path / "all.csv"), "--format", "csv")
    markdown, table = (tmp_path / "all.md").read_text(), (tmp_path / "all.csv").read_text()

    assert "\n## a\\_b\n" in markdown
    assert "> &lt;script>x&lt;/script>\n> # no heading\n" in markdown
    assert "\n## c of alice\n" in markdown
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == ["session_id", "seq", "created_at", "role", "name", "content"]
    assert [(row[0], row[1], row[5]) for row in rows[2:]] == [("a_b", "2", "text 1"), ("c", "1", "'=1+1")]


def test_a_file_that_is_no_export_is_one_line(on: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")

    wrong = on("import", str(tmp_path / "notes.txt"))
    missing = on("import", str(tmp_path / "nothing.txt"))

    assert wrong == (2, "", "error: source has a line 1 that is not accepted: it is not JSON\n")
    assert (missing.code, missing.err) == (1, f"error: {tmp_path / 'nothing.txt'}: No such file or directory\n")
