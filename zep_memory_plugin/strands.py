"""Sessions and memories of Strands Agents, kept by a `SessionManager`."""

import json
from contextlib import suppress
from itertools import takewhile
from uuid import UUID

from . import forms
from .context import scope_of, user_of
from .core.windows import bounds, newest_turns
from .errors import SessionExists, SessionNotFound, UserExists
from .forms import Form, Json, Part
from .manager import SessionManager, manager_of
from .models import Message, Session, ToolCall, User
from .types import DEFAULT_MAX_TOKENS

with forms.needing("strands-agents"):
    from strands.memory import MemoryEntry, MemoryStore, SearchOptions
    from strands.multiagent import MultiAgentBase
    from strands.session.session_repository import SessionRepository
    from strands.types.content import ContentBlock
    from strands.types.exceptions import SessionException
    from strands.types.session import Session as AgentSession
    from strands.types.session import SessionAgent, SessionMessage, SessionType

__all__ = ["ZepMemoryStore", "ZepSessionRepository"]

_SESSION, _AGENT = "strands_session", "strands_agent"
"""Keys of metadata: of a session, what the framework says of it; of a message, whose it is."""

_AGENTS, _GROUPS = "agents", "multi_agents"
"""Where in the state of a session those of its agents and of groups of agents are."""

_REMOVED = "removed_message_count"
"""What a conversation manager keeps of the messages that its agent is not shown any more."""

_NEVER = 2**62
"""A seq that no message has: whoever appends since then appends what is new, under another uuid where one is taken."""


class ZepSessionRepository(SessionRepository):
    """Keeps what `RepositorySessionManager` stores: a session is ours, and so is a message.

    Each agent of a session is shown its own messages and those of other frameworks. New sessions belong to *user_id*,
    else to the user of the surrounding `use_session`. *conversation_manager* names the class of an agent's conversation
    manager, for an agent that takes on a session which another framework began.

    An agent that goes on with a session begins with the newest whole turns, at most *turns* of them and *max_tokens*
    tokens, None being no bound; its conversation manager takes what came before for removed. The latest summary stands
    in front of the words of its first question. `list_messages` has all.
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        user_id: str | None = None,
        conversation_manager: str = "SlidingWindowConversationManager",
        turns: int | None = None,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
    ) -> None:
        self._manager = manager_of(manager)
        self._user_id = user_id
        self._unmanaged = {"__name__": conversation_manager, _REMOVED: 0}
        self._bounds = bounds(turns=turns, max_tokens=max_tokens)

    def create_session(self, session: AgentSession, **others: object) -> AgentSession:
        """Store a new session."""
        new = Session(
            session_id=session.session_id, user_id=self._user, metadata={_SESSION: forms.native_text(session.to_dict())}
        )
        if new.user_id is not None:
            with suppress(UserExists):
                self._manager.add_user(User(user_id=new.user_id))
        try:
            self._manager.add_session(new)
        except SessionExists as error:
            raise SessionException(str(error)) from error
        return session

    def read_session(self, session_id: str, **others: object) -> AgentSession | None:
        """Return a session, whoever began it, or None."""
        try:
            stored = self._stored(session_id)
        except SessionException:
            return None
        text = (stored.metadata or {}).get(_SESSION)
        if isinstance(text, str):
            return AgentSession.from_dict(json.loads(text))
        return AgentSession(session_id, SessionType.AGENT, str(stored.created_at), str(stored.updated_at))

    def create_agent(self, session_id: str, session_agent: SessionAgent, **others: object) -> None:
        """Store the state of a new agent of a session."""
        if session_agent.agent_id in self._states(session_id, _AGENTS):
            raise SessionException(f"session {session_id!r} has an agent {session_agent.agent_id!r} already")
        self._put(session_id, _AGENTS, session_agent.agent_id, session_agent.to_dict())

    def read_agent(self, session_id: str, agent_id: str, **others: object) -> SessionAgent | None:
        """Return the state of an agent, or None; that of a new one where another framework has begun the session."""
        if self.read_session(session_id) is None:
            return None
        state = self._states(session_id, _AGENTS).get(agent_id)
        rows = self._rows(session_id, agent_id)
        if state is not None:
            return self._bounded(SessionAgent.from_dict(state), rows)
        return self._bounded(SessionAgent(agent_id, {}, dict(self._unmanaged)), rows) if rows else None

    def _bounded(self, agent: SessionAgent, rows: list[Message]) -> SessionAgent:
        """Let *agent* take what came before its window for removed."""
        before = rows[: len(rows) - len(newest_turns(rows, self._bounds))]
        removed, managed = len(forms.from_rows(FORM, before)), agent.conversation_manager_state
        if removed > managed.get(_REMOVED, 0):
            agent.conversation_manager_state = {**managed, _REMOVED: removed}
        return agent

    def update_agent(self, session_id: str, session_agent: SessionAgent, **others: object) -> None:
        """Store the state of an agent."""
        self._put(session_id, _AGENTS, session_agent.agent_id, session_agent.to_dict())

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **others: object) -> None:
        """Append a message, under an index that no other process has used for this agent."""
        self._stored(session_id)
        new = _pieces(agent_id, session_message)
        stored = self._manager.add_memory(session_id, new, user_id=self._user, known="append", since_seq=_NEVER)
        if stored[0].uuid != new[0].uuid:
            self._manager.delete_messages(session_id, [str(row.uuid) for row in stored], user_id=self._user)
            raise SessionException(
                f"agent {agent_id!r} has a message {session_message.message_id} already; another process goes on with "
                f"session {session_id!r}, so read it again"
            )

    def read_message(self, session_id: str, agent_id: str, message_id: int, **others: object) -> SessionMessage | None:
        """Return the message of an agent with this index, or None."""
        messages = self.list_messages(session_id, agent_id)
        return next((message for message in messages if message.message_id == message_id), None)

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **others: object) -> None:
        """Overwrite the message with this index; of one that is redacted nothing stays."""
        old = self._old(session_id, agent_id, session_message)
        if not old:
            raise SessionException(f"agent {agent_id!r} has no message {session_message.message_id}")
        new = _pieces(agent_id, session_message)
        emptied = [forms.emptied(FORM, row) for row in old[len(new) :]]
        self._manager.add_memory(session_id, [*new, *emptied], user_id=self._user)

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **others: object
    ) -> list[SessionMessage]:
        """Return messages of an agent in order, at most *limit* after the first *offset*.

        All after an *offset* are what an agent begins with: the latest summary stands in front of its first question.
        """
        messages: list[SessionMessage] = []
        for data in forms.from_rows(FORM, self._rows(session_id, agent_id)):
            index = messages[-1].message_id + 1 if messages else 0
            messages.append(SessionMessage.from_dict({"message_id": index, **data}))
        if offset and limit is None:
            return self._recalling(session_id, messages[offset:])
        return messages[offset:] if limit is None else messages[offset : offset + limit]

    def _recalling(self, session_id: str, messages: list[SessionMessage]) -> list[SessionMessage]:
        """Return *messages* with the summary of a session, if any, in front of the words of the first question."""
        questions = (each for each in messages if each.message["role"] == "user")
        if (first := next(questions, None)) is not None:
            summary = self._manager.get_memory(session_id, 0, user_id=self._user).summary
            recap: list[ContentBlock] = [] if summary is None else [{"text": forms.recap(summary)}]
            first.message = {**first.message, "content": [*recap, *first.message["content"]]}
        return messages

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **others: object) -> None:
        """Store the state of a group of agents."""
        self._put(session_id, _GROUPS, multi_agent.id, multi_agent.serialize_state())

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **others: object) -> Json | None:
        """Return the state of a group of agents, or None."""
        if self.read_session(session_id) is None:
            return None
        return self._states(session_id, _GROUPS).get(multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **others: object) -> None:
        """Store the state of a group of agents."""
        self.create_multi_agent(session_id, multi_agent)

    @property
    def _user(self) -> str | None:
        return user_of(self._user_id)

    def _stored(self, session_id: str, *, with_state: bool = False) -> Session:
        try:
            return self._manager.get_session(session_id, user_id=self._user, with_state=with_state)
        except SessionNotFound as error:
            raise SessionException(str(error)) from error

    def _states(self, session_id: str, kind: str) -> Json:
        return forms.state_of(self._stored(session_id, with_state=True).state, FORM.name).get(kind) or {}

    def _put(self, session_id: str, kind: str, name: str, state: Json) -> None:
        change = forms.changing(FORM.name, lambda part: part | {kind: (part.get(kind) or {}) | {name: state}})
        try:
            self._manager.change_state(session_id, change, user_id=self._user)
        except SessionNotFound as error:
            raise SessionException(str(error)) from error

    def _rows(self, session_id: str, agent_id: str) -> list[Message]:
        rows = self._manager.list_messages(session_id, user_id=self._user)
        return [row for row in rows if (row.metadata or {}).get(_AGENT, agent_id) == agent_id]

    def _old(self, session_id: str, agent_id: str, message: SessionMessage) -> list[Message]:
        """Return the rows of the message that has the index of *message*."""
        rows, first = self._rows(session_id, agent_id), _uuid(agent_id, message.message_id, 0)
        start = next((position for position, row in enumerate(rows) if row.uuid == first), len(rows))
        return [*rows[start : start + 1], *takewhile(forms.is_more, rows[start + 1 :])]


class ZepMemoryStore(MemoryStore):
    """Lets an agent look up what was said in all sessions of *user_id*, else of the user of `use_session`."""

    def __init__(self, manager: SessionManager, *, user_id: str | None = None, name: str = "conversations") -> None:
        self._manager = manager_of(manager)
        self._user_id = user_id
        self.name = name
        self.description = "What was said in earlier conversations with this user."
        self.max_search_results = 10
        self.writable = False
        self.extraction = None

    async def search(self, query: str, options: SearchOptions | None = None) -> list[MemoryEntry]:
        """Return the messages that best answer *query*, best first."""
        scope = scope_of(None, user_of(self._user_id))
        scope["limit"] = (options or {}).get("max_search_results") or self.max_search_results
        results = await self._manager.asearch_memory(query, **scope) if query.strip() else []
        return [
            MemoryEntry(result.message.content, metadata={"session_id": result.session_id, "role": result.message.role})
            for result in results
            if result.message
        ]


def _uuid(agent_id: str, message_id: int, piece: int) -> UUID:
    return forms.uuid_of(FORM.name, agent_id, str(message_id), str(piece))


def _pieces(agent_id: str, message: SessionMessage) -> list[Message]:
    data = message.to_dict()
    if data.get("redact_message") is not None:
        data["message"] = data["redact_message"]
    rows = forms.to_rows(FORM, data, data["message"]["role"])
    return [
        row.model_copy(update={"uuid": uuid, "metadata": {**(row.metadata or {}), _AGENT: agent_id}})
        for row, uuid in ((row, _uuid(agent_id, message.message_id, piece)) for piece, row in enumerate(rows))
    ]


def _part(content: Json) -> Part:
    match content:
        case {"text": str(text)}:
            return Part(text)
        case {"toolUse": {"toolUseId": str(id_), "name": str(name), "input": arguments}}:
            return Part(call=ToolCall(id=id_, name=name, args=forms.arguments(arguments)))
        case {"toolResult": {"toolUseId": str(id_), "content": list(contents)}}:
            return Part("\n".join(_text(each) for each in contents), result_of=id_)
    return Part()


def _text(content: Json) -> str:
    return forms.text_of(content["json"]) if "json" in content else str(content.get("text", ""))


def _messages(rows: list[Message]) -> list[Json]:
    role = "assistant" if rows[0].role_type == "assistant" else "user"
    contents = [_content(part) for row in rows for part in forms.parts_of(row)]
    return [{"message": {"role": role, "content": contents}, "created_at": str(rows[0].created_at)}]


def _content(part: Part) -> Json:
    if part.result_of is not None:
        return {"toolResult": {"toolUseId": part.result_of, "status": "success", "content": [{"text": part.text}]}}
    if call := part.call:
        return {"toolUse": {"toolUseId": call.id or "", "name": call.name, "input": forms.arguments_object(call)}}
    return {"text": part.text}


_REPORTED = (("message", "metadata", "usage"), "inputTokens", "outputTokens")
FORM = Form("strands", _part, _messages, ("message", "content"), reported=_REPORTED)
"""How Strands writes messages."""
