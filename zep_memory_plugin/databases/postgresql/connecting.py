"""Connections to Postgres, through psycopg 3 or asyncpg: their settings, transactions and locks."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from socket import SHUT_RDWR, socket
from typing import Any

from sqlalchemy import URL, Connection, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateSchema

from ...tables import metadata
from ..naming import names_of, quoted
from ..protocol import DriverConnection, Finding, Send, Settings, Trace
from . import guarding, pooling, sending, tolerating

SCHEMA_LOCK = 0x7A65705F6D656D
"""Key of the advisory lock under which the tables are created."""

# Not the position up to which it is written, which a commit that is not waited for has yet to reach.
_LOG_POSITION = text("""
    SELECT CASE WHEN NOT pg_is_in_recovery()
           THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END AS ends
""")
_REPLAYED = text("""
    SELECT pg_sleep(:pause) IS NULL AS paused,
           CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END AS ends
""")

_PATIENCE = "zep_memory_patience"
"""The key under which a connection has how long its transactions wait for a lock, in milliseconds."""


def _number_or_none(text: Any) -> int | None:
    return None if text == "None" else int(text)


_TYPED: dict[str, Callable[[Any], Any]] = {
    "prepare_threshold": _number_or_none,
    "statement_cache_size": int,
    "max_cached_statement_lifetime": int,
    "max_cacheable_statement_size": int,
    "command_timeout": float,
    "timeout": float,
}
"""Options of the drivers that are no text, though a URL has nothing else."""

_NAME = func.unnest(bindparam("names", type_=ARRAY(Text))).column_valued("name")
_SCHEMA = select(cast(func.to_regnamespace(bindparam("schema", type_=Text)), Text))
_PRESENT = select(_NAME).where(func.to_regclass(_NAME).is_not(None))


# Of a table that is partitioned, the sizes of its partitions.
_SIZE = text("""
    SELECT coalesce(sum(pg_total_relation_size(part.relid)), pg_total_relation_size(to_regclass(:table)), 0)
      FROM pg_partition_tree(to_regclass(:table)) AS part
""")


class Connecting:
    """How a server is connected to: as it and the URL say. Neither driver logs parameters, and autovacuum cleans up."""

    one_writer = False
    bound_to_process = False
    has_replicas = True

    def clean(self, driver: DriverConnection) -> bool:
        return _is_idle(driver)

    def guard(self, driver: DriverConnection) -> None:
        transport = getattr(driver, "_transport", None)  # asyncpg's
        if transport is not None:
            sending.guard(transport)

    def end(self, driver: DriverConnection) -> None:
        pgconn = getattr(driver, "pgconn", None)
        if pgconn is not None:
            pgconn.finish()
            return
        # asyncpg's own ways need its event loop, which reads the end of the stream where it still runs.
        with suppress(OSError), socket(fileno=os.dup(_fileno(driver))) as same:
            same.shutdown(SHUT_RDWR)

    def engine_options(self, url: URL) -> dict[str, Any]:
        given = {name: convert(url.query[name]) for name, convert in _TYPED.items() if name in url.query}
        if url.get_driver_name() == "asyncpg":
            return {"connect_args": {"statement_cache_size": 0} | given}
        return {"connect_args": given if "client_encoding" in url.query else {"client_encoding": "utf8"} | given}

    def configure(self, cursor: DBAPICursor, record: ConnectionPoolEntry, settings: Settings) -> None:
        pooling.configure(cursor, record, settings)

    @contextmanager
    def autocommit(self, connection: Connection, settings: Settings) -> Iterator[None]:
        # Until it is returned to the pool. A cursor on the server, which the engine may ask for, needs a transaction.
        connection.execution_options(isolation_level="AUTOCOMMIT", stream_results=False, yield_per=None)
        with pooling.as_given(connection, settings.pooler):
            yield

    def joined(self, connection: Connection, settings: Settings) -> AbstractContextManager[None]:
        return pooling.as_given(connection, settings.pooler)

    def joins(self, connection: Connection) -> bool:
        adapted: Any = connection.connection.dbapi_connection
        return not (adapted.autocommit and _is_idle(connection.connection.driver_connection))

    def tolerant(self, connection: Connection) -> AbstractContextManager[None]:
        return tolerating.tolerant(connection)

    def begin(self, connection: Connection, send: Send) -> None:
        send("BEGIN ISOLATION LEVEL READ COMMITTED")
        if _PATIENCE in connection.info:
            send(f"SET LOCAL lock_timeout = {connection.info[_PATIENCE]}")
        guarding.begin(connection)

    def held_to(self, connection: Connection, user_id: str, *, reads: bool) -> AbstractContextManager[None]:
        return guarding.held_to(connection, user_id, reads=reads)

    def roll_back(self, connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def impatient(self, connection: Connection, patience: float) -> Iterator[None]:
        info = connection.info
        info[_PATIENCE] = round(patience * 1000)
        try:
            yield
        finally:
            info.pop(_PATIENCE, None)

    def examine(self, connection: Connection) -> Iterable[Finding]:
        from . import examining  # here: only an operator's command asks for it

        return examining.findings(connection)

    def traces(self, connection: Connection, words: Sequence[str]) -> Iterable[Trace]:
        from . import remaining  # here: only who verifies an erasure asks for it

        return remaining.traces(connection, words)

    def forget_words(self, connection: Connection, words: Sequence[str]) -> None:
        from . import remaining

        remaining.sample_anew(connection, words)

    def log_position(self, connection: Connection) -> int | None:
        position: int | None = connection.execute(_LOG_POSITION).scalar_one()
        return position

    def replayed(self, connection: Connection, pause: float) -> int | None:
        position: int | None = connection.execute(_REPLAYED, {"pause": pause}).one().ends
        return position

    def size(self, connection: Connection) -> int:
        tables = map(names_of(connection).of, metadata.tables)
        return sum(int(connection.execute(_SIZE, {"table": name}).scalar_one()) for name in tables)

    def present(self, connection: Connection, names: Sequence[str]) -> set[str]:
        known = {names_of(connection).of(name): name for name in names}
        return {known[name] for name in connection.execute(_PRESENT, {"names": list(known)}).scalars()}

    def make_schema(self, connection: Connection) -> None:
        schema = names_of(connection).schema
        # Not by IF NOT EXISTS, which asks for the right to make one though there is one.
        if schema is not None and connection.execute(_SCHEMA, {"schema": quoted(schema)}).scalar_one() is None:
            connection.execute(CreateSchema(schema))

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))


def _fileno(driver: DriverConnection) -> int:
    fileno: int = driver._transport.get_extra_info("socket").fileno()  # asyncpg shows it nowhere
    return fileno


def appends_alone(connection: Connection) -> bool:
    """Tell whether an append, one statement, does without a transaction around it."""
    if pooling.STRICT not in connection.info and _PATIENCE not in connection.info:
        return True
    return not _is_idle(connection.connection.driver_connection)  # then there is one


def _is_idle(driver: DriverConnection) -> bool:
    pgconn = getattr(driver, "pgconn", None)
    return not (driver.is_in_transaction() if pgconn is None else pgconn.transaction_status)
