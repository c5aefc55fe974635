"""Histories, recall and sessions of Microsoft's Agent Framework, kept by a `SessionManager`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any
from uuid import UUID

from . import forms
from .context import current_session, scope_of, user_of
from .core.usage import with_usage
from .core.windows import bounds
from .errors import SessionNotFound
from .forms import Form, Json, Part
from .manager import SessionManager, manager_of
from .models import Message, ToolCall
from .types import DEFAULT_MAX_TOKENS

with forms.needing("agent-framework-core"):
    from agent_framework import (
        AgentSession,
        Content,
        ContextProvider,
        HistoryProvider,
        SessionContext,
        SupportsAgentRun,
    )
    from agent_framework import Message as AgentMessage

__all__ = ["ZepContextProvider", "ZepHistoryProvider", "ZepSessionStore"]


class ZepHistoryProvider(HistoryProvider):
    """The history of the session that a run names, else that of the surrounding `use_session`.

    With neither nothing is read or stored. New sessions belong to *user_id*, else to the user of `use_session`. What
    `SessionManager.prompt_memory` returns is read: the newest whole turns, at most *turns* of them, *limit* messages
    and *max_tokens* tokens, None being no bound, and before them, as a system message, the latest summary. A message
    with an id that comes again, unchanged, is stored once. *flags* are those of `HistoryProvider`: `load_messages`,
    `store_inputs`, `store_outputs` …
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        user_id: str | None = None,
        limit: int | None = None,
        turns: int | None = None,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        source_id: str = "zep_history",
        **flags: bool,
    ) -> None:
        super().__init__(source_id, **flags)  # type: ignore[arg-type]  # of which one is no flag
        self._manager = manager_of(manager)
        self._user_id = user_id
        self._bounds = bounds(limit, turns, max_tokens)

    async def get_messages(
        self, session_id: str | None, *, state: Json | None = None, **others: object
    ) -> list[AgentMessage]:
        """Return the messages of a session, oldest first."""
        session_id, user_id = _named(session_id), user_of(self._user_id)
        if session_id is None:
            return []
        memory = await self._manager.aprompt_memory(session_id, **self._bounds, user_id=user_id)
        shown = forms.told(FORM, memory, self._manager.summary_as)
        return [AgentMessage.from_dict(message) for message in shown]

    async def save_messages(
        self, session_id: str | None, messages: Sequence[AgentMessage], *, state: Json | None = None, **others: object
    ) -> None:
        """Append *messages* to a session, all or none."""
        session_id = _named(session_id)
        rows = [row for message in messages for row in _rows(message)]
        if rows:
            rows[-1].metadata = with_usage(rows[-1].metadata, **_reported.get())
        if session_id is not None:
            await self._manager.aadd_memory(session_id, rows, user_id=user_of(self._user_id), known="append")

    async def after_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Append what a run was told and answered, and with the last message what the provider reports of the run."""
        told = (context.response.usage_details if context.response else None) or {}
        names = {"input_tokens": "input_token_count", "output_tokens": "output_token_count"}
        token = _reported.set({name: told.get(theirs) for name, theirs in names.items()})
        try:
            await super().after_run(agent=agent, session=session, context=context, state=state)
        finally:
            _reported.reset(token)


_reported: ContextVar[Mapping[str, object]] = ContextVar("zep_memory_plugin_reported", default=MappingProxyType({}))
"""What a provider reports of the run whose messages are being stored."""


class ZepContextProvider(ContextProvider):
    """Shows a model what the user said in other sessions that bears on what it is asked: the *limit* best messages.

    The user is *user_id*, else that of the surrounding `use_session`.
    """

    def __init__(
        self, manager: SessionManager, *, user_id: str | None = None, limit: int = 5, source_id: str = "zep_context"
    ) -> None:
        super().__init__(source_id)
        self._manager = manager_of(manager)
        self._user_id = user_id
        self._limit = limit

    async def before_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Look for the input's words, and add what answers them to the context."""
        query = "\n".join(message.text for message in context.input_messages if message.text)
        if not query.strip():
            return
        scope = scope_of(None, user_of(self._user_id))
        scope["limit"] = self._limit
        results = await self._manager.asearch_memory(query, **scope)
        others = [result for result in results if result.session_id != context.session_id and result.message]
        lines = [f"{result.message.role}: {result.message.content}" for result in others if result.message]
        if lines:
            recalled = AgentMessage("user", ["\n".join(["Said in earlier conversations:", *lines])])
            context.extend_messages(self, [recalled], origin_session_ids=list({each.session_id for each in others}))


class ZepSessionStore:
    """Keeps what an `AgentSession` holds in the state of the session of that id, next to its messages.

    It has the methods of the framework's `SessionStore`, which warns whoever inherits from it that it may change.
    """

    def __init__(self, manager: SessionManager, *, user_id: str | None = None) -> None:
        self._manager = manager_of(manager)
        self._user_id = user_id

    async def get(self, session_id: str) -> AgentSession | None:
        """Return the session, or None when none was set."""
        with suppress(SessionNotFound):
            stored = await self._manager.aget_state(session_id, user_id=user_of(self._user_id))
            state = forms.state_of(stored, FORM.name)
            return AgentSession.from_dict(state) if state else None
        return None

    async def set(self, session_id: str, session: AgentSession) -> None:
        """Keep *session* in the place of what was set before."""
        await self._put(session_id, session.to_dict())

    async def delete(self, session_id: str) -> None:
        """Forget what was set; the messages stay."""
        if await self.get(session_id) is not None:
            await self._put(session_id, {})

    async def _put(self, session_id: str, part: Json) -> None:
        change, user_id = forms.changing(FORM.name, lambda before: part), user_of(self._user_id)
        try:
            await self._manager.achange_state(session_id, change, user_id=user_id)
        except SessionNotFound:
            await self._manager.aadd_memory(session_id, [], user_id=user_id, state=change(None))


def _named(session_id: str | None) -> str | None:
    current = current_session()
    return session_id if session_id is not None or current is None else current.session_id


def _rows(message: AgentMessage) -> list[Message]:
    data = message.to_dict()
    rows = forms.to_rows(FORM, data, message.role)
    if message.message_id is None:
        return rows
    return [row.model_copy(update={"uuid": _uuid(row, data, position)}) for position, row in enumerate(rows)]


def _uuid(row: Message, data: Json, position: int) -> UUID:
    """Return the uuid of a message that is the same when it comes again; ids alone are not: some clients repeat one."""
    return forms.uuid_of(FORM.name, data["message_id"], forms.native_text(data), str(position))


def _part(content: Json) -> Part:
    match content:
        case {"type": "text", "text": str(text)}:
            return Part(text)
        case {"type": "function_call", "call_id": id_, "name": str(name)}:
            return Part(call=ToolCall(id=id_, name=name, args=forms.arguments(content.get("arguments"))))
        case {"type": "function_result", "call_id": str(id_)}:
            return Part(forms.text_of(content.get("result") or content.get("exception") or ""), result_of=id_)
    return Part()


def _messages(rows: list[Message]) -> list[Json]:
    contents = [_content(part) for row in rows for part in forms.parts_of(row)]
    role = rows[0].role_type if rows[0].role_type != "other" else "user"
    return [AgentMessage(role or "user", contents, author_name=None if role == "tool" else rows[0].name).to_dict()]


def _content(part: Part) -> Content:
    if part.result_of is not None:
        return Content.from_function_result(part.result_of, result=part.text)
    if call := part.call:
        return Content.from_function_call(call.id or "", call.name, arguments=call.args)
    return Content.from_text(part.text or "")


FORM = Form("agent_framework", _part, _messages, ("contents",))
"""How the framework writes messages."""
