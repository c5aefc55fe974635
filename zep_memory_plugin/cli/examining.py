"""`zep-memory doctor`: what an operator gets wrong, looked for."""

import platform
from collections.abc import Iterator

import sqlalchemy
import typer

from .. import __version__
from ..core.examining import Finding, findings
from ..running import schema
from .opening import connected
from .options import DEFAULT_DATABASE, AsJson, Database
from .printing import Columns, print_json, print_rows

_COLUMNS: Columns[Finding] = {
    "": lambda finding: "ok" if finding.is_good else "!!",
    "check": lambda finding: finding.check,
    "says": lambda finding: finding.says,
}


def doctor(database: Database = DEFAULT_DATABASE, as_json: AsJson = False) -> None:
    """Look for what is wrong: versions, integrity, the index, long transactions, statistics, space, settings.

    Changes nothing; exits with 1 where something is wrong. Large tables are read, so that it takes a while.
    """
    with connected(database) as connection:
        found = [*_versions(), _revision(schema.revision_of(connection))]
        if found[-1].is_good:
            found += findings(connection)
    if as_json:
        print_json(finding._asdict() for finding in found)
    else:
        print_rows(found, _COLUMNS, as_json=False)
    if not all(finding.is_good for finding in found):
        raise typer.Exit(1)


def _versions() -> Iterator[Finding]:
    yield Finding("zep_memory_plugin", True, __version__)
    yield Finding("Python", True, platform.python_version())
    yield Finding("SQLAlchemy", True, sqlalchemy.__version__)


def _revision(revision: str | None) -> Finding:
    if revision == schema.REVISION:
        return Finding("tables", True, f"at revision {revision}")
    return Finding("tables", False, f"at revision {revision}, not {schema.REVISION}; `zep-memory upgrade` changes that")
