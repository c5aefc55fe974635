"""What follows a write: the application's functions make what the session lacks, in the background by default."""

from collections.abc import Sequence
from datetime import datetime

from .. import core, units
from ..errors import ZepMemoryError
from ..models import Session
from ..units import Flow, Later
from .application import Application, log_failure
from .embedding import embed_session
from .summarizing import summarize
from .titling import entitle

LOOKED_THROUGH = 10_000
"""Sessions, those that were active last, in which a process looks for what an earlier one has left undone."""

PAGE = 100

MOST_LEFT_UNDONE = 500
"""Sessions that are done then; the others have their turn when they are written to."""


def after_write(app: Application, session_id: str) -> Flow[None]:
    """See to it that a session gets what it lacks."""
    if not app.works_on_sessions:
        return
    if app.background:
        yield Later(session_id)
    else:
        yield from of_session(app, session_id)


def of_session(app: Application, session_id: str) -> Flow[None]:
    """Ask the application's functions for what a session lacks."""
    yield from entitle(app, session_id)
    yield from summarize(app, session_id)
    yield from embed_session(app, session_id)


def left_undone(app: Application, before: datetime | None = None) -> Flow[Sequence[str]]:
    """Return sessions that lack something, of those that were active last, or were last *before* a moment."""
    found: list[str] = []
    if app.works_on_sessions:
        try:
            yield from _find(app, before, found)
        except ZepMemoryError as error:  # the next write to each of them makes up for it
            log_failure("looking for what was left undone", error)
    return found[:MOST_LEFT_UNDONE]


def _find(app: Application, before: datetime | None, found: list[str]) -> Flow[None]:
    lack = core.backlog.Lack(
        summaries=app.summarizer is not None, embeddings=app.embedding is not None, titles=app.titler is not None
    )
    live, cursor = core.sessions.filtered(end_date=before), None
    for _ in range(LOOKED_THROUGH // PAGE):
        page: list[Session] = yield from core.sessions.listed(PAGE, cursor, "active", live, app.sessions_horizon)
        ids = [session.session_id for session in page]
        found += yield units.read(core.backlog.of_sessions, ids, lack, app.message_window)
        if len(page) < PAGE or len(found) >= MOST_LEFT_UNDONE:
            return
        cursor = page[-1].activity_cursor
