"""The contract of the purge and of the purge process."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.colours import Caller
from tests.support.logs import warned
from tests.support.messages import numbered, said, texts
from tests.support.postgres import wait_for_a_lock
from tests.support.tables import Tables
from zep_memory_plugin import InvalidInput, Message, PurgeReport, Session, SessionManager, SessionNotFound, Summary

DEADLINE = 60.0  # seconds
CANARY = "the cat sat on the canary 7c1f"


def _delete_one(memory: Caller, session_id: str, count: int) -> None:
    memory.add_memory(session_id, numbered(count))
    memory.add_summary(session_id, Summary(content="counted"))
    memory.delete_session(session_id)


def test_a_purge_removes_what_was_deleted_and_leaves_what_lives(memory: Caller) -> None:
    _delete_one(memory, "deleted", 3)
    _delete_one(memory, "back to life", 2)
    (kept,) = memory.add_memory("back to life", said("kept"))
    one, two = memory.add_memory("partly", said("one", "two"))
    memory.delete_messages("partly", [one.uuid])

    report = memory.purge()

    assert (report.sessions, report.messages, report.summaries, report.rows) == (1, 6, 2, 9)
    assert memory.list_messages("back to life") == [kept]
    assert memory.list_messages("partly") == [two]
    assert {row["session_id"] for row in memory.tables.rows("sessions")} == {"back to life", "partly"}
    assert len(memory.tables.rows("messages")) == 2
    assert memory.tables.rows("summaries") == []


def test_the_id_of_a_purged_session_is_free_again(memory: Caller) -> None:
    before = memory.add_session(Session(session_id="a"))
    memory.add_memory("a", said("one"))
    memory.delete_session("a")
    memory.purge()

    with pytest.raises(SessionNotFound):
        memory.update_session(Session(session_id="a", metadata={"x": 1}))
    after = memory.add_session(Session(session_id="a"))

    assert after.id > before.id
    assert after.uuid != before.uuid
    assert [message.seq for message in memory.add_memory("a", said("one"))] == [1]


def test_the_report_says_what_was_done(memory: Caller) -> None:
    _delete_one(memory, "a", 5)

    report = memory.purge(batch_size=2)

    assert report == PurgeReport(
        sessions=1,
        messages=5,
        summaries=1,
        batches=5,
        dry_run=False,
        older_than=timedelta(0),
        started_at=report.started_at,
        finished_at=report.finished_at,
    )
    assert report.started_at < report.finished_at
    assert report.started_at.utcoffset() == report.finished_at.utcoffset() == timedelta(0)


def test_a_purge_of_nothing_reports_nothing(memory: Caller) -> None:
    memory.add_memory("a", said("one"))

    report = memory.purge(progress=pytest.fail)

    assert (report.rows, report.batches) == (0, 0)
    assert texts(memory.list_messages("a")) == ["one"]


def test_progress_is_called_after_every_batch(memory: Caller) -> None:
    _delete_one(memory, "a", 5)
    reports: list[PurgeReport] = []

    memory.purge(batch_size=2, progress=reports.append)

    assert [(report.summaries, report.messages, report.sessions, report.batches) for report in reports] == [
        (1, 0, 0, 1),
        (1, 2, 0, 2),
        (1, 4, 0, 3),
        (1, 5, 0, 4),
        (1, 5, 1, 5),
    ]


def test_a_batch_is_kept_when_its_progress_fails(memory: Caller) -> None:
    _delete_one(memory, "a", 5)

    def fail(report: PurgeReport) -> None:
        if report.messages == 4:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        memory.purge(batch_size=2, progress=fail)
    assert len(memory.tables.rows("messages")) == 1
    assert memory.purge().messages == 1


def test_only_what_was_deleted_long_enough_ago_is_removed(memory: Caller) -> None:
    _delete_one(memory, "yesterday", 2)
    memory.tables.age("yesterday", timedelta(days=1))
    _delete_one(memory, "now", 3)

    assert memory.purge(timedelta(days=2)).rows == 0
    assert memory.purge(timedelta(hours=1)).messages == 2
    memory.restore_session("now")

    assert texts(memory.list_messages("now")) == ["1", "2", "3"]
    with pytest.raises(SessionNotFound):
        memory.restore_session("yesterday")


def test_a_session_stays_while_one_of_its_messages_does(memory: Caller) -> None:
    one, _ = memory.add_memory("a", said("one", "two"))
    memory.delete_messages("a", [one.uuid])
    memory.tables.age("a", timedelta(days=1))
    memory.delete_session("a")

    assert memory.purge(timedelta(hours=1)).rows == 1
    assert memory.restore_session("a").session_id == "a"

    assert texts(memory.list_messages("a")) == ["two"]


def test_a_dry_run_counts_and_removes_nothing(memory: Caller) -> None:
    _delete_one(memory, "yesterday", 2)
    memory.tables.age("yesterday", timedelta(days=1))
    _delete_one(memory, "now", 3)
    before = memory.tables.snapshot()

    everything = memory.purge(dry_run=True, progress=pytest.fail)
    older = memory.purge(timedelta(hours=1), dry_run=True)

    assert (everything.sessions, everything.messages, everything.summaries) == (2, 5, 2)
    assert (older.sessions, older.messages, older.summaries) == (1, 2, 1)
    assert everything.dry_run
    assert everything.batches == 0
    assert memory.tables.snapshot() == before


@pytest.mark.parametrize("age", [timedelta(seconds=-1), 60, None, timedelta.max], ids=repr)
def test_an_age_is_a_timedelta_from_zero(memory: Caller, age: object) -> None:
    with pytest.raises(InvalidInput, match="older_than"):
        memory.purge(age)


@pytest.mark.parametrize("batch_size", [0, -1, True, 1.5, None, 100_001], ids=repr)
def test_a_batch_is_a_bounded_number_of_rows(memory: Caller, batch_size: object) -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        memory.purge(batch_size=batch_size)


def test_concurrent_purges_remove_every_row_once(memory: Caller) -> None:
    for number in range(5):
        _delete_one(memory, f"s{number}", 20)

    reports = memory.together("purge", [{"batch_size": 7}] * 4)

    assert sum(report.messages for report in reports) == 100
    assert sum(report.summaries for report in reports) == 5
    assert memory.purge().rows + sum(report.sessions for report in reports) == 5
    assert memory.tables.rows("sessions") == []


def test_a_row_that_is_restored_meanwhile_does_not_end_a_purge(postgres_url: str) -> None:
    """The first batch waits for it, then removes one row less, and others follow."""
    one_restored = "UPDATE zep_messages SET deleted_at = NULL WHERE seq = 1"
    with SessionManager(postgres_url) as manager, ThreadPoolExecutor(1) as threads:
        for message in manager.add_memory("a", numbered(5)):
            manager.delete_messages("a", [message.uuid])
        with psycopg.connect(postgres_url) as connection:
            connection.execute(one_restored)
            purge = threads.submit(manager.purge, batch_size=2)
            wait_for_a_lock(postgres_url)

        assert purge.result(DEADLINE).messages == 4
        assert texts(manager.list_messages("a")) == texts(numbered(1))


def test_what_is_appended_while_others_delete_and_purge_is_whole(database_url: str) -> None:
    with SessionManager(database_url) as manager, ThreadPoolExecutor(3) as threads:

        def append() -> list[Message]:
            return [message for _ in range(30) for message in manager.add_memory("a", said("1", "2", "3"))]

        def delete() -> None:
            for _ in range(30):
                with suppress(SessionNotFound):
                    manager.delete_session("a")

        def purge() -> None:
            for _ in range(30):
                manager.purge(batch_size=2)

        appended, *others = [threads.submit(work) for work in (append, delete, purge)]
        for other in others:
            other.result()

        assert len(appended.result()) == 90
        assert texts(manager.list_messages("a")) == ["1", "2", "3"] * (manager.count_messages(["a"])["a"] // 3)
        with Tables(database_url) as tables:
            sessions, messages = ({row["session_id"] for row in tables.rows(name)} for name in ("sessions", "messages"))
        assert messages <= sessions


Purging = Callable[[SessionManager, "asyncio.Queue[PurgeReport]"], Coroutine[Any, Any, None]]


def _while_purging(url: str, interval: timedelta, act: Purging, **options: Any) -> None:
    """Run *act* beside a purge process; the queue gets the report of every purge."""
    options.setdefault("older_than", timedelta(0))

    async def run() -> None:
        reports: asyncio.Queue[PurgeReport] = asyncio.Queue()
        async with SessionManager(url) as manager:
            purging = asyncio.create_task(manager.apurge_every(interval, progress=reports.put_nowait, **options))
            try:
                await asyncio.wait_for(act(manager, reports), DEADLINE)
            finally:
                purging.cancel()
                with suppress(asyncio.CancelledError):
                    await purging

    asyncio.run(run())


async def _deleted(manager: SessionManager, session_id: str) -> None:
    await manager.aadd_memory(session_id, said("one"))
    await manager.adelete_session(session_id)


def test_the_purge_process_purges_when_it_starts(database_url: str) -> None:
    async def act(manager: SessionManager, reports: "asyncio.Queue[PurgeReport]") -> None:
        report = await reports.get()
        assert (report.sessions, report.messages) == (1, 1)

    with SessionManager(database_url) as manager:
        asyncio.run(_deleted(manager, "a"))
    _while_purging(database_url, timedelta(days=1), act)


def test_the_purge_process_purges_after_every_interval(database_url: str) -> None:
    async def act(manager: SessionManager, reports: "asyncio.Queue[PurgeReport]") -> None:
        for session_id in ("a", "b", "c"):
            await _deleted(manager, session_id)
            while not (await reports.get()).sessions:
                pass

    _while_purging(database_url, timedelta(milliseconds=20), act)


def test_the_purge_process_leaves_what_is_too_young(database_url: str) -> None:
    async def act(manager: SessionManager, reports: "asyncio.Queue[PurgeReport]") -> None:
        await _deleted(manager, "young")
        await _deleted(manager, "old")
        with Tables(database_url) as tables:
            await asyncio.to_thread(tables.age, "old", timedelta(days=1))
        while not (await reports.get()).sessions:
            pass
        assert [session.session_id for session in await manager.alist_sessions(deleted=True)] == ["young"]

    _while_purging(database_url, timedelta(milliseconds=20), act, older_than=timedelta(hours=1))


def test_the_purge_process_outlives_a_file_that_cannot_be_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "comes later"

    async def act(manager: SessionManager, reports: "asyncio.Queue[PurgeReport]") -> None:
        await failed.wait()
        folder.mkdir()
        await _deleted(manager, "a")
        while not (await reports.get()).sessions:
            pass

    with warned() as failed:
        _while_purging(f"sqlite:///{folder / 'zep.db'}", timedelta(milliseconds=20), act)

    assert "purge failed, next try in 0:00:00.020000: the database file cannot be opened" in caplog.text


def test_the_purge_process_ends_with_its_manager(sqlite_url: str) -> None:
    async def run() -> None:
        async with SessionManager(sqlite_url) as manager:
            purging = asyncio.create_task(manager.apurge_every(timedelta(milliseconds=1)))
            await manager.alist_sessions()
        await asyncio.wait_for(purging, DEADLINE)

    asyncio.run(run())


@pytest.mark.parametrize("interval", [timedelta(0), timedelta(seconds=-1), 60, None], ids=repr)
def test_the_interval_of_the_purge_process_is_a_timedelta_of_more_than_zero(sqlite_url: str, interval: object) -> None:
    with SessionManager(sqlite_url) as manager, pytest.raises(InvalidInput, match="interval"):
        asyncio.run(manager.apurge_every(interval))


def _files(url: str) -> dict[str, bytes]:
    """Return the database file and what SQLite keeps beside it."""
    database = Path(url.removeprefix("sqlite:///"))
    return {path.name: path.read_bytes() for path in database.parent.glob(f"{database.name}*")}


def _holds_canary(url: str) -> bool:
    return any(CANARY.encode() in content for content in _files(url).values())


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
@pytest.mark.parametrize("way", ["purge", "delete_user"])
def test_deleted_text_is_in_no_file_of_sqlite_afterwards(sqlite_url: str, way: str, scheme: str) -> None:
    async def live(manager: SessionManager) -> None:
        await manager.aadd_memory("a", said(CANARY, CANARY * 1000), user_id="alice")
        await manager.aadd_summary("a", Summary(content=CANARY))
        await manager.aadd_memory("b", said("kept"))
        assert _holds_canary(sqlite_url)
        if way == "delete_user":
            await manager.adelete_user("alice")
            return
        await manager.adelete_session("a")
        await manager.apurge()

    async def run() -> None:
        async with SessionManager(f"{scheme}:{sqlite_url.partition(':')[2]}") as manager:
            await live(manager)
            assert not _holds_canary(sqlite_url)
            assert texts(await manager.alist_messages("b")) == ["kept"]

    asyncio.run(run())
    assert not _holds_canary(sqlite_url)


def test_a_purge_gives_the_space_back_to_the_file_system(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("a", said(*["x" * 100_000] * 50))
        manager.delete_session("a")
        before = sum(map(len, _files(sqlite_url).values()))
        manager.purge()
        after = sum(map(len, _files(sqlite_url).values()))

    assert before > 5_000_000
    assert after < 250_000
