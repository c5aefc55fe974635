"""The backlog: sessions that lack what the application's functions make of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, false, func, or_, select

from ..databases.embeddings import SAME_MESSAGE
from ..tables import messages, sessions, summaries

_LIVE = and_(messages.c.session_id == sessions.c.session_id, messages.c.deleted_at.is_(None))
_COVERED = (
    select(func.coalesce(func.max(summaries.c.seq), 0))
    .where(summaries.c.session_id == sessions.c.session_id, summaries.c.deleted_at.is_(None))
    .correlate(sessions)
    .scalar_subquery()
)
_BEHIND = (
    select(func.count())
    .select_from(messages)
    .where(_LIVE, messages.c.seq > _COVERED)
    .correlate(sessions)
    .scalar_subquery()
)
"""How many messages the latest summary of a session does not cover."""

_WITHOUT_TITLE = and_(
    sessions.c.title.is_(None), exists().where(_LIVE, messages.c.role_type == "assistant", messages.c.content != "")
)
_WITHOUT_EMBEDDING = exists().where(_LIVE, messages.c.content != "", ~exists().where(SAME_MESSAGE))


@dataclass(frozen=True, slots=True)
class Lack:
    """What a session may lack: only what there is a function for."""

    summaries: bool = False
    embeddings: bool = False
    titles: bool = False

    def condition(self) -> ColumnElement[bool]:
        """Match the sessions that lack some of it, with the parameter `window`: messages that stay out of a summary."""
        lacks = [
            (self.summaries, bindparam("window") < _BEHIND),
            (self.embeddings, _WITHOUT_EMBEDDING),
            (self.titles, _WITHOUT_TITLE),
        ]
        return or_(false(), *(condition for matters, condition in lacks if matters))


def of_sessions(connection: Connection, session_ids: Sequence[str], lack: Lack, window: int) -> list[str]:
    """Return those of some sessions that lack something."""
    query = select(sessions.c.session_id).where(sessions.c.session_id.in_(session_ids), lack.condition())
    return list(connection.execute(query, {"window": window} if lack.summaries else {}).scalars())
