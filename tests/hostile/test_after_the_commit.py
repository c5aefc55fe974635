"""Refused means not stored: what fails after a call has done its work is logged, and made up for later."""

import sqlite3
from contextlib import closing

import pytest

from tests.hostile.conftest import ON_DISK
from tests.support import beside
from tests.support.colours import Caller
from tests.support.messages import said
from zep_memory_plugin import PurgeReport
from zep_memory_plugin.databases.sqlite.indexing import MOST_WAITING

CANARY = "qzxcanary"
on_files = pytest.mark.parametrize(
    "backend", [one for one in ON_DISK if beside.is_sqlite(one.scheme)], ids=lambda backend: backend.name
)


def break_index(url: str) -> None:
    """Take away the table of terms, without which the index can neither grow nor be cleaned."""
    with closing(sqlite3.connect(beside.path_of(url))) as connection:
        connection.execute("DROP TABLE zep_message_index")
        connection.commit()


@on_files
def test_an_append_whose_index_cannot_follow_is_acknowledged(
    caller: Caller, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is stored by then."""
    caller.add_memory("s", said(*[CANARY] * 1000))
    break_index(url)
    batches = 1 + MOST_WAITING // 20  # twice as many messages as may wait for the index
    for _ in range(batches):
        assert len(caller.add_memory("s", said(*[CANARY] * 40))) == 40

    assert caller.count_messages(["s"]) == {"s": 1000 + 40 * batches}
    assert "tending the search index failed" in caplog.text
    assert CANARY not in caplog.text


@on_files
def test_a_purge_whose_index_is_dropped_meanwhile_is_acknowledged(
    caller: Caller, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The index is made again, so that nothing keeps the text."""

    def break_at_the_end(report: PurgeReport) -> None:
        if report.sessions:
            break_index(url)

    caller.add_memory("s", said(CANARY))
    caller.delete_session("s")
    report = caller.purge(progress=break_at_the_end)

    assert (report.messages, report.sessions) == (1, 1)
    assert report.kept_text_in == []
    assert CANARY not in caplog.text


@on_files
def test_a_purge_whose_space_cannot_be_given_back_is_acknowledged(
    caller: Caller, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And says where text may be kept, as it does when somebody reads it."""

    def replace_at_the_end(report: PurgeReport) -> None:
        if report.sessions:
            break_index(url)
            with closing(sqlite3.connect(beside.path_of(url))) as connection:
                connection.execute("CREATE TABLE zep_message_index (other)")

    caller.add_memory("s", said(CANARY))
    caller.delete_session("s")
    report = caller.purge(progress=replace_at_the_end)

    assert (report.messages, report.sessions) == (1, 1)
    assert report.kept_text_in == ["the database's files, which could not be cleaned (ZepMemoryError)"]
    assert CANARY not in caplog.text
