"""The commands together: `app` is what typer runs, and what other commands are added to."""

import typer

from . import (
    databases,
    describing,
    examining,
    purging,
    retaining,
    searching,
    serving,
    sessions,
    talking,
    transferring,
    users,
)

app = typer.Typer(
    help="Look after conversations that zep_memory_plugin keeps in a database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sessions.app, name="sessions")
app.add_typer(users.app, name="users")
app.command("search")(searching.search)
app.command("purge")(purging.purge)
app.command("retain")(retaining.retain)
app.command("stats")(databases.stats)
app.command("usage")(databases.usage)
app.command("upgrade")(databases.upgrade)
app.command("doctor")(examining.doctor)
app.command("schema")(describing.schema)
app.command("reindex")(databases.reindex)
app.command("serve", add_help_option=False, context_settings=serving.FORWARDED)(serving.serve)
app.command("mcp")(talking.mcp)
app.command("backup")(databases.backup)
app.command("export")(transferring.export)
app.command("import")(transferring.import_)


def _version(asked: bool) -> None:
    from .. import __version__

    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def zep_memory(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """Look after conversations that zep_memory_plugin keeps in a database."""
