"""Sessions of the OpenAI Agents SDK, kept by a `SessionManager`."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from . import forms
from .context import user_of
from .errors import SessionNotFound
from .forms import Form, Json, Part
from .manager import SessionManager
from .models import Message, ToolCall

with forms.needing("openai-agents"):
    from agents import RunContextWrapper, SessionSettings, TResponseInputItem
    from agents.memory import SessionABC
    from agents.memory.session_settings import coerce_session_settings

__all__ = ["ZepSession"]

Run = RunContextWrapper[Any]
UserOf = Callable[[Run], str | None]


class ZepSession(SessionABC):
    """The items of one session, kept by a manager that is made once and shared by threads and event loops.

    New sessions belong to *user_id*: an id, or a function that names the user of a run by its context, else the user of
    the surrounding `use_session`; a session of another user raises `SessionOwnedByAnotherUser`. *session_settings* may
    bound how many items are read. An item is one message, except that an answer with tool calls that another
    framework wrote reads as several.
    """

    def __init__(
        self,
        session_id: str,
        manager: SessionManager,
        *,
        user_id: str | UserOf | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings = coerce_session_settings(session_settings or {})
        self._manager = manager
        self._user_id = user_id

    async def get_items(self, limit: int | None = None, *, wrapper: Run | None = None) -> list[TResponseInputItem]:
        """Return the newest *limit* items, else as many as the settings say, else all, oldest first."""
        bound = limit if limit is not None or self.session_settings is None else self.session_settings.limit
        rows = await self._manager.alast_messages(self.session_id, bound, user_id=self._user(wrapper))
        items = forms.from_rows(FORM, rows)
        return cast("list[TResponseInputItem]", items if bound is None else items[max(len(items) - bound, 0) :])

    async def add_items(self, items: list[TResponseInputItem], *, wrapper: Run | None = None) -> None:
        """Append *items*, all or none."""
        rows = [to_row(cast("Json", item)) for item in items]
        await self._manager.aadd_memory(self.session_id, rows, user_id=self._user(wrapper))

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

    def _user(self, run: Run | None) -> str | None:
        if not callable(self._user_id):
            return user_of(self._user_id)
        return user_of(None if run is None else self._user_id(run))


def to_row(item: Json) -> Message:
    """Return the row of *item*, which only this SDK can read where it is neither said, called nor answered."""
    role, parts = "assistant", list[Part]()
    match item:
        case {"type": "function_call", "call_id": str(id_), "name": str(name)}:
            parts = [Part(call=ToolCall(id=id_, name=name, args=forms.arguments(item.get("arguments"))))]
        case {"type": "function_call_output", "call_id": str(id_)}:
            parts = [Part(_text(item.get("output")), result_of=id_)]
        case {"role": str(role), "content": content}:
            parts = [Part(_text(content))]
    return forms.kept(FORM, forms.row(parts, role), item)


def _text(content: object) -> str:
    """Return what *content*, text or a list of parts, says in words."""
    if not isinstance(content, list):
        return forms.text_of(content)
    return "\n".join(text for part in content if (text := _part(part).text) is not None)


def _part(part: Json) -> Part:
    match part:
        case {"text": str(text)} | {"refusal": str(text)}:
            return Part(text)
    return Part()


def _items(rows: list[Message]) -> list[Json]:
    return [item for row in rows for item in _items_of(row)]


def _items_of(row: Message) -> list[Json]:
    if row.tool_call_id is not None:
        return [{"type": "function_call_output", "call_id": row.tool_call_id, "output": row.content}]
    role = row.role if row.role_type in ("system", None) else "assistant" if row.role_type == "assistant" else "user"
    calls = [(call.id or "", call.name, forms.arguments_text(call)) for call in row.tool_calls or ()]
    items: list[Json] = [{"role": role, "content": row.content}] if row.content or not calls else []
    return items + [{"type": "function_call", "call_id": i, "name": n, "arguments": args} for i, n, args in calls]


FORM = Form("openai_agents", _part, _items)
"""How the SDK writes items."""
