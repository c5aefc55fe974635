"""`zep-memory retain`: letting sessions expire by rules, and purging them after a time of grace."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ..errors import InvalidInput
from ..filters import metadata_of
from ..models import RetentionReport, RetentionRule
from .durations import duration
from .opening import opened
from .options import DEFAULT_DATABASE, AsJson, Database, OfMetadata
from .printing import print_fields, print_json, say
from .processes import saying, until_told


def retain(
    database: Database = DEFAULT_DATABASE,
    idle: Annotated[
        str | None, typer.Option("--idle", metavar="DURATION", help="Sessions in which nothing was said so long: 90d.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="DURATION", help="Sessions that were added so long ago: 365d.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only sessions of this user.")] = None,
    metadata: OfMetadata = None,
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="How long what has expired can be restored.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="Do it again and again, until SIGTERM or Ctrl-C.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Soft-delete sessions that are old or idle, and purge what was deleted before the time of grace."""
    rules = list(_rules(idle, older_than, user, metadata))
    if not rules:
        raise InvalidInput("--idle", "and --older-than are both missing; one of them says what expires")
    kept, pause = duration("--grace", grace), None if every is None else duration("--every", every)
    if pause is not None and (not pause or dry_run):
        raise InvalidInput("--every", "needs a duration of more than zero, and something to change")
    with opened(database) as manager:
        if pause is None:
            _print(manager.retain(rules, kept, dry_run=dry_run), as_json=as_json)
            return
        until_told(manager, lambda: manager.retain_every(pause, rules, kept, progress=saying(_line, as_json=as_json)))


def _rules(
    idle: str | None, older_than: str | None, user: str | None, metadata: list[str] | None
) -> Iterator[RetentionRule]:
    wanted = metadata_of("--metadata", metadata)
    if idle is not None:
        yield RetentionRule(older_than=duration("--idle", idle), user_id=user, metadata=wanted)
    if older_than is not None:
        age = duration("--older-than", older_than)
        yield RetentionRule(older_than=age, since="added", user_id=user, metadata=wanted)


def _print(report: RetentionReport, *, as_json: bool) -> None:
    if as_json:
        print_json([report])
        return
    would = "would " if report.dry_run else ""
    removed = {name: getattr(report.purged, name) for name in ("sessions", "messages", "summaries")}
    fields = {f"rule {number} {would}expire": count for number, count in enumerate(report.expired, start=1)}
    print_fields(fields | {f"{name} {would}purge": count for name, count in removed.items()}, as_json=False)
    for where in report.purged.kept_text_in:
        say(f"text of what went is kept for now in {where}; the next purge tries again")


def _line(report: RetentionReport) -> str:
    return f"{sum(report.expired)} sessions expired, {report.purged.sessions} removed"
