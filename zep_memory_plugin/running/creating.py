"""The statements that create the tables, and what creates them in partitions, which nothing does by itself."""

import re

from sqlalchemy import Connection, create_mock_engine, insert
from sqlalchemy.schema import ExecutableDDLElement

from ..databases import Database, transaction
from ..databases.naming import names_of, quoted
from ..errors import InvalidInput
from ..tables import metadata, schema_version, tables_of
from . import engines
from .schema import REVISION

MOST_PARTITIONS = 1_024

_THERE = "has the tables already; partition a new one, and import an export of this one there"


def statements(kind: str, partitions: int | None = None) -> list[str]:
    """Return what creates the tables in a database of a *kind*, those with sessions in them in *partitions*."""
    written: list[str] = []
    driver = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite"}[kind]

    def record(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        written.extend(_partitioned(str(statement.compile(dialect=engine.dialect)).strip(), partitions))

    engine = create_mock_engine(f"{driver}://", record)
    metadata.create_all(engine, tables=tables_of(kind), checkfirst=False)
    version = insert(schema_version).values(version_num=REVISION)
    return [*written, str(version.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))]


def partition(
    database: engines.Given, partitions: int, *, schema: str | None = None, table_prefix: str | None = None
) -> None:
    """Create the tables in a Postgres database that has none, with so many *partitions* by session.

    *database*, *schema* and *table_prefix* are as a manager takes them, which works on these tables as on others.

    Raises:
        InvalidInput: the database has the tables already, or is none of Postgres; or the number is no number from 1 to
            1,024.
    """
    if type(partitions) is not int or not 1 <= partitions <= MOST_PARTITIONS:
        raise InvalidInput("partitions", f"is {partitions!r}; allowed are 1 to {MOST_PARTITIONS}")
    source = engines.source_of(database, "full", schema=schema, table_prefix=table_prefix)
    if source.url.get_backend_name() != "postgresql":
        raise InvalidInput("database", "is SQLite, which has no partitions")
    engine = source.engine or engines.make_engine(source)
    try:
        with engine.connect() as connection, source.database.autocommit(connection, source.settings):
            _create(connection, source.database, partitions)
    finally:
        if source.engine is None:
            engine.dispose()


def _create(connection: Connection, database: Database, partitions: int) -> None:
    with transaction(connection):
        database.lock_schema(connection)
        if database.present(connection, [table.name for table in tables_of("postgresql")]):
            raise InvalidInput("database", _THERE)
        database.make_schema(connection)
        name = names_of(connection).schema
        if name is not None:  # a partition is where the search path leads to
            connection.exec_driver_sql(f"SET LOCAL search_path TO {quoted(name)}")
        for statement in statements("postgresql", partitions):
            connection.exec_driver_sql(statement)


def _partitioned(statement: str, partitions: int | None) -> list[str]:
    """Return *statement* so that the table it creates, if it is one with sessions in it, is partitioned by them."""
    table = re.match(r"CREATE TABLE (\w+)", statement)
    if partitions is None or table is None or not re.search(r"\bsession_id\b", statement):
        return [statement]
    parts = (
        f"CREATE TABLE {table[1]}_{part} PARTITION OF {table[1]} "
        f"FOR VALUES WITH (MODULUS {partitions}, REMAINDER {part})"
        for part in range(partitions)
    )
    return [f"{statement} PARTITION BY HASH (session_id)", *parts]
