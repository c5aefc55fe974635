"""What the memory knows of an agent's thread, and of the runs that are under way in this process."""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import dropwhile
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.runnables import ensure_config

from ..context import user_of
from ..errors import InvalidInput, SessionOwnedByAnotherUser, shown
from ..models import Message
from ..uuids import uuid_of
from ._config import REMEMBERED, RUNTIME, session_of, with_context
from ._messages import thread_of
from ._turn import is_note

T = TypeVar("T")

_RUNS_REMEMBERED = 64
"""Runs of which something is held between two calls of the model; of one beyond these it is read or made again."""

_CONTROLS_REMEMBERED = 1024
"""Runs of programs of which it is known what sessions their agents have."""

_TUPLES = ("asked", "waiting")
"""Fields that a checkpoint keeps as lists."""

_CHECKPOINTER = "__pregel_checkpointer"
_REPLAY = "__pregel_replay_state"
"""Where LangGraph keeps what saves a run's state, and what it knows when that is an earlier one than the last."""

_ERROR = "__error__"
"""Where a checkpointer keeps what a step of a graph has failed with."""

_STEPS_BACK = 3
"""Checkpoints from the start of a run to the end of the one before: that of the start, of the input, of the end."""

_BLOCKED = "PIIDetectionError"
"""What LangChain's own middleware raises for a text that it refuses."""

_IN_TOOL = "tools:"
"""Begins the part of a checkpoint's namespace that tells that a run is one of a tool of an agent."""


@dataclass(frozen=True, slots=True)
class AgentThread:
    """What the memory knows of an agent's thread; kept in its state, so that a resumed run goes on with it."""

    session_id: str
    user_id: str | None = None
    boundary: int | None = None
    """The last seq of the session before the thread began; None until that is known."""

    stored: dict[str, int] = field(default_factory=dict)
    """The messages of the state that are stored, by id, with a checksum that shows when one was changed."""

    run: str = ""
    asked: tuple[str, ...] = ()
    """The ids of what a run was asked that no model was, yet."""

    waiting: tuple[BaseMessage, ...] = ()
    """What is to be stored at the end of the run, as it was when a model was called."""

    last_seq: int | None = None
    """The seq of the last message that the thread has stored."""

    lineage: str | None = None
    """The id of the thread, where a checkpointer keeps it, so that it may be gone on with from an earlier state."""

    apart: bool = False
    """Whether this is the run of an agent in a tool of one whose session it has not been given for its own."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "AgentThread":
        """Return the thread of *state*, which a run may only go on with in the same session and for the same user."""
        run = with_context(ensure_config().get("configurable", {}))
        session_id, user_id = run.get("session_id"), user_of(run.get("user_id"))
        if "zep_memory" not in state:
            return cls(session_of(run).session_id, user_id, lineage=_lineage(run))
        kept = state["zep_memory"]
        thread = cls(**{**kept, **{name: tuple(kept.get(name, ())) for name in _TUPLES}})
        if session_id not in (None, thread.session_id):
            raise InvalidInput(
                "session_id", f"is {shown(session_id)}, but the thread is one of session {shown(thread.session_id)}"
            )
        if None not in (user_id, thread.user_id) and user_id != thread.user_id:
            raise SessionOwnedByAnotherUser(thread.session_id, str(user_id))
        return replace(thread, user_id=user_id or thread.user_id)

    def begun(self, messages: Sequence[BaseMessage], *, blocked: bool) -> "AgentThread":
        """Return the thread at the start of another run, after one that was perhaps *blocked* by another middleware.

        What that one was asked then stands in the state, and is not to be stored by this one, either.
        """
        refused = self.asked if blocked else ()
        passed = {message.id: _checksum(message) for message in messages if message.id in refused and message.id}
        thread = replace(self, run=uuid4().hex, waiting=(), stored={**passed, **self.stored})
        return replace(thread, asked=tuple(message.id for message in thread.unsent(messages) if message.id))

    def unsent(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return what is not stored of *messages* as they are now, after what waits and was removed from these since.

        System messages in front of them come with every run, like an agent's own, and are no part of the conversation.
        """
        here = {message.id for message in messages}
        removed = [message for message in self.waiting if message.id not in here]
        new = (message for message in [*removed, *messages] if not (is_note(message) or self._is_stored(message)))
        return list(dropwhile(lambda message: isinstance(message, SystemMessage), new))

    def _is_stored(self, message: BaseMessage) -> bool:
        return message.id is not None and self.stored.get(message.id) == _checksum(message)

    def holding(self, messages: Sequence[BaseMessage]) -> "AgentThread":
        """Return the thread with what is not stored of *messages* waiting for that."""
        return replace(self, waiting=tuple(self.unsent(messages)))

    @property
    def session(self) -> dict[str, Any]:
        """The arguments of a `SessionManager` that name the session and its user."""
        return {"session_id": self.session_id, "user_id": self.user_id}

    @property
    def since_seq(self) -> int | None:
        """The seq before the thread's first message, once one is stored: see the rule "append" of `add_memory`.

        What the thread stores first may be a whole conversation that is sent again. What comes later is said for the
        first time, or was changed since, as by a middleware that redacts it.
        """
        return self.boundary if self.last_seq is not None else None

    def set_back(self, rows: Sequence[Message], messages: Sequence[BaseMessage]) -> tuple["AgentThread", list[UUID]]:
        """Return the thread as its earlier state *messages* has it, and the uuids of what it came to after that.

        *rows* are what the session holds after what that state knows to be stored; of these some may be the state's.
        """
        here = {uuid_of(message.id) for message in messages if message.id}
        own = [row for row in rows if thread_of(row) == self.lineage]
        seqs = [row.seq or 0 for row in own if row.uuid in here]
        left = [row.uuid for row in own if row.uuid is not None and row.uuid not in here]
        if not seqs:
            return self, left
        boundary = min(seqs) - 1 if self.boundary is None else self.boundary
        return replace(self, boundary=boundary, last_seq=max(seqs)), left

    def after(self, rows: Sequence[Message], messages: Sequence[BaseMessage]) -> "AgentThread":
        """Return the thread with all of *messages* stored, the last ones as *rows*."""
        boundary, seqs = self.boundary, [row.seq or 0 for row in rows]
        if boundary is None and rows:
            first = next((row for row in rows if row.role_type == "user"), rows[0])
            boundary = (first.seq or 1) - 1
        stored = {message.id: _checksum(message) for message in messages if message.id and not is_note(message)}
        last_seq = max([self.last_seq or 0, *seqs])
        return replace(self, boundary=boundary, stored=stored, asked=(), waiting=(), last_seq=last_seq)

    def update(self, before: "AgentThread | None" = None) -> dict[str, Any] | None:
        """Return the state's update, if the thread is another than *before*."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return None if self == before else {"zep_memory": {**values, **{name: list(values[name]) for name in _TUPLES}}}


def _lineage(configurable: Mapping[str, Any]) -> str | None:
    thread_id = configurable.get("thread_id")
    return None if thread_id is None or configurable.get(_CHECKPOINTER) is None else str(thread_id)


def was_blocked() -> bool:
    """Tell whether the run before the one around this ended because a middleware refused what it was asked."""
    config = ensure_config().get("configurable", {})
    saver: Any = config.get(_CHECKPOINTER)
    at: Any = _own(config)
    for _ in range(_STEPS_BACK if saver else 0):
        checkpoint = saver.get_tuple(at)
        if checkpoint is None or _is_blocked(checkpoint):
            return checkpoint is not None
        at = checkpoint.parent_config or at
    return False


async def awas_blocked() -> bool:
    """Tell whether the run before was refused. See `was_blocked`."""
    config = ensure_config().get("configurable", {})
    saver: Any = config.get(_CHECKPOINTER)
    at: Any = _own(config)
    for _ in range(_STEPS_BACK if saver else 0):
        checkpoint = await saver.aget_tuple(at)
        if checkpoint is None or _is_blocked(checkpoint):
            return checkpoint is not None
        at = checkpoint.parent_config or at
    return False


def _own(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config by which a checkpointer knows the thread of the graph around this."""
    return {"configurable": {"thread_id": configurable.get("thread_id"), "checkpoint_ns": _graphs()[0]}}


def _is_blocked(checkpoint: Any) -> bool:
    """Tell whether a run ended at *checkpoint* with an error that means that a text was refused."""
    writes = checkpoint.pending_writes or ()
    return any(channel == _ERROR and _BLOCKED in repr(value) for _, channel, value in writes)


def is_set_back() -> bool:
    """Tell whether the run around this goes on with an earlier state of its thread than the last one."""
    return ensure_config().get("configurable", {}).get(_REPLAY) is not None


def _checksum(message: BaseMessage) -> int:
    content = (message.content, message.name, getattr(message, "tool_calls", None))
    return zlib.crc32(repr(content).encode(errors="surrogatepass"))


class ByRun(Generic[T]):
    """Something of each of the latest runs, between two calls of the model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_run: OrderedDict[str, T] = OrderedDict()

    def get(self, thread: AgentThread) -> T | None:
        """Return what is held of the run of *thread*, if it still is."""
        with self._lock:
            return self._by_run.get(thread.run)

    def hold(self, thread: AgentThread, held: T) -> T:
        """Hold something of the run of *thread*, and return it."""
        with self._lock:
            self._by_run[thread.run] = held
            self._by_run.move_to_end(thread.run)
            while len(self._by_run) > _RUNS_REMEMBERED:
                self._by_run.popitem(last=False)
        return held

    def drop(self, thread: AgentThread) -> None:
        """Hold nothing of the run of *thread* any more."""
        with self._lock:
            self._by_run.pop(thread.run, None)


class RunningSessions:
    """The sessions that the agents of each run of a program write to, one agent in a tool of another among them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_control: OrderedDict[int, tuple[object, set[tuple[str, str]]]] = OrderedDict()

    def entered(self, thread: AgentThread, control: object) -> AgentThread:
        """Return *thread*, whose run begins as a part of what *control* controls; apart where its session is another's.

        In a tool, a config is handed on, so that an agent there has the session of the one that has called the tool.
        """
        if control is None:
            return thread
        graph, callers = _graphs()
        with self._lock:
            _, agents = self._by_control.setdefault(id(control), (control, set()))  # held, so that its id stays its own
            while len(self._by_control) > _CONTROLS_REMEMBERED:
                self._by_control.popitem(last=False)
            apart = any((caller, thread.session_id) in agents for caller in callers)
            agents.add((graph, thread.session_id))
        return replace(thread, apart=apart)

    def is_callers(self, session_id: str, control: object) -> bool:
        """Tell whether an agent whose tool has called this run writes to the session."""
        with self._lock:
            _, agents = self._by_control.get(id(control), (control, set()))
            return any((caller, session_id) in agents for caller in _graphs()[1])


running = RunningSessions()
"""Of all middlewares: an agent in a tool has another one than the agent that calls it."""


def is_remembered(session_id: str, configurable: Mapping[str, Any]) -> bool:
    """Tell whether a run that the one with this *configurable* is a part of remembers the session."""
    if configurable.get(REMEMBERED) == session_id:
        return True
    control = getattr(configurable.get(RUNTIME), "control", None)
    return control is not None and running.is_callers(session_id, control)


def _graphs() -> tuple[str, list[str]]:
    """Return what LangGraph calls the graph of the run around this, and the graphs that have called its tool."""
    namespace = str(ensure_config().get("configurable", {}).get("checkpoint_ns") or "")
    parts = namespace.split("|")
    callers = ["|".join(parts[:at]) for at, part in enumerate(parts) if part.startswith(_IN_TOOL)]
    return "|".join(parts[:-1]), callers
