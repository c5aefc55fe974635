"""Flows that write messages, and those that erase."""

from uuid import UUID

from .. import core, units
from ..core.batches import Batch
from ..models import ErasureReceipt, Message
from ..types import Metadata
from ..units import Flow
from . import chores
from .application import Application
from .screening import screened, screened_change
from .summarizing import refuse_summarizer


def add_memory(app: Application, session_id: str, batch: Batch, user_id: str | None) -> Flow[list[Message]]:
    """Append *batch* to a session, and let the application's functions work on it."""
    batch = yield from screened(app, session_id, batch)
    if batch.is_empty and user_id is None:
        core.checks.session_id(session_id)
        return []
    refuse_summarizer(app, session_id)
    stored: list[Message] = yield units.write_alone(core.appending.append, session_id, batch, user_id)
    if stored:
        yield from chores.after_write(app, session_id)
    return stored


def replace_memory(app: Application, session_id: str, batch: Batch, user_id: str | None) -> Flow[list[Message]]:
    """Make *batch* all that a session holds, and let the application's functions work on it."""
    refuse_summarizer(app, session_id)
    batch = yield from screened(app, session_id, batch)
    stored: list[Message] = yield units.write(core.replacement.replace, session_id, batch, user_id)
    if stored:
        yield from chores.after_write(app, session_id)
    return stored


def update_message(
    app: Application,
    session_id: str,
    uuid: UUID | str,
    metadata: Metadata | None,
    content: str | None,
    user_id: str | None,
) -> Flow[Message]:
    """Change a message, and embed it anew when its content is another."""
    metadata, content = yield from screened_change(app, session_id, uuid, metadata, content, user_id)
    changed = yield from core.messages.change(session_id, uuid, metadata, content, user_id, app.token_counter)
    if content is not None:
        yield from chores.after_write(app, session_id)
    return changed


def erase_user(user_id: str) -> Flow[ErasureReceipt]:
    """Erase a user and everything of theirs, and give the space back."""
    receipt, ids = yield units.write(core.erasure.erase, user_id)
    kept = yield from core.purge.reclaim(ids)
    return receipt.model_copy(update={"kept_text_in": list(kept)})  # type: ignore[no-any-return]  # a unit's is Any
