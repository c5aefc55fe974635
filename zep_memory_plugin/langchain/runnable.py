"""A runnable that remembers."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import asdict, dataclass, field
from queue import SimpleQueue
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun as AsyncRun
from langchain_core.callbacks import CallbackManagerForChainRun as SyncRun
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.base import RunnableLike, coerce_to_runnable
from langchain_core.runnables.config import get_config_list, get_executor_for_config
from langchain_core.runnables.utils import ConfigurableFieldSpec, gather_with_concurrency, get_unique_config_specs

from ..core import resending
from ..core.windows import bounds
from ..manager import SessionManager, manager_of
from ..models import Memory, Message
from ..types import DEFAULT_MAX_TOKENS, Metadata, WindowBounds
from ._config import named_session, remembering, session_of
from ._messages import to_rows
from ._thread import is_remembered
from ._turn import PARSED, MessageKeys, is_command, merge

SESSION_FIELDS = [
    ConfigurableFieldSpec("session_id", str, "Session", "The conversation that is gone on with.", "", is_shared=True),
    ConfigurableFieldSpec("user_id", str | None, "User", "Whose conversation it is.", None, is_shared=True),
]
"""What a call may name in its `configurable`."""

INTERRUPTED: Metadata = {"interrupted": True}
"""Metadata of an answer whose stream ended early."""


def with_session_memory(
    runnable: RunnableLike[Any, Any],
    manager: SessionManager,
    *,
    input_messages_key: str | None = None,
    history_messages_key: str | None = None,
    output_messages_key: str | None = None,
    limit: int | None = None,
    turns: int | None = None,
    max_tokens: int | None = DEFAULT_MAX_TOKENS,
) -> Runnable[Any, Any]:
    """Return *runnable* with the memory of the session that each call names.

    A call names it by `config={"configurable": {"session_id": "alice-1"}}`, perhaps with a `user_id`, by a `thread_id`
    instead, or by the `use_session` around it. The input is text, a message, a list of messages, or a dict with
    one of these at *input_messages_key*; the history goes in front of it, or to *history_messages_key* of the dict. The
    output is of the same kinds, with *output_messages_key*. A key is needed only where a dict has several.

    The question is stored before the runnable is called and the answer when it is complete, so a failing call loses
    neither; a stream that ends early leaves what came of it, with the metadata `{"interrupted": true}`. What cannot be
    stored is an error for the caller. System messages in front of the question are passed on first and not stored.

    The history is what `SessionManager.prompt_memory` returns: the newest whole turns, at most *turns* of them, *limit*
    messages and *max_tokens* tokens, None being no bound, and before them, as a system message, the latest summary. It
    never parts a tool call from its results. The items of a batch that share a session are run one after another.

    A tool of an agent is handed the session of the agent. What is called there has no memory of that session, which is
    the agent's to write, unless the call names another.
    """
    keys = MessageKeys(input_messages_key, history_messages_key, output_messages_key, manager_of(manager).summary_as)
    return RunnableWithSessionMemory(coerce_to_runnable(runnable), manager, keys, bounds(limit, turns, max_tokens))


@dataclass(slots=True)
class _Turn:
    """A question to a session, and its answer as far as it came."""

    session: dict[str, Any]
    """The arguments of a `SessionManager` that name the session and its user."""

    apart: bool = False
    """Whether another run that this one is a part of remembers the session, as when a tool of its agent has called."""

    input: Any = None
    """What the runnable is given: the question with the history."""

    memory: Memory = field(default_factory=Memory)
    """What is shown of the session, as it was before the question was stored."""

    asked: list[Message] = field(default_factory=list)
    """The question as it is stored, with what was sent again before it."""

    chunks: list[Any] = field(default_factory=list)

    @property
    def before(self) -> Memory:
        """What of the memory the question does not repeat."""
        messages = resending.before_question(self.memory.messages, self.asked)
        return self.memory.model_copy(update={"messages": messages})

    @property
    def since_seq(self) -> int:
        """The seq of the newest message when the question was stored: what is known up to it is no answer to it."""
        return max((row.seq or 0 for row in [*self.memory.messages, *self.asked]), default=0)

    def new(self, answer: list[Message]) -> list[Message]:
        """Return what of *answer* is new: a graph that was told to go on returns all that its thread came to."""
        return resending.after_known(answer, self.memory.messages) if is_command(self.input) else answer

    def answer(self, keys: MessageKeys) -> list[BaseMessage]:
        """Return the whole answer."""
        return keys.answer(merge(self.chunks), self.input) if self.chunks else []

    def answer_so_far(self, keys: MessageKeys) -> list[BaseMessage]:
        """Return what has come of the answer in words; data that is not whole yet is none."""
        return [message for message in self.answer(keys) if message.content and PARSED not in message.additional_kwargs]


class RunnableWithSessionMemory(Runnable[Any, Any]):
    """What `with_session_memory` returns."""

    def __init__(
        self, runnable: Runnable[Any, Any], manager: SessionManager, keys: MessageKeys, bounds: WindowBounds
    ) -> None:
        self._runnable = runnable
        self._manager = manager
        self._keys = keys
        self._bounds = bounds

    def __repr__(self) -> str:
        return f"with_session_memory({self._runnable!r}, {self._manager!r})"

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The fields of `configurable` that a call may name, those of the session among them."""
        return get_unique_config_specs([*self._runnable.config_specs, *SESSION_FIELDS])

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answer *input*, and store both."""
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answer *input*, and store both. See `invoke`."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def _invoke(self, value: Any, run_manager: SyncRun, config: RunnableConfig, **kwargs: Any) -> Any:
        turn = _turn_of(config)
        inner = remembering(turn.session, config)
        output = self._runnable.invoke(self._ask(turn, value), inner, **kwargs)
        self._store(turn, self._keys.answer(output, turn.input))
        return output

    async def _ainvoke(self, value: Any, run_manager: AsyncRun, config: RunnableConfig, **kwargs: Any) -> Any:
        turn = _turn_of(config)
        inner = remembering(turn.session, config)
        output = await self._runnable.ainvoke(await self._aask(turn, value), inner, **kwargs)
        await self._astore(turn, self._keys.answer(output, turn.input))
        return output

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Answer *input* piece by piece, and store both, the answer as one message."""
        config = ensure_config(config)
        return self._stream(_turn_of(config), input, config, kwargs)

    def _stream(self, turn: _Turn, value: Any, config: RunnableConfig, kwargs: dict[str, Any]) -> Iterator[Any]:
        def chunks(values: Iterator[Any], run_manager: SyncRun, config: RunnableConfig) -> Iterator[Any]:
            inner = remembering(turn.session, config)
            yield from self._runnable.stream(self._ask(turn, next(values)), inner, **kwargs)

        traced = cast("Generator[Any, None, None]", self._transform_stream_with_config(iter([value]), chunks, config))
        try:
            with closing(traced):
                for chunk in traced:
                    turn.chunks.append(chunk)
                    yield chunk
        except BaseException:
            self._store(turn, turn.answer_so_far(self._keys), INTERRUPTED)
            raise
        self._store(turn, turn.answer(self._keys))

    # By hand: it returns an iterator, and awaits nothing itself.
    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Answer *input* piece by piece, and store both, the answer as one message. See `stream`."""
        config = ensure_config(config)
        return self._astream(_turn_of(config), input, config, kwargs)

    # By hand: LangChain takes an iterator of the other kind, and contextlib closes one.
    async def _astream(
        self, turn: _Turn, value: Any, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        async def values() -> AsyncIterator[Any]:
            yield value

        async def chunks(
            values: AsyncIterator[Any], run_manager: AsyncRun, config: RunnableConfig
        ) -> AsyncIterator[Any]:
            inner = remembering(turn.session, config)
            async for chunk in self._runnable.astream(await self._aask(turn, await anext(values)), inner, **kwargs):
                yield chunk

        traced = cast("AsyncGenerator[Any, None]", self._atransform_stream_with_config(values(), chunks, config))
        try:
            async with aclosing(traced):
                async for chunk in traced:
                    turn.chunks.append(chunk)
                    yield chunk
        except BaseException:
            await self._astore(turn, turn.answer_so_far(self._keys), INTERRUPTED)
            raise
        await self._astore(turn, turn.answer(self._keys))

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer *inputs*, sessions side by side, those of one session in their order."""
        results: list[Any] = [None] * len(inputs)
        for position, result in self._as_completed(inputs, config, kwargs):
            results[position] = result
        return results if return_exceptions else [_without_error(result) for result in results]

    # By hand: the results come from tasks instead of threads.
    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer *inputs*, sessions side by side, those of one session in their order. See `batch`."""
        results: list[Any] = [None] * len(inputs)
        async for position, result in self._aas_completed(inputs, config, kwargs):
            results[position] = result
        return results if return_exceptions else [_without_error(result) for result in results]

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Answer *inputs* as `batch` does, and yield the position of each with its answer when that is there."""
        for position, result in self._as_completed(inputs, config, kwargs):
            yield position, result if return_exceptions else _without_error(result)

    # By hand: the results come from tasks instead of threads.
    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Answer *inputs* as `batch` does, and yield the position of each with its answer when that is there.

        See `batch_as_completed`.
        """
        async with aclosing(self._aas_completed(inputs, config, kwargs)) as completed:
            async for position, result in completed:
                yield position, result if return_exceptions else _without_error(result)

    def _as_completed(self, inputs: Sequence[Any], config: Any, kwargs: dict[str, Any]) -> Iterator[tuple[int, Any]]:
        """Yield positions and answers, or errors, as they come; what is left when nobody wants more is not begun."""
        configs, done, is_left = get_config_list(config, len(inputs)), SimpleQueue[tuple[int, Any]](), threading.Event()

        def run(positions: list[int]) -> None:
            for position in positions:
                if not is_left.is_set():
                    try:
                        done.put((position, self.invoke(inputs[position], configs[position], **kwargs)))
                    except BaseException as error:  # a failing item leaves the others alone
                        done.put((position, error))

        with get_executor_for_config(configs[0] if configs else None) as executor:
            for positions in _by_session(configs):
                executor.submit(run, positions)
            try:
                yield from (done.get() for _ in configs)
            finally:
                is_left.set()

    # By hand: it runs tasks instead of threads.
    async def _aas_completed(
        self, inputs: Sequence[Any], config: Any, kwargs: dict[str, Any]
    ) -> AsyncGenerator[tuple[int, Any], None]:
        configs, done = get_config_list(config, len(inputs)), asyncio.Queue[tuple[int, Any]]()

        async def run(positions: list[int]) -> None:
            for position in positions:
                try:
                    done.put_nowait((position, await self.ainvoke(inputs[position], configs[position], **kwargs)))
                except Exception as error:  # a failing item leaves the others alone
                    done.put_nowait((position, error))

        most = configs[0].get("max_concurrency") if configs else None
        work = asyncio.gather(gather_with_concurrency(most, *(run(positions) for positions in _by_session(configs))))
        try:
            for _ in configs:
                yield await done.get()
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    def _ask(self, turn: _Turn, value: Any) -> Any:
        """Store the question that *value* asks, and return *value* with the history before it."""
        question = self._keys.turn_input(value)
        if not turn.apart:
            rows = to_rows(question.messages, self._manager.token_counter)
            turn.memory = self._manager.prompt_memory(**self._bounds, **turn.session)
            turn.asked = self._manager.add_memory(messages=rows, known="append", **turn.session)
        turn.input = self._keys.with_history(value, question, turn.before)
        return turn.input

    async def _aask(self, turn: _Turn, value: Any) -> Any:
        question = self._keys.turn_input(value)
        if not turn.apart:
            rows = to_rows(question.messages, self._manager.token_counter)
            turn.memory = await self._manager.aprompt_memory(**self._bounds, **turn.session)
            turn.asked = await self._manager.aadd_memory(messages=rows, known="append", **turn.session)
        turn.input = self._keys.with_history(value, question, turn.before)
        return turn.input

    def _store(self, turn: _Turn, answer: list[BaseMessage], metadata: Metadata | None = None) -> None:
        """Store *answer*, if there is any; all of it is new, though a cache of the model's gives an id once more."""
        if not turn.apart and (rows := turn.new(to_rows(answer, self._manager.token_counter, metadata))):
            self._manager.add_memory(messages=rows, known="append", since_seq=turn.since_seq, **turn.session)

    async def _astore(self, turn: _Turn, answer: list[BaseMessage], metadata: Metadata | None = None) -> None:
        if not turn.apart and (rows := turn.new(to_rows(answer, self._manager.token_counter, metadata))):
            await self._manager.aadd_memory(messages=rows, known="append", since_seq=turn.since_seq, **turn.session)


def _turn_of(config: RunnableConfig) -> _Turn:
    configurable = config.get("configurable", {})
    session = session_of(configurable)
    return _Turn(asdict(session), apart=is_remembered(session.session_id, configurable))


def _by_session(configs: Sequence[RunnableConfig]) -> list[list[int]]:
    """Return the positions of *configs*, those of one session together, in order."""
    groups: dict[str, list[int]] = {}
    for position, config in enumerate(configs):
        session = named_session(config.get("configurable", {}))
        groups.setdefault(repr(session and session.session_id), []).append(position)
    return list(groups.values())


def _without_error(result: Any) -> Any:
    """Return *result*, unless it is an error, which is raised."""
    if isinstance(result, BaseException):
        raise result
    return result
