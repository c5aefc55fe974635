"""Sessions and memories of Google's Agent Development Kit, kept by a `SessionManager`."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from . import forms
from .core.foreign import readable
from .errors import InvalidInput, SessionChanged, SessionExists, SessionNotFound, UserNotFound
from .forms import Form, Json, Part
from .manager import SessionManager, manager_of
from .models import Message, Session, ToolCall
from .types import DEFAULT_MAX_TOKENS, Metadata

with forms.needing("google-adk"):
    from google.adk.errors._stale_session_error import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events.event import Event
    from google.adk.events.event_actions import EventActions, EventCompaction
    from google.adk.memory.base_memory_service import BaseMemoryService, SearchMemoryResponse
    from google.adk.memory.memory_entry import MemoryEntry
    from google.adk.sessions import Session as AgentSession
    from google.adk.sessions import _session_util
    from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig, ListSessionsResponse
    from google.genai.types import Content
    from google.genai.types import Part as ContentPart

__all__ = ["ZepMemoryService", "ZepSessionConfig", "ZepSessionService", "session_id_of"]

SessionIds = Callable[[str, str, str], str]

_APP, _ID = "google_adk_app", "google_adk_id"
"""Keys of metadata: the app of a session, and its id in there."""

_OTHERS = 5
"""Times as many messages are looked up as are wanted, as some may be of other apps."""

_FOREIGN = "model"
"""The author of an event that another framework wrote, until the app is known."""


def session_id_of(app_name: str, user_id: str, session_id: str) -> str:
    """Return the id of the session in which one of an app and a user is kept: as in paths, `app/user/session`."""
    return "/".join(quote(name, safe=" @:+,;=~") for name in (app_name, user_id, session_id))


class ZepSessionConfig(GetSessionConfig):
    """What a run is shown of a session: the newest whole turns, at most *turns* of them and *max_tokens* tokens.

    `RunConfig(get_session_config=ZepSessionConfig())` tells a run so. None is no bound. Before a window that leaves
    something out comes the latest summary.
    """

    turns: int | None = None
    max_tokens: int | None = DEFAULT_MAX_TOKENS


class ZepSessionService(BaseSessionService):
    """Keeps sessions of all apps and users, in the order in which events are appended, whatever their timestamps.

    *manager* is one that the application has made, or *uri* says where to find the database: `zep://` and its URL, as
    in `adk web --session_service_uri=zep://sqlite:///app.db`. *session_ids* says which session keeps one of the app,
    user and id that it is given; sessions that another framework began are read like any other. Their answers are by
    the agent *author*, by default of the app's name.
    """

    def __init__(
        self,
        manager: SessionManager | None = None,
        *,
        uri: str | None = None,
        session_ids: SessionIds = session_id_of,
        author: str | None = None,
        **others: object,
    ) -> None:
        self._manager = _opened(uri) if manager is None else manager_of(manager)
        self._session_id = session_ids
        self._author = author

    async def create_session(
        self, *, app_name: str, user_id: str, state: Json | None = None, session_id: str | None = None
    ) -> AgentSession:
        """Store a new session with a *state*, and return it.

        Raises:
            AlreadyExistsError: the app and user have one of this id.
        """
        id_ = (session_id or "").strip() or str(uuid4())
        deltas = _session_util.extract_json_safe_state_delta(state or {})
        await self._create(self._key(app_name, user_id, id_), user_id, {_APP: app_name, _ID: id_}, deltas["session"])
        await self._share(app_name, user_id, deltas)
        if session := await self.get_session(app_name=app_name, user_id=user_id, session_id=id_):
            return session
        raise SessionNotFoundError(f"session {id_!r} was deleted just now")

    def _key(self, app_name: str, user_id: str, session_id: str) -> str:
        return self._session_id(app_name, user_id, session_id.strip())

    async def _create(self, key: str, user_id: str, metadata: Metadata, state: Json) -> None:
        """Store a new session, which may take the id of a deleted one, and leaves its events deleted."""
        text, revision = forms.with_state(None, FORM.name, state), 0
        while True:
            try:
                await self._manager.aadd_memory(
                    key, [], user_id=user_id, metadata=metadata, state=text, expected_revision=revision
                )
                return
            except SessionChanged as error:
                revision = error.revision
            with suppress(SessionNotFound):
                await self._manager.aget_session(key)
                raise AlreadyExistsError(f"session {metadata[_ID]!r} exists already")

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> AgentSession | None:
        """Return a session with its events in order, or those that *config* asks for; None when there is none.

        Without one it is all of them, as the kit sets sessions back by what it reads; `ZepSessionConfig` bounds a run.
        """
        chosen = config or GetSessionConfig()
        try:
            stored = await self._stored(self._key(app_name, user_id, session_id), user_id)
        except SessionNotFound:
            return None
        rows = await forms.read_newest(FORM, chosen.num_recent_events, self._looking(stored.session_id, chosen))
        shared = await self._shared_states(app_name, user_id)
        session, events = _filled(stored, app_name, user_id, shared), _events(rows, self._author or app_name)
        session.id, session._storage_update_marker = session_id.strip(), _marker(stored, *rows[-1:])
        session.last_update_time = max(_moment(stored.created_at), *(event.timestamp for event in events), 0.0)
        session.events = [*await self._recap(stored.session_id, chosen, rows, events), *_chosen(events, chosen)]
        return session

    def _looking(self, key: str, config: GetSessionConfig) -> Callable[[int | None], Awaitable[list[Message]]]:
        """Return what reads so many of the newest rows of a session, within the window of *config*."""
        if not isinstance(config, ZepSessionConfig):
            return partial(self._manager.alast_messages, key)
        look = partial(self._manager.alast_messages, key, whole_turns=True)
        return partial(look, turns=config.turns, max_tokens=config.max_tokens)

    async def _recap(self, key: str, config: GetSessionConfig, rows: list[Message], events: list[Event]) -> list[Event]:
        """Return the latest summary, where the window of *rows* leaves something out, as a compaction of the kit's."""
        if not isinstance(config, ZepSessionConfig) or not events or rows[0].seq == 1:
            return []
        summary = (await self._manager.aget_memory(key, 0)).summary
        if summary is None:
            return []
        moment, content = events[0].timestamp - 0.001, Content(role="model", parts=[ContentPart(text=summary.content)])
        compacted = EventCompaction(start_timestamp=moment, end_timestamp=moment, compacted_content=content)
        return [Event(author="user", timestamp=moment, actions=EventActions(compaction=compacted))]

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """Return the sessions of an app, without events; the one with the newest event comes last."""
        rows = await self._manager.alist_sessions(user_id=user_id, metadata={_APP: app_name}, with_state=True)
        shared: dict[str, Json] = {}
        sessions: list[AgentSession] = []
        for row in sorted(rows, key=lambda row: _moment(row.last_active_at)):
            owner = row.user_id or user_id or ""
            if owner not in shared:
                shared[owner] = await self._shared_states(app_name, owner)
            sessions.append(_filled(row, app_name, owner, shared[owner]))
        return ListSessionsResponse(sessions=sessions)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Soft-delete a session, if there is one."""
        with suppress(SessionNotFound):
            await self._manager.adelete_session(self._key(app_name, user_id, session_id), user_id=user_id)

    async def get_user_state(self, *, app_name: str, user_id: str) -> Json:
        """Return what an app keeps of a user over all sessions, by keys without their prefix."""
        with suppress(UserNotFound):
            apps = forms.state_of(await self._manager.aget_user_state(user_id), FORM.name)
            return dict(apps.get(app_name) or {})
        return {}

    async def append_event(self, session: AgentSession, event: Event) -> Event:
        """Append *event* and what it changes of the state, in one write, and bring *session* up to date.

        Raises:
            SessionNotFoundError: the session is not there.
            StaleSessionError: somebody has written to it since *session* was read.
        """
        if event.partial:
            return event
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        deltas = _session_util.extract_json_safe_state_delta(event.actions.state_delta or {})
        await self._append(session, event, deltas["session"])
        await self._share(session.app_name, session.user_id, deltas)
        return self._commit_event_to_session(session, event)

    async def _append(self, session: AgentSession, event: Event, delta: Json) -> None:
        key = self._key(session.app_name, session.user_id, session.id)
        revision, newest = (session._storage_update_marker or await self._mark(session, key)).split(":")
        while True:
            try:
                state = await self._with(session, key, delta)
                *_, last = await self._manager.aadd_memory(
                    key, _rows(event), user_id=session.user_id, state=state, expected_revision=int(revision)
                )
            except SessionChanged as error:
                revision, last_one = (await self._mark(session, key)).split(":")
                if last_one != newest:
                    raise StaleSessionError(f"session {session.id!r} has been written to; get it again") from error
                continue
            session._storage_update_marker = f"{int(revision) + 1}:{last.uuid}"
            session.last_update_time = max(session.last_update_time, event.timestamp)
            return

    async def _with(self, session: AgentSession, key: str, delta: Json) -> str | None:
        """Return the stored state with a *delta*, or None where nothing changes."""
        with suppress(SessionNotFound):  # the append tells
            if delta:
                stored = await self._manager.aget_state(key, user_id=session.user_id)
                return forms.with_state(stored, FORM.name, forms.state_of(stored, FORM.name) | delta)
        return None

    async def _mark(self, session: AgentSession, key: str) -> str:
        """Return the revision of a session and its newest message, as a session in use remembers them."""
        try:
            return _marker(await self._stored(key, session.user_id))
        except SessionNotFound as error:
            raise SessionNotFoundError(f"session {session.id!r} is not there") from error

    async def _stored(self, key: str, user_id: str) -> Session:
        return await self._manager.aget_session(key, user_id=user_id, with_state=True)

    async def _shared_states(self, app_name: str, user_id: str) -> Json:
        """Return the states of an app and of one of its users, by keys with their prefixes."""
        users = await self.get_user_state(app_name=app_name, user_id=user_id)
        apps: Json = {}
        with suppress(SessionNotFound):
            apps = forms.state_of(await self._manager.aget_state(_of_app(app_name)), FORM.name)
        return {f"user:{key}": value for key, value in users.items()} | {f"app:{key}": apps[key] for key in apps}

    async def _share(self, app_name: str, user_id: str, deltas: dict[str, Json]) -> None:
        """Store what changed of the states of a user and of an app, whoever else changes them meanwhile."""
        if of_user := deltas["user"]:
            change = forms.changing(FORM.name, lambda apps: apps | {app_name: (apps.get(app_name) or {}) | of_user})
            await self._manager.achange_user_state(user_id, change)
        if of_app := deltas["app"]:
            key = _of_app(app_name)
            with suppress(SessionExists):
                await self._manager.aadd_session(Session(session_id=key))
            await self._manager.achange_state(key, forms.changing(FORM.name, lambda app: app | of_app))


class ZepMemoryService(BaseMemoryService):
    """Finds what was said in all sessions of an app and user; what `ZepSessionService` keeps needs no adding.

    *manager*, *uri* and *session_ids* are those of the session service. At most *limit* messages are found.
    """

    def __init__(
        self,
        manager: SessionManager | None = None,
        *,
        uri: str | None = None,
        session_ids: SessionIds = session_id_of,
        limit: int = 10,
        **others: object,
    ) -> None:
        self._manager = _opened(uri) if manager is None else manager_of(manager)
        self._session_id = session_ids
        self._limit = limit

    async def add_session_to_memory(self, session: AgentSession) -> None:
        """Store the events of a session that another service keeps; one of ours is there already."""
        key = self._session_id(session.app_name, session.user_id, session.id)
        rows = [
            row.model_copy(update={"uuid": forms.uuid_of(FORM.name, event.id, str(piece))})
            for event in session.events
            for piece, row in enumerate(_rows(event))
        ]
        stored = None
        with suppress(SessionNotFound):
            stored = await self._manager.aget_session(key, user_id=session.user_id)
        if stored is None or _value(stored, _APP) is None:
            await self._manager.aadd_memory(key, rows, user_id=session.user_id)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """Return the messages that best answer *query*, best first."""
        wanted = self._limit * _OTHERS
        results = await self._manager.asearch_memory(query, user_id=user_id, limit=wanted) if query.strip() else []
        own = self._session_id(app_name, user_id, "")
        found = [result.message for result in results if result.message and result.session_id.startswith(own)]
        return SearchMemoryResponse(memories=[_memory(message) for message in found[: self._limit]])


@cache
def _opened(uri: str | None) -> SessionManager:
    """Return the manager of the database at *uri*, one for all services of a program."""
    if uri is None or not uri.startswith("zep://"):
        raise InvalidInput("uri", "is no zep:// and the URL of a database; give one, or a manager")
    return SessionManager(uri.removeprefix("zep://"))


def _of_app(app_name: str) -> str:
    """Return the id of the session whose state is that of an app."""
    return f"google_adk/{quote(app_name, safe='')}"


def _moment(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _marker(stored: Session, *last: Message) -> str:
    """Return the revision and the newest message, of which a read that follows may know a later one."""
    return f"{stored.revision}:{last[0].uuid if last else stored.last_uuid}"


def _filled(stored: Session, app_name: str, user_id: str, shared: Json) -> AgentSession:
    """Return a session without events, with its state and what it shares with others of its user and its app."""
    state, active = forms.state_of(stored.state, FORM.name) | shared, _moment(stored.last_active_at)
    id_ = str(_value(stored, _ID))
    return AgentSession(id=id_, app_name=app_name, user_id=user_id, state=state, last_update_time=active)


def _value(stored: Session, key: str) -> object:
    return (stored.metadata or {}).get(key)


def _rows(event: Event) -> list[Message]:
    data = event.model_dump(mode="json", exclude_none=True, fallback=readable)
    return forms.to_rows(FORM, data, "user" if event.author == "user" else "assistant")


def _events(rows: list[Message], author: str) -> list[Event]:
    return [
        Event.model_validate({**data, "author": author} if data["author"] == _FOREIGN else data)
        for data in forms.from_rows(FORM, rows)
    ]


def _chosen(events: list[Event], config: GetSessionConfig) -> list[Event]:
    if config.num_recent_events is not None:
        events = events[max(len(events) - config.num_recent_events, 0) :]
    return [event for event in events if config.after_timestamp is None or event.timestamp >= config.after_timestamp]


def _memory(message: Message) -> MemoryEntry:
    moment = None if message.created_at is None else message.created_at.isoformat()
    content = Content(role=message.role, parts=[ContentPart(text=message.content)])
    return MemoryEntry(content=content, id=str(message.uuid), author=message.role, timestamp=moment)


def _part(part: Json) -> Part:
    match part:
        case {"thought": True}:
            return Part()
        case {"text": str(text)}:
            return Part(text)
        case {"function_call": {"name": str(name), **call}}:
            return Part(call=ToolCall(id=_id(call), name=name, args=forms.arguments(call.get("args"))))
        case {"function_response": {"name": str(name), **answer}}:
            return Part(_answer(answer.get("response")), result_of=_id(answer) or "", name=name)
    return Part()


def _id(part: dict[Any, Any]) -> str | None:
    return str(part["id"]) if part.get("id") is not None else None


def _answer(response: object) -> str:
    match response:
        case {"result": result, **more} | {"output": result, **more} if not more:
            return forms.text_of(result)
    return forms.text_of(response)


def _messages(rows: list[Message]) -> list[Json]:
    first, is_answer = rows[0], rows[0].role_type == "assistant"
    parts = [_written(part) for row in rows for part in forms.parts_of(row)]
    return [
        {
            "id": str(first.uuid),
            "author": _FOREIGN if is_answer or first.role_type == "tool" else "user",
            "timestamp": first.created_at.timestamp() if first.created_at else 0.0,
            "content": {"role": "model" if is_answer else "user", "parts": parts},
        }
    ]


def _written(part: Part) -> Json:
    if part.result_of is not None:
        response = {"id": part.result_of, "name": part.name or "", "response": {"result": part.text}}
        return {"function_response": response}
    if call := part.call:
        return {"function_call": {"id": call.id, "name": call.name, "args": forms.arguments_object(call)}}
    return {"text": part.text}


_REPORTED = (("usage_metadata",), "prompt_token_count", "candidates_token_count")
FORM = Form("google_adk", _part, _messages, ("content", "parts"), reported=_REPORTED)
"""How the kit writes events."""
