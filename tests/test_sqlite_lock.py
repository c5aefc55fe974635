"""A write waits for one of another process: it looks for the lock often, and as long as it was told to."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError

from zep_memory_plugin.databases.sqlite import locking
from zep_memory_plugin.databases.sqlite.files import FileConnection

PATIENCE = 30_000
"""Milliseconds."""


def driver_of(connection: Connection) -> FileConnection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, FileConnection)
    return driver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a database."""
    return tmp_path / "zep.db"


@pytest.fixture
def connection(path: Path) -> Iterator[Connection]:
    """Return a connection that takes others to write, too."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"factory": FileConnection, "timeout": PATIENCE / 1000})
    with engine.connect() as connection:
        driver_of(connection).contended_until = inf
        yield connection
    engine.dispose()


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Return another connection to the same file, amid a write."""
    with closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def patience_of(connection: Connection) -> int:
    """Return how long a connection waits by itself, in milliseconds."""
    return connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()


def test_a_write_begins_as_soon_as_the_other_has_ended(connection: Connection, other: sqlite3.Connection) -> None:
    looks: list[str] = []

    def send(statement: str, parameters: Any = ()) -> Any:
        looks.append(statement)
        if len(looks) == 3:
            other.rollback()
        return connection.exec_driver_sql(statement, parameters)

    locking.begin(connection, send)

    assert looks == ["BEGIN IMMEDIATE"] * 3
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    assert patience_of(connection) == PATIENCE


@pytest.mark.parametrize("patience", [0, 20])
def test_its_patience_ends_when_it_was_told_to(
    connection: Connection, other: sqlite3.Connection, patience: int
) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout={patience}")

    with pytest.raises(OperationalError, match="locked"):
        locking.begin(connection, connection.exec_driver_sql)

    assert patience_of(connection) == patience


def test_one_that_had_to_wait_takes_others_to_write_for_a_while(connection: Connection) -> None:
    started = time.monotonic()
    driver_of(connection).contended_until = -inf

    def send(statement: str, parameters: Any = ()) -> Any:
        time.sleep(locking.FIRST_SLEEP)  # as SQLite does where the lock is taken
        return connection.exec_driver_sql(statement, parameters)

    locking.begin(connection, send)

    assert driver_of(connection).contended_until > started


def test_a_connection_of_the_application_waits_as_it_was_told_to(path: Path, other: sqlite3.Connection) -> None:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    sent: list[str] = []

    def send(statement: str, parameters: Any = ()) -> Any:
        sent.append(statement)
        return connection.exec_driver_sql(statement, parameters)

    with engine.connect() as connection, pytest.raises(OperationalError, match="locked"):
        locking.begin(connection, send)
    engine.dispose()

    assert sent == ["BEGIN IMMEDIATE"]
