"""What is erased is gone: from tables, files and what a database keeps beside them; or the report says so."""

import glob
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

from tests.hostile.conftest import ON_DISK, Open
from tests.support import beside
from tests.support.colours import AsyncCaller, Backend, Caller, SyncCaller
from tests.support.messages import said, texts
from tests.support.tables import Tables
from zep_memory_plugin import Message, Session, SessionManager, Summary, ToolCall, User

CANARY = "qzxcanary"
"""A word that stands nowhere but in what is erased."""

FILES = [backend for backend in ON_DISK if beside.is_sqlite(backend.scheme)]
SERVERS = [backend for backend in ON_DISK if backend not in FILES]
on_files = pytest.mark.parametrize("backend", FILES, ids=lambda backend: backend.name)
on_servers = pytest.mark.parametrize("backend", SERVERS, ids=lambda backend: backend.name)


def secret(text: str = CANARY) -> Message:
    """Return a message with the word in every part that an application can fill."""
    return Message(
        role="user",
        content=f"{text} " * 3,
        name=text,
        metadata={text: text},
        tool_calls=[ToolCall(id=text, name=text, args={text: text})],
        tool_call_id=text,
        native=text,
        native_format="x",
    )


def fill(caller: Caller) -> None:
    """Store the word of a user "u" in every table, beside things of others."""
    caller.add_user(User(user_id="u", email=CANARY, first_name=CANARY, last_name=CANARY, metadata={"a": CANARY}))
    caller.add_memory("other", said("something else"))
    for number in range(4):
        caller.add_memory(f"s{number}", [secret() for _ in range(30)], user_id="u")
        caller.add_summary(f"s{number}", Summary(content=CANARY, metadata={"a": CANARY}))
        caller.update_session(Session(session_id=f"s{number}", metadata={"a": CANARY}))
        caller.add_memory("other", said(*(f"something else {number}" for number in range(30))))


def purge_all(caller: Caller) -> None:
    """Delete the user's sessions and purge, then erase the user, who has nothing left."""
    for number in range(4):
        caller.delete_session(f"s{number}")
    caller.purge()
    caller.delete_user("u")


def overwrite(caller: Caller) -> None:
    """Give everything new words, and purge what was there."""
    for number in range(4):
        for message in caller.list_messages(f"s{number}"):
            caller.update_message(f"s{number}", message.uuid, content="overwritten")
        caller.replace_memory(f"s{number}", said("replaced"))
    caller.purge()
    caller.delete_user("u")


ERASURES: dict[str, Callable[[Caller], object]] = {
    "delete_user": lambda caller: caller.delete_user("u"),
    "purge": purge_all,
    "overwrite": overwrite,
}


def found_in(path: Path) -> dict[str, int]:
    """Return which of a database's files hold the word, and how often."""
    counts = {name: Path(name).read_bytes().count(CANARY.encode()) for name in glob.glob(f"{path}*")}
    return {Path(name).name: count for name, count in counts.items() if count}


@contextmanager
def reader(url: str) -> Iterator[None]:
    """Read in another program, for as long as the block: a backup, a report, a slow query."""
    with closing(sqlite3.connect(beside.path_of(url), isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM zep_sessions").fetchall()
        yield
        connection.execute("COMMIT")


@on_files
@pytest.mark.parametrize("erase", ERASURES.values(), ids=ERASURES)
def test_what_is_erased_is_in_no_file(caller: Caller, url: str, erase: Callable[[Caller], object]) -> None:
    """Neither in the main file nor in the log of changes, nor in the index."""
    fill(caller)
    caller.search_memory(CANARY)
    erase(caller)

    assert found_in(beside.path_of(url)) == {}
    assert texts(caller.list_messages("other"))[:1] == ["something else"]


@on_files
@pytest.mark.parametrize("erase", ERASURES.values(), ids=ERASURES)
def test_what_a_reader_keeps_in_the_files_goes_with_the_next_purge(
    caller: Caller, url: str, erase: Callable[[Caller], object]
) -> None:
    """Which has nothing else to do; another reader that begins meanwhile does not keep it for good."""
    fill(caller)
    with reader(url):
        erase(caller)
    caller.add_memory("other", said("one more"))

    report = caller.purge()

    assert found_in(beside.path_of(url)) == {}
    assert (report.rows, report.kept_text_in) == (0, [])


@on_files
def test_a_purge_says_that_a_reader_keeps_what_it_erased(caller: Caller, url: str) -> None:
    """In its report, which names what the text is kept in, and so does the next one until it is gone."""
    fill(caller)
    with reader(url):
        for number in range(4):
            caller.delete_session(f"s{number}")
        first = caller.purge()
        second = caller.purge()
        assert found_in(beside.path_of(url)) != {}

    assert first.kept_text_in
    assert second.kept_text_in
    assert CANARY not in repr(first)
    assert caller.purge().kept_text_in == []


@on_files
def test_a_purge_without_a_reader_keeps_nothing(caller: Caller) -> None:
    """Nor does a dry run say that it does."""
    fill(caller)
    caller.delete_session("s1")

    assert caller.purge(dry_run=True).kept_text_in == []
    assert caller.purge().kept_text_in == []


@on_files
def test_the_purge_of_another_process_finishes_what_a_reader_kept(caller: Caller, url: str, open_caller: Open) -> None:
    """It need not be the manager that erased it."""
    fill(caller)
    with reader(url):
        caller.delete_user("u")

    open_caller().purge()

    assert found_in(beside.path_of(url)) == {}


def without_secure_delete(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA secure_delete=OFF")


def engine_caller(kind: str, path: Path) -> Caller:
    """Return a caller with an engine of the application, whose SQLite does not overwrite what is deleted."""
    if kind == "Engine":
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", without_secure_delete)
        return SyncCaller(SessionManager(engine), Tables(f"sqlite:///{path}"))
    awaiting = create_async_engine(f"sqlite+aiosqlite:///{path}")
    event.listen(awaiting.sync_engine, "connect", without_secure_delete)
    return AsyncCaller(SessionManager(awaiting), Tables(f"sqlite:///{path}"))


@pytest.mark.parametrize("kind", ["Engine", "AsyncEngine"])
@pytest.mark.parametrize("erase", ERASURES.values(), ids=ERASURES)
def test_what_is_erased_through_an_engine_of_the_application_is_in_no_file(
    tmp_path: Path, kind: str, erase: Callable[[Caller], object]
) -> None:
    """Though its own connections do not overwrite what they delete."""
    caller = engine_caller(kind, tmp_path / "zep.db")
    fill(caller)
    erase(caller)
    caller.close()

    assert found_in(tmp_path / "zep.db") == {}


def test_an_engine_of_the_application_deletes_as_before_afterwards(tmp_path: Path) -> None:
    """Its own statements go on as the application has it."""
    engine = create_engine(f"sqlite:///{tmp_path / 'zep.db'}", pool_size=1, max_overflow=0)
    event.listen(engine, "connect", without_secure_delete)
    with SessionManager(engine) as manager:
        manager.add_memory("s", said("one"), user_id="u")
        manager.delete_session("s")
        manager.purge()
        manager.delete_user("u")

    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 0
    engine.dispose()


def rows_with(tables: Tables, word: str) -> list[str]:
    """Return the tables of ours that have a row with *word* anywhere in it."""
    names = [name for (name,) in tables.run("SELECT tablename FROM pg_tables WHERE tablename LIKE 'zep%'")]
    query = "SELECT 1 FROM {0} WHERE {0}::text LIKE '%{1}%'"
    return [name for name in names if tables.run(query.format(name, word))]


@on_servers
@pytest.mark.parametrize("erase", ERASURES.values(), ids=ERASURES)
def test_what_is_erased_is_in_no_row_on_postgres(caller: Caller, erase: Callable[[Caller], object]) -> None:
    """Neither as text nor as a term by which it was found."""
    fill(caller)
    assert rows_with(caller.tables, CANARY)
    erase(caller)

    assert rows_with(caller.tables, CANARY) == []


@on_servers
@pytest.mark.parametrize("erase", ERASURES.values(), ids=ERASURES)
def test_what_is_erased_is_in_no_statistics_on_postgres(caller: Caller, erase: Callable[[Caller], object]) -> None:
    """The planner samples columns: their most common values, and the bounds of their histograms."""
    fill(caller)
    tables = [name for (name,) in caller.tables.run("SELECT tablename FROM pg_tables WHERE tablename LIKE 'zep%'")]
    caller.tables.run(f"ANALYZE {', '.join(tables)}")
    erase(caller)

    kept = (
        "SELECT tablename, attname FROM pg_stats WHERE tablename LIKE 'zep%'"
        f" AND concat(most_common_vals, histogram_bounds, most_common_elems) LIKE '%{CANARY}%'"
    )
    assert caller.tables.run(kept) == []


WHILE_SUMMARIZING: dict[str, Callable[[SessionManager, list[Message]], object]] = {
    "delete and purge": lambda manager, messages: (
        manager.delete_messages("s", [messages[0].uuid or ""]),
        manager.purge(),
    ),
    "delete": lambda manager, messages: manager.delete_messages("s", [messages[0].uuid or ""]),
    "clear": lambda manager, messages: manager.clear_memory("s"),
    "replace": lambda manager, messages: manager.replace_memory("s", said("new")),
    "begin anew": lambda manager, messages: (
        manager.delete_session("s"),
        manager.purge(),
        manager.add_memory("s", said("1", "2", "3", "4", "5")),
    ),
    "erase the user": lambda manager, messages: manager.delete_user("u"),
    "erase the user and begin anew": lambda manager, messages: (
        manager.delete_user("u"),
        manager.add_memory("s", said("1", "2", "3", "4", "5")),
    ),
}


@pytest.mark.parametrize("erase", WHILE_SUMMARIZING.values(), ids=WHILE_SUMMARIZING)
def test_what_is_erased_while_it_is_summarised_is_in_no_summary(
    backend: Backend, url: str, open_caller: Open, erase: Callable[[SessionManager, list[Message]], object]
) -> None:
    """Another caller erases, while the summarizer of the application has the text in its hands."""
    other, calls = SessionManager(url), []

    def summarize(previous: Summary | None, messages: list[Message]) -> str:
        if not calls:
            calls.append(1)
            erase(other, messages)
        return " ".join(message.content for message in messages)

    caller = open_caller(summarizer=summarize, message_window=2)
    caller.add_memory("s", said(CANARY, "b", "c", "d"), user_id="u")
    other.close()

    assert calls
    assert [summary.content for summary in caller.list_summaries("s") if CANARY in summary.content] == []
    assert not [
        row for row in caller.tables.rows("summaries") if CANARY in row["content"] and row["deleted_at"] is None
    ]
