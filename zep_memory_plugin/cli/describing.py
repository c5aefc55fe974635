"""`zep-memory schema`: the statements that create the tables."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy import create_mock_engine, insert
from sqlalchemy.schema import ExecutableDDLElement

from ..databases.postgresql import distributing, guarding
from ..errors import InvalidInput
from ..running import schema as tables_in_use
from ..tables import metadata, schema_version, tables_of


class Kind(StrEnum):
    """A kind of database."""

    postgresql = "postgresql"
    sqlite = "sqlite"


def schema(
    kind: Annotated[Kind, typer.Argument(help="For which kind of database.")] = Kind.postgresql,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", min=1, max=1024, help="Partition the tables of Postgres by session."),
    ] = None,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Print what spreads the tables over the nodes of Citus instead.")
    ] = False,
    rls: Annotated[
        bool, typer.Option("--rls", help="Print the policies that hold each tenant to what is theirs instead.")
    ] = False,
) -> None:
    """Print the statements that create the tables, for who is not to let a program do that."""
    for option, is_given in (("--partitions", partitions is not None), ("--distributed", distributed), ("--rls", rls)):
        if is_given and kind is not Kind.postgresql:
            raise InvalidInput(option, "is for Postgres alone")
    instead = [*(placements() if distributed else ()), *(policies() if rls else ())]
    for statement in instead or statements(kind.value, partitions):
        print(f"{statement};\n")


def placements() -> Sequence[str]:
    """Return what spreads the tables of Postgres over the nodes of Citus."""
    return distributing.placements()


def policies() -> Sequence[str]:
    """Return what guards the tables of Postgres, so that a tenant reaches no row but their own."""
    return guarding.policies()


def statements(kind: str, partitions: int | None = None) -> list[str]:
    """Return what creates the tables in a database of a *kind*, those with sessions in them in *partitions*."""
    written: list[str] = []
    driver = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite"}[kind]

    def record(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        written.extend(_partitioned(str(statement.compile(dialect=engine.dialect)).strip(), partitions))

    engine = create_mock_engine(f"{driver}://", record)
    metadata.create_all(engine, tables=tables_of(kind), checkfirst=False)
    version = insert(schema_version).values(version_num=tables_in_use.REVISION)
    return [*written, str(version.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))]


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
