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
    Held,
    InvalidInput,
    MessageNotFound,
    SessionExists,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    UserExists,
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
    archived: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether some branch shows it."""
        return self.deleted in (None, SUPERSEDED)

    @property
    def score(self) -> float | None:
        """What somebody thinks of it."""
        feedback = (self.metadata or {}).get("feedback", {})
        return feedback.get("score") if isinstance(feedback, dict) else None


@dataclass
class ModelState:
    content: str
    revision: int = 1


@dataclass
class ModelUser:
    user_id: str
    email: str | None = None
    metadata: Json | None = None
    state: ModelState | None = None
    held: bool = False


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
    state: ModelState | None = None
    held: bool = False
    created: int = 0
    head: int = 0
    """The seq that the next message follows."""
    parents: dict[int, int] = field(default_factory=dict)
    """The seq that each message follows, or followed."""

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
        self.parents[self.last_seq] = self.head
        self.head = self.last_seq
        return self.last_seq

    def way_to(self, seq: int) -> set[int]:
        """Return the seqs from the beginning to *seq*."""
        way = set[int]()
        while seq:
            way.add(seq)
            seq = self.parents[seq]
        return way

    def kept_on(self, seq: int) -> list[ModelMessage]:
        """Return the messages that some branch shows, from the beginning to *seq*."""
        way = self.way_to(seq)
        return sorted((one for one in self.messages if one.is_kept and one.seq in way), key=lambda one: one.seq)

    def forget_branches(self) -> None:
        self.head = self.last_seq
        self.parents = {seq: seq - 1 for seq in range(1, self.last_seq + 1)}


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
        self._users: dict[str, ModelUser] = {}
        self._sessions: dict[str, ModelSession] = {}
        self._erased: dict[str, int] = {}

    def add_user(self, user: Any) -> ModelUser:
        if user.user_id in self._users:
            raise UserExists(user.user_id)
        self._users[user.user_id] = ModelUser(user.user_id, user.email, user.metadata)
        return self._users[user.user_id]

    def get_user(self, user_id: str) -> ModelUser:
        if user_id not in self._users:
            raise UserNotFound(user_id)
        return self._users[user_id]

    def update_user(self, user: Any) -> ModelUser:
        stored = self.get_user(user.user_id)
        stored.email = user.email or stored.email
        stored.metadata = patched(stored.metadata, user.metadata)
        return stored

    def list_users(self) -> list[ModelUser]:
        return list(self._users.values())

    def delete_user(self, user_id: str) -> None:
        theirs = [session for session in self._sessions.values() if session.user_id == user_id]
        if self.get_user(user_id).held or any(session.held for session in theirs):
            raise Held("user", user_id)
        self._remove_user(user_id, theirs)
        self._erased[user_id] = next(self._clock)

    def erase_user(self, user_id: str) -> None:
        self.delete_user(user_id)

    def _remove_user(self, user_id: str, theirs: list[ModelSession]) -> None:
        self._users.pop(user_id, None)
        self._sessions = {key: session for key, session in self._sessions.items() if session not in theirs}

    def knows_erased(self) -> int:
        return len(self._erased)

    def hold_user(self, user_id: str) -> None:
        self.get_user(user_id).held = True

    def release_user(self, user_id: str) -> None:
        self.get_user(user_id).held = False

    def hold_session(self, session_id: str) -> None:
        self._any(session_id).held = True

    def release_session(self, session_id: str) -> None:
        self._any(session_id).held = False

    def list_holds(self) -> list[tuple[str | None, str | None]]:
        sessions = sorted(session.session_id for session in self._sessions.values() if session.held)
        users = sorted(user.user_id for user in self._users.values() if user.held)
        return [*((name, None) for name in sessions), *((None, name) for name in users)]

    def _is_held(self, session: ModelSession) -> bool:
        owner = self._users.get(session.user_id or "")
        return session.held or (owner is not None and owner.held)

    def get_state(self, session_id: str) -> ModelState | None:
        return self._live(session_id).state

    def set_state(self, session_id: str, state: str) -> ModelState:
        session = self._live(session_id)
        session.state = _next_state(session.state, state)
        return session.state

    def get_user_state(self, user_id: str) -> ModelState | None:
        return self.get_user(user_id).state

    def set_user_state(self, user_id: str, state: str) -> ModelState:
        user = self.get_user(user_id)
        user.state = _next_state(user.state, state)
        return user.state

    def add_session(self, session: Any) -> ModelSession:
        if session.user_id is not None and session.user_id not in self._users:
            raise UserNotFound(session.user_id)
        there = self._sessions.get(session.session_id)
        if there is None:
            there = self._made(session.session_id, session.user_id, session.metadata)
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
        owner = self._users.get(session.user_id or "")
        if owner is not None and owner.held and owner.user_id != user_id:
            raise Held("session", session_id)
        self._add_unknown_user(user_id)
        session.user_id = user_id
        return session

    def delete_session(self, session_id: str) -> None:
        session = self._live(session_id)
        if self._is_held(session):
            raise Held("session", session_id)
        self._delete(session)

    def delete_memory(self, session_id: str) -> None:
        self.delete_session(session_id)

    def expire_sessions(self, *, user_id: str | None = None) -> int:
        """Delete all live sessions, or those of a user."""
        live = [session for session in self.list_sessions() if user_id is None or session.user_id == user_id]
        free = [session for session in live if not self._is_held(session)]
        for session in free:
            self._delete(session)
        return len(free)

    def _delete(self, session: ModelSession) -> None:
        session.deleted = session.last_deleted = next(self._clock)
        for part in session.parts:
            part.deleted = session.deleted if part.deleted is None else part.deleted

    def restore_session(self, session_id: str) -> ModelSession:
        session = self._any(session_id)
        for part in session.parts:
            part.deleted = None if part.deleted == session.last_deleted else part.deleted
        session.deleted = session.last_deleted = None
        return session

    def get_session(self, session_id: str) -> ModelSession:
        return self._live(session_id)

    def find_session(self, uuid: UUID) -> ModelSession:
        for session in self.list_sessions():
            if any(message.uuid == uuid and message.is_kept for message in session.messages):
                return session
        raise MessageNotFound("", uuid)

    def get_user_sessions(self, user_id: str) -> list[ModelSession]:
        return [session for session in self.list_sessions() if session.user_id == user_id]

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
        session.forget_branches()
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

    def get_message(self, session_id: str, uuid: UUID) -> ModelMessage:
        return self._sessions.get(session_id, ModelSession(session_id)).find(uuid)

    def add_feedback(self, session_id: str, uuid: UUID, score: float) -> ModelMessage:
        return self.update_message(session_id, uuid, metadata={"feedback": {"score": score, "comment": None}})

    def slice_messages(
        self, session_id: str, start: int | None, stop: int | None, *, status: str | None = None
    ) -> list[ModelMessage]:
        live = self.list_messages(session_id)
        return [one for one in live if status is None or one.archived == (status == "archived")][start:stop]

    def delete_slice(
        self, session_id: str, start: int | None, stop: int | None, *, status: str | None = None
    ) -> list[ModelMessage]:
        self._live(session_id)
        found, now = self.slice_messages(session_id, start, stop, status=status), next(self._clock)
        for message in found:
            message.deleted = now
        return [replace(message, deleted=None) for message in found]

    def archive_messages(self, session_id: str, limit: int) -> list[ModelMessage]:
        self._live(session_id)
        found = self.slice_messages(session_id, None, limit, status="active")
        for message in found:
            message.archived = True
        return found

    def rewind_session(self, session_id: str, to_uuid: UUID) -> None:
        session = self._live(session_id)
        seq = session.find(to_uuid).seq
        if any(message.seq > seq for message in session.live):
            session.head = seq
        for part in session.parts:
            part.deleted = SUPERSEDED if part.seq > seq and part.deleted is None else part.deleted

    def switch_branch(self, session_id: str, to_uuid: UUID) -> None:
        session = self._live(session_id)
        seq = self._kept(session, to_uuid).seq
        if seq == session.head:
            return
        way, session.head = session.way_to(seq), seq
        for part in session.parts:
            if part.deleted in (None, SUPERSEDED):
                part.deleted = None if part.seq in way else SUPERSEDED

    def list_branches(self, session_id: str) -> list[tuple[UUID, bool]]:
        """Return the newest message of each branch, and whether it is the one that goes on."""
        session = self._live(session_id)
        ends = {0, *session.parents} - set(session.parents.values()) | {session.head}
        tips = [kept[-1] for end in sorted(ends) if (kept := session.kept_on(end))]
        active = session.kept_on(session.head)[-1:]
        by_seq = {tip.seq: (tip.uuid, tip in active) for tip in tips}
        return [by_seq[seq] for seq in sorted(by_seq)]

    def branch_messages(self, session_id: str, to_uuid: UUID) -> list[ModelMessage]:
        session = self._sessions.get(session_id)
        if session is None or session.deleted is not None:
            raise MessageNotFound(session_id, to_uuid)
        return session.kept_on(self._kept(session, to_uuid).seq)

    def _kept(self, session: ModelSession, uuid: UUID) -> ModelMessage:
        for message in session.messages:
            if message.uuid == uuid and message.is_kept:
                return message
        raise MessageNotFound(session.session_id, uuid)

    def clear_memory(self, session_id: str) -> None:
        session, now = self._live(session_id), next(self._clock)
        for part in session.parts:
            part.deleted = now if part.deleted in (None, SUPERSEDED) else part.deleted
        session.forget_branches()

    def fork_session(self, session_id: str, new_session_id: str, *, until_uuid: UUID | None = None) -> ModelSession:
        if session_id == new_session_id:
            raise InvalidInput("new_session_id", "is the session's own id")
        origin = self._live(session_id)
        until = origin.last_seq if until_uuid is None else origin.find(until_uuid).seq
        if new_session_id in self._sessions:
            raise SessionExists(new_session_id)
        fork = self._made(new_session_id, origin.user_id, origin.metadata)
        fork.added, fork.last_seq = True, until
        fork.forget_branches()
        fork.state = origin.state and ModelState(origin.state.content)
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
        kept = [one for one in self._sessions.values() if one.deleted is None or self._is_held(one)]
        self._sessions = {session.session_id: session for session in kept}
        for session in (session for session in kept if not self._is_held(session)):
            session.messages = [each for each in session.messages if each.deleted in (None, SUPERSEDED)]
            session.summaries = [each for each in session.summaries if each.deleted in (None, SUPERSEDED)]
        sessions, messages, summaries = (was - left for was, left in zip(before, self._count(), strict=True))
        return sessions, messages, summaries

    def _count(self) -> tuple[int, int, int]:
        sessions = self._sessions.values()
        messages = sum(len(session.messages) for session in sessions)
        return len(sessions), messages, sum(len(session.summaries) for session in sessions)

    def stats(self) -> dict[str, int]:
        messages, summaries = self._parts("messages"), self._parts("summaries")
        return {
            "users": len(self._users),
            "sessions": len(self.list_sessions()),
            "deleted_sessions": len(self.list_sessions(deleted=True)),
            "messages": sum(one.deleted is None for one in messages),
            "deleted_messages": sum(one.deleted is not None for one in messages),
            "summaries": sum(one.deleted is None for one in summaries),
            "deleted_summaries": sum(one.deleted is not None for one in summaries),
        }

    def _parts(self, name: str) -> list[Any]:
        return [part for session in self._sessions.values() for part in getattr(session, name)]

    def count_messages(self, session_ids: list[str]) -> dict[str, int]:
        return {name: len(self.list_messages(name)) for name in session_ids}

    def said(self, content: str) -> list[tuple[str, str]]:
        """Return the session and the content of each live message that is *content*, in order."""
        live = [(session.session_id, one.content) for session in self._sessions.values() for one in session.live]
        return sorted(each for each in live if each[1] == content)

    def rated(self) -> list[tuple[str, float]]:
        """Return the session and the score of each live message that somebody thinks something of, in order."""
        sessions = self._sessions.values()
        return sorted(
            (each.session_id, score) for each in sessions for one in each.live if (score := one.score) is not None
        )

    def usage(self) -> list[tuple[str, int, float]]:
        """Return of each session how many messages have a score, deleted ones too, and their sum."""
        scores = {
            each.session_id: [score for one in each.messages if (score := one.score) is not None]
            for each in self._sessions.values()
        }
        return [(name, len(each), sum(each)) for name, each in sorted(scores.items()) if each]

    def list_summaries(self, session_id: str) -> list[ModelSummary]:
        session = self._sessions.get(session_id, ModelSession(session_id))
        live = [summary for summary in session.summaries if summary.deleted is None]
        return sorted(live, key=lambda summary: summary.seq)

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

    def prompt_memory(self, session_id: str) -> tuple[list[ModelMessage], ModelSummary | None]:
        """Return all that there is to say to a model that has room for it."""
        session = self._sessions.get(session_id, ModelSession(session_id))
        return session.live, session.summary

    def every_session(self) -> list[ModelSession]:
        return list(self._sessions.values())

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
        session = self._sessions.get(session_id) or self._made(session_id)
        if user_id is not None:
            if session.user_id not in (None, user_id):
                raise SessionOwnedByAnotherUser(session_id, user_id)
            session.user_id = user_id
            self._add_unknown_user(user_id)
        session.deleted = None
        self._sessions[session_id] = session
        return session

    def _made(self, session_id: str, user_id: str | None = None, metadata: Json | None = None) -> ModelSession:
        return ModelSession(session_id, user_id, metadata, created=next(self._clock))

    def _add_unknown_user(self, user_id: str) -> None:
        self._users.setdefault(user_id, ModelUser(user_id))

    def apply_ledger(self) -> list[str]:
        """Erase again what users had before they were erased, and return of whom there was some."""
        return [user_id for user_id in sorted(self._erased) if self._erase_again(user_id)]

    def _erase_again(self, user_id: str) -> bool:
        user, theirs = self._users.get(user_id), [one for one in self.every_session() if one.user_id == user_id]
        if (user is not None and user.held) or any(session.held for session in theirs):
            return False
        old = [session for session in theirs if session.created < self._erased[user_id]]
        self._sessions = {key: one for key, one in self._sessions.items() if one not in old}
        return bool(old)


def _next_state(before: ModelState | None, content: str) -> ModelState:
    return ModelState(content, 1 if before is None else before.revision + 1)


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
