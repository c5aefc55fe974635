"""JSON Lines carry a conversation from one database to another with nothing lost, however often."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.colours import ONE_EACH, Backend, Caller
from tests.support.statements import statements
from tests.support.tables import Tables
from zep_memory_plugin import (
    InvalidInput,
    Message,
    Session,
    SessionManager,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    Summary,
    ToolCall,
    User,
    UserNotFound,
)
from zep_memory_plugin.core import records
from zep_memory_plugin.tables import (
    erasures,
    leases,
    listing_ids,
    message_embeddings,
    metadata,
    schema_version,
    session_holds,
    unindexed,
    user_holds,
)

DERIVED = {listing_ids, message_embeddings, schema_version, unindexed}
"""Tables that say nothing which the others do not."""

OF_ONE_DATABASE = {erasures, leases, session_holds, user_holds}
"""Tables with what is at work, or on hold, in one place, and is no part of a conversation."""

THEN = datetime(2020, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)


@pytest.fixture(params=ONE_EACH, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend for each database and each colour: lines are made of what a manager returns."""
    return request.param


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SessionManager]:
    """Return a manager on another database, which is empty."""
    with SessionManager(f"sqlite:///{tmp_path / 'other.db'}") as manager:
        yield manager


def fill(memory: Any) -> None:
    """Store what is hard to carry: every column, deleted rows, gaps, and text that JSON has to escape."""
    memory.add_user(User(user_id="alice", email="a@x.org", first_name="Ä", metadata={"b": 1, "a": [None, 1.5, -0.0]}))
    memory.add_user(User(user_id="nobody's"))
    memory.add_session(Session(session_id="s/1 ü", user_id="alice", metadata={"z": {"deep": {}}}, created_at=THEN))
    said = [
        Message(role="human", content="one", created_at=THEN, metadata={"k": "\u2028"}),
        Message(role="ai", tool_calls=[ToolCall(id="c", name="f", args={"x": 2**70}), ToolCall(name="g", args="{no")]),
        Message(role="function", content="NUL \0 and half \ud83d", tool_call_id="c", name="f", token_count=7),
        Message(role="ai", content="done", native_format="langchain", native='{"lc":1, "odd":  "\\u0000"}'),
        Message(role="moderator", content="line one\nline two\r\n\ttab"),
    ]
    stored = memory.add_memory("s/1 ü", said)
    memory.update_message("s/1 ü", stored[0].uuid, content="one, changed")
    memory.archive_messages("s/1 ü", 1)
    memory.delete_messages("s/1 ü", [stored[2].uuid])
    memory.add_summary("s/1 ü", Summary(content="in short", metadata={"by": "me"}), until_uuid=stored[1].uuid)
    memory.add_memory("s/1 ü", [], state='{"z": [1,  "\\u0000"]}')
    memory.set_user_state("alice", "null")
    memory.add_memory("deleted", [Message(role="user", content="gone")], user_id="alice")
    memory.delete_session("deleted")
    memory.add_session(Session(session_id="empty"))
    for number in range(3):
        memory.add_memory(f"of bob {number}", [Message(role="user", content=f"{number}")], user_id="bob")


def carried(snapshot: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what a snapshot says of the columns that are carried, in an order that is not the database's."""
    return {
        kind: sorted(
            ({column.name: row[column.name] for column in records.columns_of(kind)} for row in snapshot[table.name]),
            key=repr,
        )
        for kind, table in records.KINDS.items()
    }


def exported(memory: Any, **options: Any) -> bytes:
    file = BytesIO()
    memory.export_memory(file, **options)
    return file.getvalue()


def lines(text: bytes) -> list[tuple[str, dict[str, Any]]]:
    return [next(iter(json.loads(line).items())) for line in text.splitlines()]


MADE = {"id", "terms", "active_hour", "appended_revision", "changed_revision"}
"""Columns that a database makes of the rest."""


def test_every_table_and_every_column_is_carried_or_derived() -> None:
    """A table or column of tomorrow that an export forgets fails here."""
    carried_tables = {
        table: {column.name for column in records.columns_of(kind)} for kind, table in records.KINDS.items()
    }

    assert carried_tables.keys() | DERIVED | OF_ONE_DATABASE == set(metadata.tables.values())
    for table, names in carried_tables.items():
        assert {column.name for column in table.c} - names <= MADE, table.name


def test_everything_arrives_as_it_was(memory: Caller, other: SessionManager) -> None:
    """Row by row and column by column, soft-deleted ones too, on every driver."""
    fill(memory)

    report = other.import_memory(BytesIO(exported(memory, deleted=True)))

    with Tables(other_url(other)) as tables:
        assert carried(tables.snapshot()) == carried(memory.tables.snapshot())
    assert (report.users, report.sessions, report.messages, report.summaries) == (3, 6, 9, 1)
    assert (report.known, report.refused) == (0, [])


def test_branches_arrive_with_what_is_deleted(memory: Caller, other: SessionManager) -> None:
    """Without that, the conversation that is shown arrives."""
    stored = memory.add_memory("a", [Message(role="user", content=text) for text in ("question", "first")])
    memory.rewind_session("a", stored[0].uuid)
    memory.add_memory("a", [Message(role="assistant", content="second")])

    other.import_memory(BytesIO(exported(memory, deleted=True)))
    with SessionManager("sqlite://") as third:
        third.import_memory(BytesIO(exported(memory)))
        live = [message.content for message in third.list_messages("a")], len(third.list_branches("a"))

    assert other.list_branches("a") == memory.list_branches("a")
    assert live == (["question", "second"], 1)
    other.switch_branch("a", stored[1].uuid or "")
    assert [message.content for message in other.list_messages("a")] == ["question", "first"]


def other_url(manager: SessionManager) -> str:
    return manager._runner.shown_url


def test_it_arrives_on_every_driver(memory: Caller, other: SessionManager) -> None:
    """Also where it is imported: the same rows, read by every method as before."""
    fill(other)
    text = exported(other, deleted=True)

    memory.import_memory(BytesIO(text))

    with Tables(other_url(other)) as tables:
        assert carried(memory.tables.snapshot()) == carried(tables.snapshot())
    for session_id in ("s/1 ü", "of bob 1"):
        assert memory.list_messages(session_id) == other.list_messages(session_id)
        assert memory.get_memory(session_id) == other.get_memory(session_id)
    listed = [session.session_id for session in memory.list_sessions()]
    assert listed == [session.session_id for session in other.list_sessions()]
    assert memory.restore_session("deleted").session_id == "deleted"
    assert [message.content for message in memory.list_messages("deleted")] == ["gone"]


def test_what_is_imported_is_found_by_its_words(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="the heron stands in the reeds")])
    text = exported(memory)
    memory.tables.empty()

    memory.import_memory(BytesIO(text))

    assert [result.session_id for result in memory.search_memory("heron")] == ["a"]


def test_to_import_twice_changes_nothing(memory: Caller) -> None:
    fill(memory)
    text = exported(memory, deleted=True)
    before = memory.tables.snapshot()

    report = memory.import_memory(BytesIO(text))

    assert carried(memory.tables.snapshot()) == carried(before)
    assert (report.users, report.sessions, report.messages, report.summaries) == (0, 0, 0, 0)
    assert report.known == 3 + 6 + 9 + 1 + 2


def test_an_import_that_was_cut_off_is_finished_by_the_next(memory: Caller, other: SessionManager) -> None:
    """Wherever it was cut: nothing is missing then, and nothing doubled."""
    fill(memory)
    whole = exported(memory, deleted=True).splitlines(keepends=True)
    for cut in range(1, len(whole)):
        with Tables(other_url(other)) as tables:
            other.import_memory(BytesIO(b"".join(whole[:cut])))
            other.import_memory(BytesIO(b"".join(whole)))
            assert carried(tables.snapshot()) == carried(memory.tables.snapshot())
            tables.empty()


def test_a_session_goes_on_after_it_was_imported(memory: Caller, other: SessionManager) -> None:
    """What is appended comes after what was there, and a second import adds what the source has new."""
    memory.add_memory("a", [Message(role="user", content="1"), Message(role="ai", content="2")])
    other.import_memory(BytesIO(exported(memory)))
    other.add_memory("a", [Message(role="user", content="3")])
    memory.add_memory("a", [Message(role="user", content="4")])

    other.import_memory(BytesIO(exported(memory)))
    other.add_memory("a", [Message(role="user", content="5")])

    assert [message.content for message in other.list_messages("a")] == ["1", "2", "3", "4", "5"]


def test_another_session_of_the_same_id_is_left_alone(memory: Caller, other: SessionManager) -> None:
    for name in ("a", "b"):
        memory.add_memory(name, [Message(role="user", content="theirs")])
    other.add_memory("a", [Message(role="user", content="ours")])

    report = other.import_memory(BytesIO(exported(memory)))

    assert (report.refused, report.sessions, report.messages) == (["a"], 1, 1)
    assert [message.content for message in other.list_messages("a")] == ["ours"]
    assert [message.content for message in other.list_messages("b")] == ["theirs"]


def test_one_session_is_exported_with_its_user(memory: Caller) -> None:
    fill(memory)

    found = lines(exported(memory, session_id="of bob 1"))

    assert [kind for kind, _ in found] == ["zep_memory_plugin", "user", "session", "message"]
    assert [row.get("user_id") for _, row in found[1:3]] == ["bob", "bob"]


def test_a_user_gets_all_that_is_theirs_and_nothing_else(memory: Caller) -> None:
    fill(memory)

    text = exported(memory, user_id="bob")

    assert [kind for kind, _ in lines(text)] == ["zep_memory_plugin", "user", *["session"] * 3, *["message"] * 3]
    assert b"alice" not in text


def test_deleted_rows_are_exported_only_when_asked_for(memory: Caller) -> None:
    fill(memory)

    text = exported(memory)

    assert b"deleted" not in text
    assert b"gone" not in text


def test_what_cannot_be_exported_is_refused(memory: Caller) -> None:
    memory.add_memory("a", [Message(role="user", content="x")], user_id="alice")

    with pytest.raises(SessionNotFound):
        exported(memory, session_id="b")
    with pytest.raises(UserNotFound):
        exported(memory, user_id="bob")
    with pytest.raises(SessionOwnedByAnotherUser):
        exported(memory, session_id="a", user_id="bob")


def test_a_file_is_there_only_once_it_is_complete(memory: Caller, tmp_path: Path) -> None:
    """A failure leaves what was there before, and nothing beside it."""
    memory.add_memory("a", [Message(role="user", content="x")])
    target = tmp_path / "exports" / "all.jsonl"
    target.parent.mkdir()
    target.write_text("before")

    def fail(done: int, total: int | None) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        memory.export_memory(target, progress=fail)
    assert target.read_text() == "before"
    memory.export_memory(target)
    assert target.read_bytes().count(b"\n") == 3
    assert list(target.parent.iterdir()) == [target]


def test_progress_comes_to_all_messages(memory: Caller, other: SessionManager) -> None:
    memory.add_memory("a", [Message(role="user", content=str(number)) for number in range(2500)])
    out: list[tuple[int, int | None]] = []
    back: list[tuple[int, int | None]] = []
    file = BytesIO()

    memory.export_memory(file, progress=lambda done, total: out.append((done, total)))
    file.seek(0)
    other.import_memory(file, progress=lambda done, total: back.append((done, total)))

    assert out == [(1000, 2500), (2000, 2500), (2500, 2500)]
    assert back[-1][0] == 2500
    assert [message.seq for message in other.list_messages("a")] == list(range(1, 2501))


HEAD = b'{"zep_memory_plugin":{"format":1}}\n'
SESSION = b'{"session":{"session_id":"a","uuid":"6b1e7a52-0000-4000-8000-000000000000","last_seq":1}}\n'
REFUSED = {
    "nothing": b"",
    "no JSON": HEAD + b"{",
    "no object": HEAD + b"[1]\n",
    "two keys": HEAD + b'{"user":{},"session":{}}\n',
    "no header": SESSION,
    "a newer format": b'{"zep_memory_plugin":{"format":2}}\n',
    "an unknown kind": HEAD + b'{"document":{}}\n',
    "an unknown field": HEAD + b'{"user":{"user_id":"a","colour":"red"}}\n',
    "no id": HEAD + b'{"user":{}}\n',
    "a bad id": HEAD + b'{"user":{"user_id":""}}\n',
    "a bad moment": HEAD + b'{"user":{"user_id":"a","created_at":"soon"}}\n',
    "a moment of no timezone": HEAD + b'{"user":{"user_id":"a","created_at":"2026-01-01"}}\n',
    "a bad uuid": HEAD + b'{"user":{"user_id":"a","uuid":"x"}}\n',
    "bad metadata": HEAD + b'{"user":{"user_id":"a","metadata":[1]}}\n',
    "a bad name": HEAD + b'{"user":{"user_id":"a","email":5}}\n',
    "a seq that no session has": HEAD
    + SESSION
    + b'{"message":{"session_id":"a","seq":0,"role":"user","role_type":"user",'
    b'"content":"x","token_count":1}}\n',
    "too large a seq": HEAD + SESSION + b'{"message":{"session_id":"a","seq":99999999999,"role":"user",'
    b'"role_type":"user","content":"x","token_count":1}}\n',
    "an unknown role type": HEAD
    + SESSION
    + b'{"message":{"session_id":"a","seq":1,"role":"user","role_type":"magician",'
    b'"content":"x","token_count":1}}\n',
    "no content": HEAD + SESSION + b'{"message":{"session_id":"a","seq":1,"role":"user","role_type":"user"}}\n',
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_line_that_says_nothing_right_is_refused_with_its_number(memory: Caller, what: str) -> None:
    """And what it says is not repeated: it may be a conversation."""
    memory.list_users()

    with pytest.raises(InvalidInput, match="source") as caught:
        memory.import_memory(BytesIO(REFUSED[what]))

    assert len(str(caught.value)) < 300
    assert memory.tables.snapshot()["zep_messages"] == []


def test_a_line_of_a_session_that_is_not_there_is_refused(memory: Caller) -> None:
    line = b'{"message":{"session_id":"a","seq":1,"role":"user","role_type":"user","content":"x","token_count":1}}\n'

    with pytest.raises(SessionNotFound):
        memory.import_memory(BytesIO(HEAD + line))


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


def _peaks(folder: Path, count: int) -> tuple[int, int]:
    """Return the bytes that it takes at most to carry so many sessions of 1,000 messages out, and in."""
    file = folder / f"{count}.jsonl"
    with SessionManager(f"sqlite:///{folder / f'{count}.db'}", durability="normal") as manager:
        for number in range(count):
            manager.add_memory(f"{number}", [Message(role="user", content="x" * 500) for _ in range(1000)])
        out = _peak(lambda: manager.export_memory(file))
    with SessionManager(f"sqlite:///{folder / f'{count}-back.db'}", durability="normal") as manager:
        return out, _peak(lambda: manager.import_memory(file))


def test_memory_does_not_grow_with_what_is_carried(tmp_path: Path) -> None:
    """Ten times as many messages need no more of it, in or out."""
    few, many = _peaks(tmp_path, 3), _peaks(tmp_path, 30)

    assert many[0] < 2 * few[0]
    assert many[1] < 2 * few[1]


def test_no_statement_of_an_import_names_many_messages(other: SessionManager) -> None:
    """SQLite's driver keeps one for each number of names that it was given, with room for all of them."""
    file = BytesIO()
    with SessionManager("sqlite://") as manager:
        manager.add_memory("a", [Message(role="user", content="x") for _ in range(1_000)])
        manager.export_memory(file)
    other.list_users(1)  # creates the tables

    with statements() as sent:
        assert other.import_memory(BytesIO(file.getvalue())).messages == 1_000

    assert max(text.count("?") for text in sent) < 500
