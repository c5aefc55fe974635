"""What a session manager does, in as few words as it can be said: dictionaries and lists, no database.

The methods are named and called as those of `SessionManager`, and return and raise the same. Moments and seqs are
counted, not measured.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from zep_memory_plugin import (
    InvalidInput,
    MessageNotFound,
    SessionExists,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    UserNotFound,
)

Json = dict[str, Any]


SUPERSEDED = math.inf
"""When what a rewound session has left is deleted."""


@dataclass
class ModelMessage:
    uuid: UUID
    role: str
    content: str
    metadata: Json | None
    seq: int
    changed: bool = False
    deleted: float | None = None


@dataclass
class ModelSummary:
    content: str
    seq: int
    deleted: float | None = None


@dataclass
class ModelSession:
    session_id: str
    user_id: str | None = None
    metadata: Json | None = None
    added: bool = False
    messages: list[ModelMessage] = field(default_factory=list)
    summaries: list[ModelSummary] = field(default_factory=list)
    last_seq: int = 0
    deleted: int | None = None
    last_deleted: int | None = None

    @property
    def live(self) -> list[ModelMessage]:
        return sorted((message for message in self.messages if message.deleted is None), key=lambda one: one.seq)

    @property
    def summary(self) -> ModelSummary | None:
        live = [summary for summary in self.summaries if summary.deleted is None]
        return max(live, key=lambda summary: summary.seq, default=None)

    @property
    def parts(self) -> Iterator[ModelMessage | ModelSummary]:
        return itertools.chain(self.messages, self.summaries)

    def find(self, uuid: UUID) -> ModelMessage:
        for message in self.live:
            if message.uuid == uuid:
                return message
        raise MessageNotFound(self.session_id, uuid)

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq


def merged(old: Any, new: Any) -> Any:
    """Merge metadata: objects key by key, all else is replaced, and an empty object changes nothing."""
    if not new:
        return old
    base = old or {}
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in new.items()
    }


def patched(old: Any, new: Any) -> Any:
    """Merge metadata in the same way, but let None take its key out."""
    if not new:
        return old
    base = dict(old or {})
    for key, value in new.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict):
            there = base.get(key)
            base[key] = patched(there if isinstance(there, dict) else {}, value)
        else:
            base[key] = value
    return base


class Model:
    """The sessions of some users."""

    def __init__(self, message_window: int) -> None:
        self._window = message_window
        self._clock = itertools.count()
        self._users: set[str] = set()
        self._sessions: dict[str, ModelSession] = {}

    def add_user(self, user: Any) -> None:
        self._users.add(user.user_id)

    def delete_user(self, user_id: str) -> None:
        if user_id not in self._users:
            raise UserNotFound(user_id)
        self._users.remove(user_id)
        self._sessions = {key: session for key, session in self._sessions.items() if session.user_id != user_id}

    def add_session(self, session: Any) -> ModelSession:
        if session.user_id is not None and session.user_id not in self._users:
            raise UserNotFound(session.user_id)
        there = self._sessions.get(session.session_id)
        if there is None:
            there = ModelSession(session.session_id, session.user_id, session.metadata)
            self._sessions[session.session_id] = there
        elif there.added or there.deleted is not None:
            raise SessionExists(session.session_id)
        else:
            self._check_owner(session.session_id, session.user_id)
            self._merge_into(there, session)
        there.added = True
        return there

    def update_session(self, session: Any) -> ModelSession:
        stored = self._any(session.session_id)
        self._merge_into(stored, session)
        return stored

    def _merge_into(self, stored: ModelSession, session: Any) -> None:
        stored.metadata = patched(stored.metadata, session.metadata)
        stored.user_id = session.user_id or stored.user_id
        stored.deleted = None

    def move_session(self, session_id: str, user_id: str) -> ModelSession:
        session = self._live(session_id)
        self._users.add(user_id)
        session.user_id = user_id
        return session

    def delete_session(self, session_id: str) -> None:
        session, now = self._live(session_id), next(self._clock)
        session.deleted = session.last_deleted = now
        for part in session.parts:
            part.deleted = now if part.deleted is None else part.deleted

    def restore_session(self, session_id: str) -> ModelSession:
        session = self._any(session_id)
        for part in session.parts:
            part.deleted = None if part.deleted == session.last_deleted else part.deleted
        session.deleted = session.last_deleted = None
        return session

    def list_sessions(self, *, deleted: bool = False) -> list[ModelSession]:
        return [session for session in self._sessions.values() if (session.deleted is not None) == deleted]

    def add_memory(self, session_id: str, messages: Iterable[Any], *, user_id: str | None = None) -> list[ModelMessage]:
        batch = _batch(messages)
        self._check_owner(session_id, user_id)
        if not batch:
            return []
        session = self._taken(session_id, user_id)
        kept = []
        for message in batch:
            known = next((one for one in session.messages if one.uuid == message.uuid), None)
            if known is None:
                known = replace(message, seq=session.next_seq())
                session.messages.append(known)
            elif known.deleted is None:
                _overwrite(known, message)
            if known.deleted is None:
                kept.append(known)
        return kept

    def replace_memory(
        self, session_id: str, messages: Iterable[Any], *, user_id: str | None = None
    ) -> list[ModelMessage]:
        batch = _batch(messages)
        self._check_owner(session_id, user_id)
        there = self._sessions.get(session_id)
        if not batch and (there is None or there.deleted is not None):
            return []
        session, now = self._taken(session_id, user_id), next(self._clock)
        uuids = {message.uuid for message in batch}
        for part in session.parts:
            part.deleted = now if part.deleted in (None, SUPERSEDED) else part.deleted
        for message in batch:
            known = next((one for one in session.messages if one.uuid == message.uuid), None)
            if known is None:
                session.messages.append(replace(message, seq=session.next_seq()))
            else:
                _overwrite(known, message)
                known.seq, known.deleted = session.next_seq(), None
        return [message for message in session.live if message.uuid in uuids]

    def update_message(
        self, session_id: str, uuid: UUID, *, metadata: Json | None = None, content: str | None = None
    ) -> ModelMessage:
        message = self._live(session_id).find(uuid)
        message.metadata = patched(message.metadata, metadata)
        message.content = message.content if content is None else content
        message.changed = True
        return message

    def delete_messages(self, session_id: str, uuids: list[UUID]) -> None:
        session, now = self._live(session_id), next(self._clock)
        for message in [session.find(uuid) for uuid in uuids]:
            message.deleted = now

    def rewind_session(self, session_id: str, to_uuid: UUID) -> None:
        session = self._live(session_id)
        seq = session.find(to_uuid).seq
        for part in session.parts:
            part.deleted = SUPERSEDED if part.seq > seq and part.deleted is None else part.deleted

    def clear_memory(self, session_id: str) -> None:
        session, now = self._live(session_id), next(self._clock)
        for part in session.parts:
            part.deleted = now if part.deleted in (None, SUPERSEDED) else part.deleted

    def fork_session(self, session_id: str, new_session_id: str, *, until_uuid: UUID | None = None) -> ModelSession:
        if session_id == new_session_id:
            raise InvalidInput("new_session_id", "is the session's own id")
        origin = self._live(session_id)
        until = origin.last_seq if until_uuid is None else origin.find(until_uuid).seq
        if new_session_id in self._sessions:
            raise SessionExists(new_session_id)
        fork = ModelSession(new_session_id, origin.user_id, origin.metadata, added=True, last_seq=until)
        fork.messages = [replace(message) for message in origin.live if message.seq <= until]
        fork.summaries = [replace(one) for one in origin.summaries if one.deleted is None and one.seq <= until]
        self._sessions[new_session_id] = fork
        return fork

    def rename_session(self, session_id: str, new_session_id: str) -> ModelSession:
        if session_id == new_session_id:
            raise InvalidInput("new_session_id", "is the session's own id")
        session = self._live(session_id)
        if new_session_id in self._sessions:
            raise SessionExists(new_session_id)
        session.session_id = new_session_id
        self._sessions = {one.session_id: one for one in self._sessions.values()}
        return session

    def add_summary(self, session_id: str, summary: Any, *, until_uuid: UUID) -> ModelSummary:
        session = self._live(session_id)
        added = ModelSummary(summary.content, session.find(until_uuid).seq)
        session.summaries = [one for one in session.summaries if one.seq != added.seq] + [added]
        return added

    def purge(self) -> tuple[int, int, int]:
        """Remove what is deleted, and count it: sessions, messages, summaries."""
        before = self._count()
        self._sessions = {key: session for key, session in self._sessions.items() if session.deleted is None}
        for session in self._sessions.values():
            session.messages = [each for each in session.messages if each.deleted in (None, SUPERSEDED)]
            session.summaries = [each for each in session.summaries if each.deleted in (None, SUPERSEDED)]
        sessions, messages, summaries = (was - left for was, left in zip(before, self._count(), strict=True))
        return sessions, messages, summaries

    def _count(self) -> tuple[int, int, int]:
        sessions = self._sessions.values()
        messages = sum(len(session.messages) for session in sessions)
        return len(sessions), messages, sum(len(session.summaries) for session in sessions)

    def list_messages(self, session_id: str) -> list[ModelMessage]:
        session = self._sessions.get(session_id)
        return session.live if session else []

    def last_messages(self, session_id: str, limit: int, *, whole_turns: bool = False) -> list[ModelMessage]:
        live = self.list_messages(session_id)
        window = live[-limit:] if limit else []
        questions = [message for message in live if message.role == "user"]
        if not (whole_turns and window and questions):
            return window
        inside = [question for question in questions if question.seq >= window[0].seq]
        return live[live.index(inside[0] if inside else questions[-1]) :]

    def get_memory(self, session_id: str) -> tuple[list[ModelMessage], ModelSummary | None]:
        session = self._sessions.get(session_id, ModelSession(session_id))
        covered = session.summary.seq if session.summary else 0
        return [message for message in session.live if message.seq > covered][-self._window :], session.summary

    def _any(self, session_id: str) -> ModelSession:
        if session_id not in self._sessions:
            raise SessionNotFound(session_id)
        return self._sessions[session_id]

    def _live(self, session_id: str) -> ModelSession:
        session = self._any(session_id)
        if session.deleted is not None:
            raise SessionNotFound(session_id)
        return session

    def _check_owner(self, session_id: str, user_id: str | None) -> None:
        session = self._sessions.get(session_id)
        if session is not None and user_id is not None and session.user_id not in (None, user_id):
            raise SessionOwnedByAnotherUser(session_id, user_id)

    def _taken(self, session_id: str, user_id: str | None) -> ModelSession:
        """Return a session to write to: new, brought back, or given an owner when need be."""
        session = self._sessions.get(session_id, ModelSession(session_id))
        if user_id is not None:
            if session.user_id not in (None, user_id):
                raise SessionOwnedByAnotherUser(session_id, user_id)
            session.user_id = user_id
            self._users.add(user_id)
        session.deleted = None
        self._sessions[session_id] = session
        return session


def _batch(messages: Iterable[Any]) -> list[ModelMessage]:
    """Return messages with a uuid each; of two with the same, the later replaces the earlier."""
    batch: dict[UUID, ModelMessage] = {}
    for message in messages:
        uuid = message.uuid or uuid4()
        metadata = merged(batch[uuid].metadata, message.metadata) if uuid in batch else message.metadata
        batch[uuid] = ModelMessage(uuid, message.role, message.content, metadata, seq=0)
    return list(batch.values())


def _overwrite(known: ModelMessage, message: ModelMessage) -> None:
    known.role, known.content = message.role, message.content
    known.metadata = merged(known.metadata, message.metadata)
    known.changed = True
