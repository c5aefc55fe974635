"""The memory of an agent: what was said before its thread began, and a store for what is said in it."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Annotated, Any, Literal, NotRequired, cast
from uuid import uuid4

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AnyMessage, BaseMessage, ToolMessage
from langgraph.runtime import Runtime

from ..core import resending
from ..core.windows import bounds
from ..errors import InvalidInput, NotFound, SessionOwnedByAnotherUser, ZepMemoryError, shown
from ..manager import SessionManager, manager_of
from ..models import Memory, Message
from ..types import DEFAULT_MAX_TOKENS
from ._messages import of_thread, to_rows
from ._thread import AgentThread, ByRun, awas_blocked, is_set_back, running, was_blocked
from ._window import leaves_out, windowed

logger = logging.getLogger(__name__)


class ZepMemoryState(AgentState[Any]):
    """The state of an agent with memory."""

    zep_memory: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


class ZepMemoryMiddleware(AgentMiddleware[ZepMemoryState, Any, Any]):
    """Gives an agent of `langchain.agents.create_agent` the memory of the session that each run names.

    One instance serves all sessions. A run names its session, and perhaps its user, by `session_id` and `user_id` in
    its context or in `config["configurable"]`, by a `thread_id` there, or by the `use_session` around it; a thread
    that goes on, as after an interrupt, keeps its session without naming it again.

    What the session held before the thread began is shown to the model, in front of the messages of the thread, and
    never becomes part of the agent's state: it is neither streamed nor checkpointed. Of both together, also where a
    checkpointer keeps a long thread, the model sees the newest whole turns before the one that it is asked, at most
    *turns* of them, *limit* messages and *max_tokens* tokens, None being no bound, but at least the last one; every
    tool call comes with its results, and before them, as a system message, the latest summary of the session. The state
    of the thread itself stays as it is; while all of a thread is in the window that began its session, no summary of it
    is needed.

    The question and each finished round of tools are stored when the model is called, after all other middleware has
    seen them, the answer at the end; each once, also with a checkpointer and after a resumption, and anew when another
    middleware changed it. What another middleware refuses is not stored. With *save_input* "end" all of a run is stored
    at its end, with what a summary has replaced meanwhile, and a run that fails leaves nothing. When the database
    fails, the run fails; with *on_error* "log" it goes on, and what could not be stored is tried again at the next
    step. A session of another user is always refused.

    A thread that is set back to an earlier checkpoint and run again has the new answer in the place of the old. An
    agent in a tool of another one has no memory of its own, unless it is given another session.

    It stands first among an agent's middleware, so that what others do to what the model is shown is done to the
    history, too. What is stored does not depend on that.
    """

    state_schema = ZepMemoryState

    def __init__(
        self,
        manager: SessionManager,
        *,
        limit: int | None = None,
        turns: int | None = None,
        max_tokens: int | None = DEFAULT_MAX_TOKENS,
        save_input: Literal["start", "end"] = "start",
        on_error: Literal["raise", "log"] = "raise",
    ) -> None:
        super().__init__()
        self._manager = manager_of(manager)
        self._bounds = bounds(limit, turns, max_tokens)
        self._saves_at_once = _choice("save_input", save_input, ("start", "end")) == "start"
        self._raises = _choice("on_error", on_error, ("raise", "log")) == "raise"
        self._histories: ByRun[Memory] = ByRun()
        self._runs: ByRun[tuple[AgentThread, AgentThread]] = ByRun()

    def before_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Find out whose session the run goes on with, and where the thread begins."""
        thread = self._entered(state, runtime)
        return (thread if self._saves_at_once or thread.apart else self._begin(thread)).update()

    async def abefore_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Find out whose session the run goes on with, and where the thread begins. See `before_agent`."""
        thread = await self._aentered(state, runtime)
        return (thread if self._saves_at_once or thread.apart else await self._abegin(thread)).update()

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Store what the model is asked, and show it what was said before the thread began.

        By now, all other middleware has seen what the model is asked, and could refuse it.
        """
        thread = _thread_of(request)
        if thread is None:
            return handler(request)
        asked = self._asked(self._come_to(thread), _asked_messages(request))
        self._runs.hold(thread, (thread, asked))
        return handler(self._with_history(request, self._history(asked, request.messages)))

    # By hand: an async agent hands over a handler that is awaited.
    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Store what the model is asked, and show it what was said before the thread began. See `wrap_model_call`."""
        thread = _thread_of(request)
        if thread is None:
            return await handler(request)
        asked = await self._aasked(self._come_to(thread), _asked_messages(request))
        self._runs.hold(thread, (thread, asked))
        return await handler(self._with_history(request, await self._ahistory(asked, request.messages)))

    def after_model(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Keep in the state what was stored when the model was called, and what is to be stored at the end."""
        before = AgentThread.of(state)
        if before.apart:
            return None
        thread = replace(self._come_to(before), asked=())
        return (thread if self._saves_at_once else thread.holding(state["messages"])).update(before)

    # By hand: it awaits nothing, but need not change threads.
    async def aafter_model(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Keep in the state what was stored when the model was called. See `after_model`."""
        return self.after_model(state, runtime)

    def after_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the answer."""
        thread = AgentThread.of(state)
        if thread.apart:
            return None
        self._histories.drop(thread)
        self._runs.drop(thread)
        return self._store(thread, state["messages"]).update(thread)

    async def aafter_agent(self, state: ZepMemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store the answer. See `after_agent`."""
        thread = AgentThread.of(state)
        if thread.apart:
            return None
        self._histories.drop(thread)
        self._runs.drop(thread)
        return (await self._astore(thread, state["messages"])).update(thread)

    def _entered(self, state: ZepMemoryState, runtime: Runtime[Any]) -> AgentThread:
        """Return the thread of *state* at the start of a run."""
        before = AgentThread.of(state)
        blocked = bool(before.asked) and was_blocked()
        return running.entered(before.begun(state["messages"], blocked=blocked), getattr(runtime, "control", None))

    # By hand: what asks a checkpointer is not a method of an object that has twins.
    async def _aentered(self, state: ZepMemoryState, runtime: Runtime[Any]) -> AgentThread:
        before = AgentThread.of(state)
        blocked = bool(before.asked) and await awas_blocked()
        return running.entered(before.begun(state["messages"], blocked=blocked), getattr(runtime, "control", None))

    def _come_to(self, thread: AgentThread) -> AgentThread:
        """Return what *thread*, as its state has it, has come to since in this process."""
        before, now = self._runs.get(thread) or (thread, thread)
        return now if before == thread else thread

    def _asked(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        """Return *thread* after a model was asked *messages*, which are stored now or wait for the end."""
        if not self._saves_at_once:
            return thread.holding(messages)
        stored = self._store(thread, messages)
        return self._begin(thread) if stored is thread else stored

    async def _aasked(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        if not self._saves_at_once:
            return thread.holding(messages)
        stored = await self._astore(thread, messages)
        return await self._abegin(thread) if stored is thread else stored

    def _store(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        """Store what is new in *messages*, and return the thread after that: the same one if nothing was stored."""
        unsent = thread.unsent(messages)
        if not unsent:
            return thread
        with self._tolerance(thread):
            thread = self._set_back(thread, messages)
            new, since_seq = self._rows(thread, unsent), thread.since_seq
            rows = self._manager.add_memory(messages=new, known="append", since_seq=since_seq, **thread.session)
            return thread.after(rows, messages)
        return thread

    async def _astore(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        unsent = thread.unsent(messages)
        if not unsent:
            return thread
        with self._tolerance(thread):
            thread = await self._aset_back(thread, messages)
            new, since_seq = self._rows(thread, unsent), thread.since_seq
            rows = await self._manager.aadd_memory(messages=new, known="append", since_seq=since_seq, **thread.session)
            return thread.after(rows, messages)
        return thread

    def _rows(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> list[Message]:
        return [of_thread(row, thread.lineage) for row in to_rows(messages, self._manager.token_counter)]

    def _set_back(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        """Return *thread*, and when it was set back to *messages*, delete what it came to after these."""
        if thread.lineage is None or not is_set_back():
            return thread
        later = self._manager.list_messages(cursor=thread.last_seq or thread.boundary or 0, **thread.session)
        thread, left = thread.set_back(later, messages)
        if left:
            with suppress(NotFound):
                self._manager.delete_messages(uuids=left, **thread.session)
        return thread

    async def _aset_back(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> AgentThread:
        if thread.lineage is None or not is_set_back():
            return thread
        later = await self._manager.alist_messages(cursor=thread.last_seq or thread.boundary or 0, **thread.session)
        thread, left = thread.set_back(later, messages)
        if left:
            with suppress(NotFound):
                await self._manager.adelete_messages(uuids=left, **thread.session)
        return thread

    def _begin(self, thread: AgentThread) -> AgentThread:
        """Return *thread* with its boundary, when no question was stored; a session of another user is refused."""
        if thread.boundary is not None and thread.user_id is None:
            return thread
        with self._tolerance(thread):
            newest = self._manager.last_messages(limit=1, **thread.session)
            last_seq = (newest[0].seq or 0) if newest else 0
            return replace(thread, boundary=last_seq) if thread.boundary is None else thread
        return thread

    async def _abegin(self, thread: AgentThread) -> AgentThread:
        if thread.boundary is not None and thread.user_id is None:
            return thread
        with self._tolerance(thread):
            newest = await self._manager.alast_messages(limit=1, **thread.session)
            last_seq = (newest[0].seq or 0) if newest else 0
            return replace(thread, boundary=last_seq) if thread.boundary is None else thread
        return thread

    def _history(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> Memory:
        """Return what is shown of the session as it was before the thread began; read once in a run.

        Of a thread that began the session there is a summary to show, once not all of its *messages* are.
        """
        history = self._histories.get(thread)
        if history is not None or not (thread.boundary or self._leaves_out(messages)):
            return history or Memory()
        with self._tolerance(thread):
            memory = self._manager.prompt_memory(**self._bounds, until_seq=thread.boundary or 0, **thread.session)
            return self._histories.hold(thread, memory)
        return Memory()

    async def _ahistory(self, thread: AgentThread, messages: Sequence[BaseMessage]) -> Memory:
        history = self._histories.get(thread)
        if history is not None or not (thread.boundary or self._leaves_out(messages)):
            return history or Memory()
        with self._tolerance(thread):
            memory = await self._manager.aprompt_memory(
                **self._bounds, until_seq=thread.boundary or 0, **thread.session
            )
            return self._histories.hold(thread, memory)
        return Memory()

    def _leaves_out(self, messages: Sequence[BaseMessage]) -> bool:
        return leaves_out(messages, self._bounds, self._manager.token_counter)

    def _with_history(self, request: ModelRequest[Any], history: Memory) -> ModelRequest[Any]:
        """Return *request* with the window of *history* and its messages, or itself when that is all it has.

        What is stored at the end of a run alone may be in the history and among the messages, too; else the history
        ends where these begin.
        """
        if not self._saves_at_once:
            earlier = resending.unrepeated(history.messages, to_rows(request.messages))
            history = history.model_copy(update={"messages": earlier})
        counter, summary_as = self._manager.token_counter, self._manager.summary_as
        messages = windowed(history, request.messages, self._bounds, counter, summary_as)
        if [*map(id, messages)] == [*map(id, request.messages)]:
            return request
        return request.override(messages=cast("list[AnyMessage]", messages))

    @contextmanager
    def _tolerance(self, thread: AgentThread) -> Iterator[None]:
        """Let a failure of the store pass with a log line, if that is the choice; but never another user's session."""
        try:
            yield
        except ZepMemoryError as error:
            if self._raises or isinstance(error, SessionOwnedByAnotherUser):
                raise
            logger.warning("the memory of session %s failed: %s", shown(thread.session_id), type(error).__name__)


def _thread_of(request: ModelRequest[Any]) -> AgentThread | None:
    """Return the thread that *request* is one of, unless it has no memory."""
    if "zep_memory" not in (request.state or {}):
        return None
    thread = AgentThread.of(request.state)
    return None if thread.apart else thread


def _asked_messages(request: ModelRequest[Any]) -> Sequence[BaseMessage]:
    """Return the messages of the state, with the results that the agent puts in where a call could not be read.

    These come to the state behind the model's call, as they are: with the id that they get here.
    """
    state: Sequence[BaseMessage] = request.state["messages"]
    here = {id(message) for message in state}
    put_in = [message for message in request.messages if id(message) not in here]
    if not put_in or len(put_in) + len(state) != len(request.messages) or not all(map(_is_result, put_in)):
        return state
    for message in put_in:
        message.id = message.id or str(uuid4())
    return request.messages


def _is_result(message: BaseMessage) -> bool:
    return isinstance(message, ToolMessage)


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidInput(name, f"is {shown(value)}; allowed are {', '.join(map(repr, allowed))}")
    return value
