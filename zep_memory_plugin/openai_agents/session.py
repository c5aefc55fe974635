"""The session that a runner of the SDK asks."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from .. import forms
from ..context import user_of
from ..core.windows import bounds
from ..errors import SessionChanged, SessionNotFound
from ..forms import Json
from ..manager import SessionManager, manager_of
from ..models import Message
from ..types import DEFAULT_MAX_TOKENS, KnownRule
from ..uuids import BEGINNING
from .items import FORM, to_row

with forms.needing("openai-agents"):
    from agents import RunContextWrapper, SessionSettings, TResponseInputItem
    from agents.memory import SessionABC
    from agents.memory.session import _CompactionSnapshot
    from agents.memory.session_settings import coerce_session_settings

Run = RunContextWrapper[Any]
UserOf = Callable[[Run], str | None]


class ZepSession(SessionABC):
    """The items of one session, kept by a manager that is made once and shared by threads and event loops.

    New sessions belong to *user_id*: an id, or a function that names the user of a run by its context, else the user of
    the surrounding `use_session`; a session of another user raises `SessionOwnedByAnotherUser`. *session_settings* may
    bound how many items are read; else it is what `SessionManager.prompt_memory` returns, the newest whole turns of at
    most *max_tokens* tokens, None being no bound, and before them, as a system message, the latest summary. An item is
    one message, except that an answer with tool calls that another framework wrote reads as several.
    """

    def __init__(
        self,
        session_id: str,
        manager: SessionManager,
        *,
        user_id: str | UserOf | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
    ) -> None:
        self.session_id = session_id
        self.session_settings = coerce_session_settings(session_settings or {})
        self._manager = manager_of(manager)
        self._user_id = user_id
        self._window = bounds(max_tokens=max_tokens)

    async def get_items(self, limit: int | None = None, *, wrapper: Run | None = None) -> list[TResponseInputItem]:
        """Return the newest *limit* items, else as many as the settings say, else those of the window, oldest first."""
        bound = limit if limit is not None or self.session_settings is None else self.session_settings.limit
        user_id = self._user(wrapper)
        if bound is None:
            memory = await self._manager.aprompt_memory(self.session_id, **self._window, user_id=user_id)
            return cast("list[TResponseInputItem]", forms.told(FORM, memory, self._manager.summary_as))
        items = forms.from_rows(FORM, await self._manager.alast_messages(self.session_id, bound, user_id=user_id))
        return cast("list[TResponseInputItem]", items[max(len(items) - bound, 0) :])

    async def add_items(self, items: list[TResponseInputItem], *, wrapper: Run | None = None) -> None:
        """Append *items*, all or none; a question that the session ends with is asked again, and stands once."""
        rows = [to_row(cast("Json", item)) for item in items]
        known: KnownRule = "append" if all(row.role == "user" for row in rows) else "update"
        await self._manager.aadd_memory(self.session_id, rows, user_id=self._user(wrapper), known=known)

    async def pop_item(self, *, wrapper: Run | None = None) -> TResponseInputItem | None:
        """Soft-delete the newest message and return its last item; None when there is none."""
        with suppress(SessionNotFound):
            while rows := await self._manager.adelete_slice(self.session_id, -1, user_id=self._user(wrapper)):
                for item in forms.from_rows(FORM, rows)[-1:]:
                    return cast("TResponseInputItem", item)
        return None

    async def clear_session(self, *, wrapper: Run | None = None) -> None:
        """Soft-delete all items, and keep the session."""
        with suppress(SessionNotFound):
            await self._manager.aclear_memory(self.session_id, user_id=self._user(wrapper))

    async def _get_compaction_snapshot(self, limit: int, **others: object) -> _CompactionSnapshot | None:
        """Let the SDK, which asks by this name, compact the newest *limit* items. Another branch keeps them."""
        user_id, revision, rows = self._user(None), None, list[Message]()
        with suppress(SessionNotFound):
            revision = (await self._manager.aget_session(self.session_id, user_id=user_id)).revision
            rows = await self._manager.alast_messages(self.session_id, limit + 1, user_id=user_id)
        read = forms.read(FORM, rows)
        hidden = max(len(read) - limit, 0)

        async def replace_suffix(start: int, items: list[TResponseInputItem]) -> bool:
            before, after = read[: hidden + start], read[hidden + start :]
            if not after or (before and before[-1][0] is after[0][0]):  # nothing, or a part of a message
                return False
            last = before[-1][0].uuid if before else BEGINNING
            with suppress(SessionChanged):
                compacted = map(to_row, cast("list[Json]", items))
                await self._manager.aadd_memory(
                    self.session_id, compacted, user_id=user_id, expected_revision=revision, after=last
                )
                return True
            return False

        items = cast("list[TResponseInputItem]", [item for _, item in read[hidden:]])
        return _CompactionSnapshot(items, not hidden, replace_suffix)

    def _user(self, run: Run | None) -> str | None:
        if not callable(self._user_id):
            return user_of(self._user_id)
        return user_of(None if run is None else self._user_id(run))
