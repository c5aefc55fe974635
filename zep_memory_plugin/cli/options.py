"""Options that several commands have, each with its one meaning."""

from typing import Annotated

import typer

Database = Annotated[
    str,
    typer.Option(
        "--database",
        "-d",
        envvar="ZEP_MEMORY_DATABASE",
        metavar="URL",
        help="The database: a URL such as postgresql://host/name, or the path of an SQLite file.",
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object on each line, for other programs.")]

OfUser = Annotated[str | None, typer.Option("--user", help="Refuse, or leave out, sessions of other users.")]

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many to print at most.")]

All = Annotated[bool, typer.Option("--all", help="Print all there are, whatever the limit.")]

Cursor = Annotated[int, typer.Option("--cursor", min=0, help="Go on behind the one with this id.")]

OfMetadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="Only with this entry; the value is JSON, or text."),
]

Assent = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

DEFAULT_DATABASE = "sqlite:///zep_memory.db"
"""The database of a manager that is given none, too."""
