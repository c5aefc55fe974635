"""What the application's `before_store` makes of messages, before anything is locked.

What it raises is what its caller gets, and nothing is stored then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from .. import core, units
from ..core.batches import Batch
from ..core.screening import FIELD, Row, messages_of, rows_of
from ..errors import InvalidInput
from ..models import Message
from ..types import Metadata
from ..units import Ask, Flow
from .application import Application


def screened(app: Application, session_id: str, batch: Batch) -> Flow[Batch]:
    """Return *batch* as the application wants it to be stored."""
    if app.before_store is None or not batch.rows:
        return batch
    rows: list[Row] = yield from screened_rows(app, core.checks.session_id(session_id), batch.rows)
    if len({row["uuid"] for row in rows}) < len(rows):
        raise InvalidInput(FIELD, "returned two messages of the same uuid; give a message that it adds none")
    return replace(batch, rows=rows, merges=any(row["metadata"] for row in rows if row["uuid"] in batch.given))


def screened_rows(
    app: Application, session_id: str, rows: Sequence[Row], *, only_known: bool = False
) -> Flow[list[Row]]:
    """Return *rows* of messages of a session as the application wants them to be stored."""
    if app.before_store is None:
        return list(rows)
    answer: object = yield Ask(app.before_store, (session_id, messages_of(session_id, rows)))
    return rows_of(answer, rows, app.token_counter, only_known=only_known)


def screened_change(
    app: Application,
    session_id: str,
    uuid: UUID | str,
    metadata: Metadata | None,
    content: str | None,
    user_id: str | None,
) -> Flow[tuple[Metadata | None, str | None]]:
    """Return the metadata and the content that the application wants a stored message to get."""
    if app.before_store is None or (metadata is None and content is None):
        return metadata, content
    core.checks.optional_text("content", content)
    core.checks.metadata(metadata)
    before: Message = yield units.read(core.messages.get, session_id, uuid, user_id)
    given: dict[str, Any] = {"metadata": metadata} if content is None else {"metadata": metadata, "content": content}
    answer: object = yield Ask(app.before_store, (session_id, [before.model_copy(update=given)]))
    answered = list(answer) if isinstance(answer, Iterable) else []
    if len(answered) != 1 or not isinstance(answered[0], Message):
        raise InvalidInput(FIELD, "did not return the one message that is to change; raise an error to refuse it")
    changed: Message = answered[0]
    rewritten = changed.content if content is not None or changed.content != before.content else None
    return changed.metadata, rewritten
