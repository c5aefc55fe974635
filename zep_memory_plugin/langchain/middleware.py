"""The memory of an agent: what was said before its thread began, and a store for what is said in it."""

import logging
import threading
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import dropwhile, takewhile
from typing import Annotated, Any, Literal, NotRequired, cast
from uuid import uuid4

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AnyMessage, BaseMessage, RemoveMessage, SystemMessage
from langchain_core.runnables import ensure_config
from langgraph.runtime import Runtime

from ..errors import InvalidInput, SessionOwnedByAnotherUser, ZepMemoryError, shown
from ..manager import SessionManager
from ..models import Message
from ._config import named_user, session_of
from ._messages import to_rows
from ._pairs import paired
from ._resent import Resent, anew
from ._session import SessionMessages, Window

logger = logging.getLogger(__name__)

_RUNS_REMEMBERED = 64
"""Runs whose history is held between two calls of the model; that of a run beyond these is read again."""


class ZepMemoryState(AgentState[Any]):
    """The state of an agent with memory."""

    zep_memory: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


@dataclass(frozen=True, slots=True)
class Thread:
    """What the memory knows of an agent's thread; kept in its state, so that a resumed run goes on with it."""

    session_id: str
    user_id: str | None = None
    boundary: int | None = None
    """The last place of the session before the thread began; None until that is known."""

    stored: dict[str, int] = field(default_factory=dict)
    """The messages of the state that are stored, by id, with a checksum that shows when one was changed."""

    run: str = ""

    checked: str | None = None
    """The user for whom the run has found the session open."""

    @property
    def is_open(self) -> bool:
        """Whether it is known that the session is not another user's."""
        return self.user_id is None or self.checked == self.user_id

    @classmethod
    def of(cls, state: Mapping[str, Any], runtime: Runtime[Any]) -> "Thread":
        """Return the thread of *state*, which a run may only go on with in the same session and for the same user."""
        session_id, user_id = _named(runtime, "session_id"), _named(runtime, "user_id") or named_user({})
        saved = state.get("zep_memory")
        if saved is None:
            return cls._new(session_id, user_id)
        thread = cls(**saved)
        if session_id not in (None, thread.session_id):
            raise InvalidInput(
                "session_id", f"is {shown(session_id)}, but the thread is one of session {shown(thread.session_id)}"
            )
        if None not in (user_id, thread.user_id) and user_id != thread.user_id:
            raise SessionOwnedByAnotherUser(thread.session_id, str(user_id))
        return replace(thread, user_id=user_id or thread.user_id)

    @classmethod
    def _new(cls, session_id: str | None, user_id: str | None) -> "Thread":
        if session_id is not None:
            return cls(session_id, user_id)
        named = session_of(ensure_config().get("configurable", {}))
        return cls(named.session_id, user_id or named.user_id)

    def begun(self) -> "Thread":
        """Return the thread at the start of another run."""
        return replace(self, run=uuid4().hex, checked=None)

    def unsent(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return those of *messages* that are not stored as they are now.

        System messages in front of them come with every run, like an agent's own, and are no part of the conversation.
        """
        new = (message for message in messages if _is_said(message) and not self._is_stored(message))
        return list(dropwhile(lambda message: isinstance(message, SystemMessage), new))

    def _is_stored(self, message: BaseMessage) -> bool:
        return message.id is not None and self.stored.get(message.id) == _checksum(message)

    def after(self, rows: Sequence[Message], messages: Sequence[BaseMessage]) -> "Thread":
        """Return the thread with all of *messages* stored, the last ones as *rows*."""
        boundary = self.boundary
        if boundary is None and rows:
            boundary = min(row.seq or 1 for row in rows) - 1
        stored = {message.id: _checksum(message) for message in messages if message.id and _is_said(message)}
        return replace(self, boundary=boundary, stored=stored, checked=self.user_id)

    def update(self, before: "Thread | None" = None) -> dict[str, Any] | None:
        """Return the state's update, if the thread is another than *before*."""
        return None if self == before else {"zep_memory": asdict(self)}


def _named(runtime: Runtime[Any], key: str) -> str | None:
    """Return what the run's context, or else its `configurable`, has for *key*."""
    context: Any = runtime.context
    value: Any = context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
    return ensure_config().get("configurable", {}).get(key) if value is None else value


def _is_said(message: BaseMessage) -> bool:
    """Tell whether *message* is part of the conversation, not an instruction or a note of the harness to itself."""
    return not (isinstance(message, RemoveMessage) or message.additional_kwargs.get("lc_source"))


def _checksum(message: BaseMessage) -> int:
    said = (message.content, message.name, getattr(message, "tool_calls", None))
    return zlib.crc32(repr(said).encode(errors="surrogatepass"))


class _Histories:
    """The histories of the latest runs, so that a run with several calls of the model reads its history once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, list[BaseMessage]] = OrderedDict()

    def get(self, thread: Thread) -> list[BaseMessage] | None:
        with self._lock:
            return self._held.get(thread.run)

    def hold(self, thread: Thread, history: list[BaseMessage]) -> list[BaseMessage]:
        with self._lock:
            self._held[thread.run] = history
            while len(self._held) > _RUNS_REMEMBERED:
                self._held.popitem(last=False)
        return history

    def drop(self, thread: Thread) -> None:
        with self._lock:
            self._held.pop(thread.run, None)


class ZepMemoryMiddleware(AgentMiddleware[ZepMemoryState, Any, Any]):
    """Gives an agent of `langchain.agents.create_agent` the memory of the session that each run names.

    One instance serves all sessions. A run names its session, and perhaps its user, by `session_id` and `user_id` in
    its context or in `config["configurable"]`, by a `thread_id` there, or by the `use_session` around it; a thread
    that goes on, as after an interrupt, keeps its session without being told.

    What the session held before the thread began is shown to the model, in front of the messages of the thread, and
    never becomes part of the agent's state: it is neither streamed nor checkpointed. Of that history the model sees the
    newest *limit* messages, of at most *max_tokens* tokens together, by default all; from a message of the user on,
    with at least the last turn, and every tool call with its results.

    The question is stored when the run starts, a finished round of tools before the next call of the model, the answer
    at the end; each once, also with a checkpointer and after a resumption, and anew when another middleware changed it.
    With *save_input* "end" all of a run is stored at its end: nothing that another middleware is to redact is ever
    stored, and a run that fails leaves nothing. When the database fails, the run fails; with *on_error* "log" it goes
    on, and what could not be stored is tried again at the next step. A session of another user is always refused.
    """

    state_schema = ZepMemoryState

    def __init__(
        self,
        manager: SessionManager,
        *,
        limit: int | None = None,
        max_tokens: int | None = None,
        save_input: Literal["start", "end"] = "start",
        on_error: Literal["raise", "log"] = "raise",
    ) -> None:
        super().__init__()
        self._manager = manager
        self._window = Window(limit, max_tokens)
        self._saves_at_once = _choice("save_input", save_input, ("start", "end")) == "start"
        self._raises = _choice("on_error", on_error, ("raise", "log")) == "raise"
        self._histories = _Histories()

    def before_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the question, and find out where the thread begins."""
        thread = Thread.of(state, runtime).begun()
        if self._saves_at_once:
            thread = self._store(thread, state["messages"])
        return self._begin(thread).update()

    async def abefore_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the question, and find out where the thread begins. See `before_agent`."""
        thread = Thread.of(state, runtime).begun()
        if self._saves_at_once:
            thread = await self._astore(thread, state["messages"])
        return (await self._abegin(thread)).update()

    def before_model(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the round of tools that has finished."""
        thread = Thread.of(state, runtime)
        return self._store(thread, state["messages"]).update(thread) if self._saves_at_once else None

    async def abefore_model(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the round of tools that has finished. See `before_model`."""
        thread = Thread.of(state, runtime)
        return (await self._astore(thread, state["messages"])).update(thread) if self._saves_at_once else None

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Show the model what was said before the thread began."""
        thread = Thread.of(request.state, request.runtime)
        return handler(self._with_history(request, self._history(thread)))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Show the model what was said before the thread began. See `wrap_model_call`."""
        thread = Thread.of(request.state, request.runtime)
        return await handler(self._with_history(request, await self._ahistory(thread)))

    def after_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the answer."""
        thread = Thread.of(state, runtime)
        self._histories.drop(thread)
        return self._store(thread, state["messages"]).update(thread)

    async def aafter_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the answer. See `after_agent`."""
        thread = Thread.of(state, runtime)
        self._histories.drop(thread)
        return (await self._astore(thread, state["messages"])).update(thread)

    def _store(self, thread: Thread, messages: Sequence[BaseMessage]) -> Thread:
        """Store what is new in *messages*, and return the thread after that."""
        unsent = thread.unsent(messages)
        if not unsent:
            return thread
        with self._tolerance(thread):
            rows = to_rows(unsent)
            stored = self._manager.add_memory(thread.session_id, rows, user_id=thread.user_id)
            resent = Resent(rows, stored, thread.boundary, may_open=not thread.stored)
            newest = self._manager.last_messages(thread.session_id, resent.added + 1) if resent.is_doubtful else []
            if again := resent.said_again(newest):
                self._manager.delete_messages(thread.session_id, resent.added_among(again))
                new = self._manager.add_memory(thread.session_id, anew(again), user_id=thread.user_id)
                stored = [*resent.stored_before(again), *new]
            return thread.after(stored, messages)
        return thread

    async def _astore(self, thread: Thread, messages: Sequence[BaseMessage]) -> Thread:
        """Store what is new in *messages*, and return the thread after that."""
        unsent = thread.unsent(messages)
        if not unsent:
            return thread
        with self._tolerance(thread):
            rows = to_rows(unsent)
            stored = await self._manager.aadd_memory(thread.session_id, rows, user_id=thread.user_id)
            resent = Resent(rows, stored, thread.boundary, may_open=not thread.stored)
            newest = (
                await self._manager.alast_messages(thread.session_id, resent.added + 1) if resent.is_doubtful else []
            )
            if again := resent.said_again(newest):
                await self._manager.adelete_messages(thread.session_id, resent.added_among(again))
                new = await self._manager.aadd_memory(thread.session_id, anew(again), user_id=thread.user_id)
                stored = [*resent.stored_before(again), *new]
            return thread.after(stored, messages)
        return thread

    def _begin(self, thread: Thread) -> Thread:
        """Return *thread* with its boundary, which is read when storing the question did not tell it."""
        with self._tolerance(thread):
            thread = self._opened(thread)
            if thread.boundary is None:
                return replace(thread, boundary=_last_place(self._manager.last_messages(thread.session_id, 1)))
        return thread

    async def _abegin(self, thread: Thread) -> Thread:
        """Return *thread* with its boundary, which is read when storing the question did not tell it."""
        with self._tolerance(thread):
            thread = await self._aopened(thread)
            if thread.boundary is None:
                return replace(thread, boundary=_last_place(await self._manager.alast_messages(thread.session_id, 1)))
        return thread

    def _opened(self, thread: Thread) -> Thread:
        """Return *thread*, whose session is not another user's."""
        if not thread.is_open:
            self._session(thread).check_owner()
        return replace(thread, checked=thread.user_id)

    async def _aopened(self, thread: Thread) -> Thread:
        """Return *thread*, whose session is not another user's."""
        if not thread.is_open:
            await self._session(thread).acheck_owner()
        return replace(thread, checked=thread.user_id)

    def _history(self, thread: Thread) -> list[BaseMessage]:
        with self._tolerance(thread):
            self._opened(thread)
            held = self._histories.get(thread)
            if held is not None or not thread.boundary:
                return held or []
            return self._histories.hold(thread, self._session(thread).read(self._window, thread.boundary))
        return []

    async def _ahistory(self, thread: Thread) -> list[BaseMessage]:
        with self._tolerance(thread):
            await self._aopened(thread)
            held = self._histories.get(thread)
            if held is not None or not thread.boundary:
                return held or []
            return self._histories.hold(thread, await self._session(thread).aread(self._window, thread.boundary))
        return []

    def _with_history(self, request: ModelRequest[Any], history: Sequence[BaseMessage]) -> ModelRequest[Any]:
        """Return *request* with *history* in front of its messages.

        System messages at their head stay at the head, where alone some models take them. What is stored at the end of
        a run alone may be in the history and among the messages, too; else the history ends where these begin.
        """
        there = set() if self._saves_at_once else {message.id for message in request.messages if message.id}
        earlier = paired((message for message in history if message.id not in there), request.messages)
        instructions = list(takewhile(lambda message: isinstance(message, SystemMessage), request.messages))
        said = request.messages[len(instructions) :]
        return request.override(messages=cast("list[AnyMessage]", [*instructions, *earlier, *said]))

    def _session(self, thread: Thread) -> SessionMessages:
        return SessionMessages(self._manager, thread.session_id, thread.user_id)

    @contextmanager
    def _tolerance(self, thread: Thread) -> Iterator[None]:
        """Let a failure of the store pass with a log line, if so told; but never another user's session."""
        try:
            yield
        except ZepMemoryError as error:
            if self._raises or isinstance(error, SessionOwnedByAnotherUser):
                raise
            logger.warning("the memory of session %s failed: %s", shown(thread.session_id), type(error).__name__)


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidInput(name, f"is {shown(value)}; allowed are {', '.join(map(repr, allowed))}")
    return value


def _last_place(rows: Sequence[Message]) -> int:
    return (rows[-1].seq or 0) if rows else 0
