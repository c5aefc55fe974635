"""`zep-memory purge`: removing for good what was soft-deleted, once or as a process of its own."""

from datetime import timedelta
from typing import Annotated

import typer

from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import PurgeReport
from .durations import duration
from .opening import opened
from .options import DEFAULT_DATABASE, AsJson, Database
from .printing import print_fields, print_json, say, working
from .processes import saying, until_told


def purge(
    database: Database = DEFAULT_DATABASE,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DURATION", help="Only what was deleted so long ago: 30d, 12h, 90m.")
    ] = "0s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; remove nothing.")] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="Purge again and again, until SIGTERM or Ctrl-C.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows of one transaction.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Remove for good what was soft-deleted."""
    age = duration("--older-than", older_than)
    pause = None if every is None else duration("--every", every)
    if pause is not None and (not pause or dry_run):
        raise InvalidInput("--every", "needs a duration of more than zero, and something to remove")
    with opened(database) as manager:
        if pause is None:
            _print(_purged(manager, age, dry_run, batch_size), as_json=as_json)
            return
        progress = saying(_line, as_json=as_json)
        until_told(manager, lambda: manager.purge_every(pause, age, batch_size=batch_size, progress=progress))


def _purged(manager: SessionManager, age: timedelta, dry_run: bool, batch_size: int) -> PurgeReport:
    with working("purging") as work:
        expected = None if dry_run else manager.purge(age, dry_run=True).rows
        return manager.purge(
            age, batch_size=batch_size, dry_run=dry_run, progress=lambda report: work.at(report.rows, expected)
        )


def _print(report: PurgeReport, *, as_json: bool) -> None:
    if as_json:
        print_json([report])
        return
    said = "would be removed" if report.dry_run else "removed"
    fields = {f"{name} {said}": getattr(report, name) for name in ("sessions", "messages", "summaries")}
    print_fields(fields, as_json=False)
    for where in report.kept_text_in:
        say(f"text of what went is kept for now in {where}; the next purge tries again")


def _line(report: PurgeReport) -> str:
    return f"removed {report.sessions} sessions, {report.messages} messages"
