"""`zep-memory mcp`: the sessions of one user as tools for a client of the Model Context Protocol."""

import asyncio
from typing import Annotated

import typer

from .opening import opened
from .options import DEFAULT_DATABASE, Database


def mcp(
    user: Annotated[str, typer.Option("--user", help="Whose sessions they are; a model cannot choose.")],
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Give an MCP client tools to search, list, read and append to sessions of one user, over stdio."""
    from ..mcp import serve  # an optional dependency

    with opened(database) as manager:
        asyncio.run(serve(manager, user))
