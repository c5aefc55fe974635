"""`zep-memory schema`: the statements that create the tables."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from ..databases.postgresql import distributing, guarding
from ..errors import InvalidInput
from ..running.creating import MOST_PARTITIONS, statements


class Kind(StrEnum):
    """A kind of database."""

    postgresql = "postgresql"
    sqlite = "sqlite"


def schema(
    kind: Annotated[Kind, typer.Argument(help="For which kind of database.")] = Kind.postgresql,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", min=1, max=MOST_PARTITIONS, help="Partition the tables of Postgres by session."),
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
