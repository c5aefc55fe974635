"""`zep-memory search`: what was said about something."""

from typing import Annotated

import typer

from ..filters import metadata_of, moment
from ..models import SearchResult
from .opening import opened
from .options import DEFAULT_DATABASE, AsJson, Database, OfMetadata
from .printing import Columns, print_rows

_COLUMNS: Columns[SearchResult] = {
    "score": lambda result: f"{result.score:.3f}",
    "session": lambda result: result.session_id,
    "seq": lambda result: (result.message or result.summary).seq,  # type: ignore[union-attr]  # one of both is there
    "role": lambda result: result.message.role if result.message else "summary",
    "created": lambda result: (result.message or result.summary).created_at,  # type: ignore[union-attr]
    "content": lambda result: result.snippet,
}


def search(
    text: Annotated[str, typer.Argument(help="What to look for, in plain words; may be empty beside a filter.")],
    database: Database = DEFAULT_DATABASE,
    session: Annotated[str | None, typer.Option("--session", help="Look in this session.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Look in the sessions of this user.")] = None,
    metadata: OfMetadata = None,
    since: Annotated[str | None, typer.Option("--since", metavar="DATE", help="Only what is from then on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Only what is until then.")] = None,
    summaries: Annotated[bool, typer.Option("--summaries", help="Look through summaries instead of messages.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many results at most.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Search messages by the words in and around them, best first."""
    with opened(database) as manager:
        results = manager.search_memory(
            text or None,
            session_id=session,
            user_id=user,
            metadata=metadata_of("--metadata", metadata),
            start_date=moment("--since", since),
            end_date=moment("--until", until),
            scope="summary" if summaries else "messages",
            limit=limit,
        )
    print_rows(results, _COLUMNS, as_json=as_json)
