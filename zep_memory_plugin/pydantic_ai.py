"""Conversations of pydantic-ai, kept by a `SessionManager`."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from . import forms
from .context import user_of
from .errors import MessageNotFound, SessionChanged, SessionNotFound
from .forms import Form, Json, Part
from .manager import SessionManager, manager_of
from .models import Message, Session, ToolCall
from .uuids import BEGINNING, uuid_of

with forms.needing("pydantic-ai-slim"):
    from pydantic_ai.conversation_store import (
        ConversationConflict,
        ConversationEntry,
        ConversationRecord,
        ConversationStore,
    )
    from pydantic_ai.messages import (
        ModelMessagesTypeAdapter,
    )

__all__ = ["ZepConversationStore"]

_RECORD = TypeAdapter(ConversationRecord)
_KEPT_ELSEWHERE = {"conversation_id", "scope"}
"""Fields of a record that are the id and the owner of its session."""


class ZepConversationStore(ConversationStore):
    """Keeps conversations: each is a session of the same id, its scope is the owner, and an entry is a message.

    Branches are those of the session, whose active one every other framework reads; a session that another framework
    began, or went on with, is loaded like any other. A fork is a session of its own, with copies of the messages that
    it shares. What is deleted is soft-deleted, messages and branches too, until a purge. A conversation that is given
    no scope belongs to the user of the surrounding `use_session`, if any.
    """

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager_of(manager)

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """Return the record of a conversation, whoever began it, or None."""
        stored = await self._stored(conversation_id)
        return None if stored is None else await self._record(stored)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """Return the records of all conversations, or those of a *scope*; the one that was saved last comes first.

        A *limit* counts from the one with the newest message.
        """
        user_id = user_of(scope)
        rows = await self._manager.alist_sessions(limit, user_id=user_id, order="active", with_state=True)
        records = [await self._record(row) for row in rows]
        return sorted(records, key=lambda record: record.updated_at, reverse=True)

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record and its new entries in one write, which may make another branch the active one.

        Raises:
            ConversationConflict: the conversation is of another revision, or what it goes on from is not there.
        """
        revision = 0
        while True:
            stored = await self._stored(record.conversation_id)
            there = None if stored is None else (await self._record(stored)).revision
            if there != expected_revision:
                raise ConversationConflict(record.conversation_id)
            try:
                await self._write(record, new_entries, stored, revision)
                return
            except (
                SessionChanged
            ) as error:  # by what is no change of the conversation, or is one; or it is soft-deleted
                revision = error.revision
            except MessageNotFound as error:
                raise ConversationConflict(record.conversation_id) from error

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Soft-delete a conversation with all of its branches; a fork of it keeps what it shares.

        Raises:
            ConversationConflict: it is of another revision, or not there.
        """
        stored = await self._stored(conversation_id)
        if stored is None or (await self._record(stored)).revision != expected_revision:
            raise ConversationConflict(conversation_id)
        try:
            await self._manager.adelete_session(
                conversation_id, user_id=user_of(None), expected_revision=stored.revision
            )
        except (SessionChanged, SessionNotFound) as error:
            raise ConversationConflict(conversation_id) from error

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Return an entry of any conversation.

        Raises:
            LookupError: there is none.
        """
        (entry,) = await self.read_history(entry_id, limit=1)
        return entry

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        """Return the entries up to *head_id* in order, or the last *limit* of them.

        Raises:
            LookupError: there is no such entry.
        """
        if head_id is None:
            return []
        conversation_id = await self._conversation_of(head_id)
        look = partial(self._manager.abranch_messages, conversation_id, head_id, user_id=user_of(None))
        entries = list(_entries(await forms.read_newest(FORM, limit, look), conversation_id))
        return entries if limit is None else entries[max(len(entries) - limit, 0) :]

    async def _stored(self, conversation_id: str) -> Session | None:
        with suppress(SessionNotFound):
            return await self._manager.aget_session(conversation_id, user_id=user_of(None), with_state=True)
        return None

    async def _record(self, stored: Session) -> ConversationRecord:
        """Return the record of a session, as it was stored, or as another framework has left the conversation."""
        new = {"head_id": None, "revision": str(stored.uuid), "updated_at": stored.last_active_at}
        kept = new | forms.state_of(stored.state, FORM.name)
        record = _RECORD.validate_python({**kept, "conversation_id": stored.session_id, "scope": stored.user_id})
        head = None if stored.last_uuid is None else str(stored.last_uuid)
        if head != record.head_id:
            tips = [tip for tip in [*record.branches, record.head_id] if tip is not None]
            record.branches = [tip for tip in tips if await self._is_left(stored.session_id, tip)]
            record.revision = f"{record.revision}/{head}"
            record.head_id, record.deferred_tool_requests = head, None
        record.head_id = _placed(record.head_id, stored.session_id)
        record.branches = [_placed(tip, stored.session_id) for tip in record.branches]
        return record

    async def _is_left(self, conversation_id: str, entry_id: str) -> bool:
        """Tell whether an entry is there, on another branch than the active one."""
        user_id = user_of(None)
        with suppress(MessageNotFound):
            await self._manager.aget_message(conversation_id, entry_id, user_id=user_id)
            return False
        with suppress(MessageNotFound):
            return bool(await self._manager.abranch_messages(conversation_id, entry_id, 1, user_id=user_id))
        return False

    async def _write(
        self, record: ConversationRecord, new: Sequence[ConversationEntry], stored: Session | None, revision: int
    ) -> None:
        key, user_id, before = (
            record.conversation_id,
            user_of(record.scope),
            new[0].parent_id if new else record.head_id,
        )
        rows = [row for entry in new for row in _rows(entry)]
        part = _RECORD.dump_python(record, mode="json", exclude=_KEPT_ELSEWHERE)
        if stored is not None:
            state, revision = forms.with_state(stored.state, FORM.name, part), stored.revision or 0
            await self._manager.aadd_memory(
                key, rows, user_id=user_id, state=state, expected_revision=revision, after=before or BEGINNING
            )
        else:
            rows, state = [*await self._shared(before), *rows], forms.with_state(None, FORM.name, part)
            await self._manager.areplace_memory(key, rows, user_id=user_id, state=state, expected_revision=revision)

    async def _shared(self, entry_id: str | None) -> list[Message]:
        """Return what a fork shares with the conversation that an entry is of."""
        if entry_id is None:
            return []
        return await self._manager.abranch_messages(await self._conversation_of(entry_id), entry_id)

    async def _conversation_of(self, entry_id: str) -> str:
        if isinstance(entry_id, _EntryId):
            return entry_id.conversation_id
        if entry_id == "":  # which no entry has, and no message either
            raise MessageNotFound(None, entry_id)
        return (await self._manager.afind_session(entry_id, user_id=user_of(None))).session_id


class _EntryId(str):
    """The id of an entry, which knows the conversation: the framework asks for entries by nothing but their ids."""

    conversation_id: str


def _placed(entry_id: object, conversation_id: str) -> Any:
    if entry_id is None:
        return None
    placed = _EntryId(entry_id)
    placed.conversation_id = conversation_id
    return placed


def _entries(rows: Iterable[Message], conversation_id: str) -> Iterable[ConversationEntry]:
    parent_id = None
    for row, data in forms.read(FORM, rows):
        (message,) = ModelMessagesTypeAdapter.validate_python([data])
        id_ = _placed(row.uuid, conversation_id)
        yield ConversationEntry(id=id_, parent_id=parent_id, message=message)
        parent_id = id_


def _rows(entry: ConversationEntry) -> list[Message]:
    """Return the rows of an entry, of which the last has its id: the way to that is the history up to the entry."""
    (data,) = ModelMessagesTypeAdapter.dump_python([entry.message], mode="json")
    *pieces, last = forms.to_rows(FORM, data, "assistant" if data["kind"] == "response" else "user")
    pieces = [
        row.model_copy(update={"uuid": forms.uuid_of(FORM.name, entry.id, str(piece))})
        for piece, row in enumerate(pieces)
    ]
    return [*pieces, last.model_copy(update={"uuid": uuid_of(entry.id)})]


def _part(part: Json) -> Part:
    match part:
        case {"part_kind": "text", "content": str(text)}:
            return Part(text)
        case {"part_kind": "system-prompt", "content": str(text)}:
            return Part(text, role="system")
        case {"part_kind": "user-prompt", "content": content}:
            return Part(_text(content))
        case {"part_kind": "tool-call", "tool_name": str(name), "tool_call_id": str(id_)}:
            return Part(call=ToolCall(id=id_, name=name, args=forms.arguments(part.get("args"))))
        case {"part_kind": "tool-return", "tool_name": str(name), "tool_call_id": str(id_)}:
            return Part(forms.text_of(part.get("content")), result_of=id_, name=name)
        case {"part_kind": "retry-feedback", "content": content}:
            return Part(forms.text_of(content))
    return Part()


def _text(content: object) -> str:
    """Return what a user says in words: *content*, or the texts among its parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part if isinstance(part, str) else part.get("content", "") for part in parts if _is_text(part))


def _is_text(part: object) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("content"), str))


def _messages(rows: list[Message]) -> list[Json]:
    kind = "response" if rows[0].role_type == "assistant" else "request"
    return [{"kind": kind, "parts": [part for row in rows for part in _parts(row)], **_moment(rows[0])}]


def _parts(row: Message) -> list[Json]:
    if row.role_type == "assistant":
        return [_answered(part) for part in forms.parts_of(row)]
    kind = "system-prompt" if row.role_type == "system" else "user-prompt"
    return [{"part_kind": kind, **_asked(part), **_moment(row)} for part in forms.parts_of(row)]


def _answered(part: Part) -> Json:
    if part.call is None:
        return {"part_kind": "text", "content": part.text}
    call = part.call
    return {"part_kind": "tool-call", "tool_name": call.name, "args": call.args, "tool_call_id": call.id or ""}


def _asked(part: Part) -> Json:
    if part.result_of is None:
        return {"content": part.text}
    result = {"tool_name": part.name or "", "tool_call_id": part.result_of}
    return {"part_kind": "tool-return", "content": part.text, **result}


def _moment(row: Message) -> Json:
    return {} if row.created_at is None else {"timestamp": row.created_at.isoformat()}


FORM = Form("pydantic_ai", _part, _messages, ("parts",), reported=(("usage",), "input_tokens", "output_tokens"))
"""How pydantic-ai writes messages."""
