"""`zep-memory serve`: the REST API of Zep's open-source server. Its options are the server's own."""

import typer

FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that hands all its options on."""


def serve(context: typer.Context) -> None:
    """Serve the REST API of Zep's open-source server, for its clients in Python and TypeScript."""
    from ..server import commands  # an optional dependency

    commands.run(context.args)
