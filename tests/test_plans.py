"""How much the hot statements touch: what they return and little more, however much is stored.

The statements are those that the library sends, caught on an engine of the application.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, event, insert

from tests.support.postgres import PostgresServer
from zep_memory_plugin import Message, Session, SessionManager
from zep_memory_plugin.moments import hour_of, microseconds
from zep_memory_plugin.tables import sessions

LONG = "long"
SHORT = "short"

Call = Callable[[SessionManager], object]
Read = Callable[[SessionManager, str], object]
Statement = tuple[str, Any]
Plan = list[dict[str, Any]]

NEWEST: dict[str, Read] = {
    "the newest 20": lambda manager, session_id: manager.last_messages(session_id, 20),
    "the memory of the newest 20": lambda manager, session_id: manager.get_memory(session_id, 20),
}
WINDOWS: dict[str, Read] = {
    "the newest 20 in whole turns": lambda manager, session_id: manager.last_messages(session_id, 20, whole_turns=True),
    "the newest of 20 tokens": lambda manager, session_id: manager.last_messages(session_id, max_tokens=20),
}
PAGES: dict[str, tuple[Call, str, str]] = {
    "a page of sessions": (
        lambda manager: manager.list_sessions(20, 100),
        "ix_zep_sessions_id",
        "(id>?)",
    ),
    "a page of a user's sessions": (
        lambda manager: manager.get_user_sessions("user-7", 5, 1),
        "ix_zep_sessions_user_id_id",
        "(user_id=? AND id>?)",
    ),
}
BY_ACTIVITY: dict[str, tuple[Call, str, str]] = {
    "the first page": (lambda manager: active_page(manager), "ix_zep_sessions_active", ""),
    "a page far down": (lambda manager: active_page(manager, cursor=FAR), "ix_zep_sessions_active", "<"),
    "a user's first page": (
        lambda manager: active_page(manager, user_id="user-7"),
        "ix_zep_sessions_user_active",
        "user_id=?",
    ),
    "a user's page far down": (
        lambda manager: active_page(manager, user_id="user-7", cursor=FAR),
        "ix_zep_sessions_user_active",
        "user_id=? AND active_hour<",
    ),
    "deleted ones": (lambda manager: active_page(manager, deleted=True), "ix_zep_sessions_deleted_active", ""),
    "deleted ones of a user": (
        lambda manager: active_page(manager, user_id="user-7", deleted=True),
        "ix_zep_sessions_user_deleted_active",
        "user_id=?",
    ),
}
YEAR = datetime(2020, 1, 1, tzinfo=UTC)
FAR = f"{microseconds(YEAR + timedelta(hours=1_000))}-1100"
"""A cursor a thousand sessions of 5,000 before the end of the listing."""


GROUP = 33
"""Rows that Postgres reads at least before it puts what it has read in order."""

MOMENTS = [(number, number) for number in range(20_000)]
"""Sessions, and in which hour each was active."""

SEARCH = "SEARCH zep_messages USING "


def active_page(manager: SessionManager, **options: Any) -> object:
    return manager.list_sessions(5, order="active", with_preview=True, **options)


def messages(count: int) -> list[Message]:
    return [Message(role=("user", "assistant")[number % 2], content="text") for number in range(count)]


def at(moment: datetime) -> Message:
    return Message(role="user", content="x", created_at=moment)


def fill(engine: Engine) -> None:
    """Store a session of 10,000 messages of a token each, one of 20, and 5,000 of 500 users, a fifth deleted."""
    with SessionManager(engine) as manager:
        manager.add_memory(LONG, messages(10_000))
        manager.add_memory(SHORT, messages(20))
        for number in range(5):
            manager.add_memory(f"deleted-{number}", messages(1))
            manager.delete_session(f"deleted-{number}")
    now = datetime.now(UTC)
    same = {"created_at": now, "updated_at": now, "last_seq": 0}
    others = [
        {
            "session_id": f"other-{number}",
            "user_id": f"user-{number % 500}",
            "uuid": uuid4(),
            "id": 100 + number,
            **same,
            "last_active_at": YEAR + timedelta(hours=number),
            "active_hour": hour_of(YEAR) + number,
            "deleted_at": now if number >= 4_000 else None,
        }
        for number in range(5_000)
    ]
    with engine.begin() as connection:
        connection.execute(insert(sessions), others)
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("plans") / "zep.db"
    engine = create_engine(f"sqlite:///{file}")
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[Engine]:
    url = postgres_server.create_database()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    fill(engine)
    yield engine
    engine.dispose()
    postgres_server.drop_database(url)


def sent_by(engine: Engine, call: Call, kind: str = "SELECT") -> list[Statement]:
    """Return the statements that *call* sends when it is warm and that begin, or begin with a CTE, with *kind*."""
    sent: list[Statement] = []

    def remember(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        sent.append((statement, parameters))

    with SessionManager(engine) as manager:
        manager.get_session(LONG)
        event.listen(engine, "before_cursor_execute", remember)
        call(manager)
        event.remove(engine, "before_cursor_execute", remember)
    return [statement for statement in sent if re.match(rf"(WITH \w+ AS\s*\()?{kind}", statement[0])]


def sqlite_plan(engine: Engine, statement: Statement) -> list[str]:
    """Return how SQLite goes about *statement*, in its own words."""
    text, parameters = statement
    with engine.connect() as connection:
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)]


def postgres_plan(engine: Engine, statement: Statement, options: str = "ANALYZE, BUFFERS") -> Plan:
    """Return the nodes of the plan of *statement*, parents first; with ANALYZE it is run, and not kept."""
    text, parameters = statement
    with engine.connect() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN ({options}, FORMAT JSON) {text}", parameters).scalar_one()
        connection.rollback()
    nodes = [explained[0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", []))
    return nodes


def scans(plan: Plan, table: str) -> list[tuple[str, str | None, str | None]]:
    """Return how rows of *table* are found: kind of scan, direction, index."""
    return [
        (node["Node Type"], node.get("Scan Direction"), node.get("Index Name"))
        for node in plan
        if node.get("Relation Name") == table
    ]


def rows_touched(plan: Plan, table: str) -> float:
    """Count the rows of *table* that were looked at, used or not."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in plan
        if node.get("Relation Name") == table
    )


def steps_of(engine: Engine, call: Call) -> int:
    """Count the steps of SQLite's virtual machine that *call* takes when it is warm."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: Any, *_: object) -> None:
        connection.set_progress_handler(step, 1)

    with SessionManager(engine) as manager:
        call(manager)
        event.listen(engine, "checkout", watch)
        steps = 0
        call(manager)
        event.remove(engine, "checkout", watch)
    return steps


@pytest.mark.parametrize("read", NEWEST)
def test_postgres_touches_20_rows_for_the_newest_20(postgres: Engine, read: str) -> None:
    (statement,) = sent_by(postgres, lambda manager: NEWEST[read](manager, LONG))

    plan = postgres_plan(postgres, statement)

    assert scans(plan, "zep_messages") == [("Index Scan", "Backward", "pk_zep_messages")]
    assert rows_touched(plan, "zep_messages") == 20
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 10


@pytest.mark.parametrize("read", NEWEST)
def test_postgres_touches_few_rows_before_it_knows_the_tables(postgres_url: str, read: str) -> None:
    """As in the first minute, or where nobody ever runs ANALYZE."""
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(engine) as manager:
        for _ in range(6):
            manager.add_memory(LONG, messages(1_000))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ALTER TABLE zep_messages SET (autovacuum_enabled = off)")

    (statement,) = sent_by(engine, lambda manager: NEWEST[read](manager, LONG))
    plan = postgres_plan(engine, statement)

    engine.dispose()
    assert rows_touched(plan, "zep_messages") <= 40
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 20


@pytest.mark.parametrize("read", WINDOWS)
def test_postgres_touches_few_rows_for_a_window(postgres: Engine, read: str) -> None:
    """Once to find where the window starts, once to read it."""
    (statement,) = sent_by(postgres, lambda manager: WINDOWS[read](manager, LONG))

    plan = postgres_plan(postgres, statement)

    assert {index for _, _, index in scans(plan, "zep_messages")} <= {"pk_zep_messages", None}
    assert "Seq Scan" not in {kind for kind, _, _ in scans(plan, "zep_messages")}
    assert rows_touched(plan, "zep_messages") <= 60


@pytest.mark.parametrize("read", NEWEST)
def test_sqlite_reads_the_newest_20_along_the_key(sqlite: Engine, read: str) -> None:
    (statement,) = sent_by(sqlite, lambda manager: NEWEST[read](manager, LONG))

    plan = sqlite_plan(sqlite, statement)

    assert "SEARCH zep_messages USING PRIMARY KEY (session_id=? AND seq>?)" in plan
    assert [line for line in plan if "TEMP B-TREE" in line or "SCAN zep_" in line] == []


@pytest.mark.parametrize("read", NEWEST | WINDOWS)
def test_sqlite_does_no_more_in_a_long_session(sqlite: Engine, read: str) -> None:
    """The newest 20 of 10,000 take no more steps than 20 of 20."""
    call = (NEWEST | WINDOWS)[read]

    in_long, in_short = (steps_of(sqlite, lambda manager, at=at: call(manager, at)) for at in (LONG, SHORT))

    assert 0 < in_long < in_short * 1.2


@pytest.mark.parametrize("page", PAGES)
def test_postgres_finds_a_page_by_its_index(postgres: Engine, page: str) -> None:
    """Twice where writers may be under way: the second time up to the last id of the first."""
    call, index, _ = PAGES[page]
    statements = [sent for sent in sent_by(postgres, call) if "FROM zep_sessions" in sent[0]]

    plans = [postgres_plan(postgres, statement) for statement in statements]

    assert 1 <= len(plans) <= 2
    for plan in plans:
        # Of a user with few sessions all may be read, by another index of theirs, and put in order.
        assert {node["Index Name"] for node in plan if "Index Name" in node} <= {index, "ix_zep_sessions_user_active"}
        assert rows_touched(plan, "zep_sessions") <= 20


@pytest.mark.parametrize("page", PAGES)
def test_sqlite_finds_a_page_by_its_index(sqlite: Engine, page: str) -> None:
    call, index, condition = PAGES[page]
    (statement,) = sent_by(sqlite, call)

    assert sqlite_plan(sqlite, statement) == [f"SEARCH zep_sessions USING INDEX {index} {condition}"]


@pytest.mark.parametrize("page", BY_ACTIVITY)
def test_postgres_finds_a_page_by_activity_in_one_index_range(postgres: Engine, page: str) -> None:
    """Few more sessions are read than are shown, with those that were active in the same hour put in order."""
    call, index, _ = BY_ACTIVITY[page]
    (statement,) = sent_by(postgres, call)

    plan = postgres_plan(postgres, statement)

    assert {name for node in plan if "sessions" in (name := node.get("Index Name", ""))} == {index}
    assert rows_touched(plan, "zep_sessions") <= GROUP


@pytest.fixture(scope="module")
def crowded(postgres_server: PostgresServer) -> Iterator[Engine]:
    """A server on which one user has every tenth of 20,000 sessions, among each other's in any order."""
    url = postgres_server.create_database()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(engine) as manager:
        manager.add_memory(LONG, messages(1))
    same = {"created_at": YEAR, "updated_at": YEAR, "last_seq": 0}
    rows = [
        {
            "session_id": f"session-{number}",
            "user_id": "owner" if number % 10 == 0 else f"user-{number % 97}",
            "uuid": uuid4(),
            "id": number + 100,
            **same,
            "last_active_at": YEAR + timedelta(hours=hour),
            "active_hour": hour_of(YEAR) + hour,
        }
        for number, hour in MOMENTS
    ]
    with engine.begin() as connection:
        connection.execute(insert(sessions), rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    yield engine
    engine.dispose()
    postgres_server.drop_database(url)


@pytest.mark.parametrize(
    "cursor", [None, f"{microseconds(YEAR + timedelta(hours=10_000))}-1"], ids=["first", "far down"]
)
def test_postgres_finds_the_newest_sessions_of_a_user_who_has_a_tenth_of_all_in_their_range(
    crowded: Engine, cursor: str | None
) -> None:
    """Whatever the planner thinks: the other index has no order that fits."""

    def call(manager: SessionManager) -> list[Session]:
        return manager.list_sessions(100, cursor, user_id="owner", order="active")

    (statement,) = sent_by(crowded, call)

    plan = postgres_plan(crowded, statement)

    (used,) = [node["Index Name"] for node in plan if "Index Name" in node]
    assert used == "ix_zep_sessions_user_active"
    assert rows_touched(plan, "zep_sessions") <= 100 + GROUP
    with SessionManager(crowded) as manager:
        hours = [hour_of(session.last_active_at) - hour_of(YEAR) for session in call(manager)]
    expected = [hour for number, hour in MOMENTS if number % 10 == 0 and (cursor is None or hour < 10_000)]
    assert hours == sorted(expected, reverse=True)[:100]


@pytest.mark.parametrize("page", BY_ACTIVITY)
def test_sqlite_finds_a_page_by_activity_in_one_index_range(sqlite: Engine, page: str) -> None:
    call, index, condition = BY_ACTIVITY[page]
    (statement,) = sent_by(sqlite, call)

    on_sessions, *others = [line for line in sqlite_plan(sqlite, statement) if "SCALAR" not in line]

    assert f"zep_sessions USING INDEX {index}" in on_sessions
    assert condition in on_sessions
    assert [line[: len(SEARCH)] for line in others[:2]] == [SEARCH] * 2
    assert re.fullmatch("USE TEMP B-TREE FOR (RIGHT PART|LAST 2 TERMS) OF ORDER BY", *others[2:])


def test_appends_within_an_hour_write_to_no_index_of_sessions(postgres_url: str) -> None:
    """Postgres can leave all indexes alone only while no column of any has changed."""
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"), pool_size=1, max_overflow=0)
    with SessionManager(engine) as manager:
        manager.add_session(Session(session_id="s", user_id="alice", created_at=YEAR), create_user=True)
        for minute in range(1, 21):
            manager.add_memory("s", [at(YEAR + timedelta(minutes=minute))], user_id="alice")
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")

    with engine.connect() as connection:
        counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'zep_sessions'"
        updates, hot = connection.exec_driver_sql(counts).one()

    engine.dispose()
    assert updates == hot == 20


def test_sqlite_names_the_hour_of_a_session_only_when_it_has_changed(tmp_path: Path) -> None:
    """Naming an indexed column makes SQLite write to its indexes."""
    engine = create_engine(f"sqlite:///{tmp_path}/zep.db")
    sent: list[str] = []
    with SessionManager(engine) as manager:
        manager.add_session(Session(session_id="s", created_at=YEAR))
        event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))

        for minute in (30, 59, 60, 61):
            manager.add_memory("s", [at(YEAR + timedelta(minutes=minute))])
            sent.append(f"after {minute}")

    engine.dispose()
    told = [statement for statement in sent if "SET active_hour" in statement or "after" in statement]
    assert [each for each in told if "after" in each] == ["after 30", "after 59", "after 60", "after 61"]
    assert [told.index(each) for each in told if "SET" in each] == [2]


@pytest.mark.parametrize("table", ["zep_messages", "zep_sessions"])
def test_postgres_finds_what_to_purge_by_the_index_of_deleted_rows(postgres: Engine, table: str) -> None:
    """Live rows, of which there are many, are no part of that index."""
    statement, *_ = sent_by(postgres, lambda manager: manager.purge(batch_size=10), f"DELETE FROM {table} ")

    plan = postgres_plan(postgres, statement, "COSTS")

    assert f"ix_{table}_deleted_at" in {node.get("Index Name") for node in plan}
    assert "Seq Scan" not in {kind for kind, _, _ in scans(plan, table)}


@pytest.mark.parametrize("table", ["zep_messages", "zep_sessions"])
def test_sqlite_finds_what_to_purge_by_the_index_of_deleted_rows(sqlite: Engine, table: str) -> None:
    statement, *_ = sent_by(sqlite, lambda manager: manager.purge(batch_size=10), f"DELETE FROM {table} ")

    plan = sqlite_plan(sqlite, statement)

    assert any(f"SEARCH {table} USING" in line and f"ix_{table}_deleted_at" in line for line in plan)
    assert not any(f"SCAN {table}" in line for line in plan)


def test_a_batch_of_a_purge_begins_where_the_last_one_ended(postgres: Engine) -> None:
    """The index still holds what earlier batches removed, and would be read through from its start each time."""
    with SessionManager(postgres) as manager:
        for number in range(4):
            manager.add_memory(f"gone-{number}", messages(20))
            manager.delete_session(f"gone-{number}")

    sent = sent_by(postgres, lambda manager: manager.purge(batch_size=20), "DELETE FROM zep_messages ")

    starts = [parameters["since"] for _, parameters in sent]
    assert len(starts) > 4
    assert starts == sorted(starts)
    assert starts[-1] > starts[1] > starts[0]
