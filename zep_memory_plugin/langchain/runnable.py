"""A runnable that remembers."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun as AsyncRun
from langchain_core.callbacks import CallbackManagerForChainRun as SyncRun
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.base import RunnableLike, coerce_to_runnable
from langchain_core.runnables.config import get_config_list, get_executor_for_config
from langchain_core.runnables.utils import gather_with_concurrency

from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Metadata
from ._config import named_session, session_of
from ._session import SessionMessages, Window
from ._turn import Keys, merged

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
    max_tokens: int | None = None,
) -> Runnable[Any, Any]:
    """Return *runnable* with the memory of the session that each call names.

    A call names it by `config={"configurable": {"session_id": "alice-1"}}`, perhaps with a `user_id`, by a `thread_id`
    in its place, or by the `use_session` around it. The input is text, a message, a list of messages, or a dict with
    one of these at *input_messages_key*; the history goes in front of it, or to *history_messages_key* of the dict. The
    output is of the same kinds, with *output_messages_key*. A key is needed only where a dict has several.

    The question is stored before the runnable is called and the answer when it is complete, so a failing call loses
    neither; a stream that ends early leaves what came of it, with the metadata `{"interrupted": true}`. What cannot be
    stored is an error for the caller. System messages in front of the question are passed on first and not stored.

    The history is the newest *limit* messages, of at most *max_tokens* tokens together, by default everything. It
    starts at a message of the user where it can, holds at least the last turn, and never parts a tool call from its
    results. The items of a batch that share a session are run one after another.
    """
    keys = Keys(input_messages_key, history_messages_key, output_messages_key)
    return RunnableWithSessionMemory(coerce_to_runnable(runnable), manager, keys, Window(limit, max_tokens))


class RunnableWithSessionMemory(Runnable[Any, Any]):
    """What `with_session_memory` returns."""

    def __init__(self, runnable: Runnable[Any, Any], manager: SessionManager, keys: Keys, window: Window) -> None:
        self._runnable = runnable
        self._manager = manager
        self._keys = keys
        self._window = window

    def __repr__(self) -> str:
        return f"with_session_memory({self._runnable!r}, {self._manager!r})"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Answer *input*, and store both."""
        return self._call_with_config(self._invoke, input, config, **kwargs)

    def _invoke(self, value: Any, run_manager: SyncRun, config: RunnableConfig, **kwargs: Any) -> Any:
        session = self._session(config)
        told = self._ask(session, value)
        output = self._runnable.invoke(told, config, **kwargs)
        session.add(self._keys.answer(output, told), anew=True)
        return output

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Answer *input*, and store both. See `invoke`."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    async def _ainvoke(self, value: Any, run_manager: AsyncRun, config: RunnableConfig, **kwargs: Any) -> Any:
        session = self._session(config)
        told = await self._aask(session, value)
        output = await self._runnable.ainvoke(told, config, **kwargs)
        await session.aadd(self._keys.answer(output, told), anew=True)
        return output

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """Answer *input* piece by piece, and store both, the answer as one message."""
        named = ensure_config(config)
        return self._stream(self._session(named), input, named, kwargs)

    def _stream(
        self, session: SessionMessages, value: Any, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        answer = _Answer(self._keys)

        def chunks(values: Iterator[Any], run_manager: SyncRun, config: RunnableConfig) -> Iterator[Any]:
            answer.told = self._ask(session, next(values))
            yield from self._runnable.stream(answer.told, config, **kwargs)

        traced = cast("Generator[Any, None, None]", self._transform_stream_with_config(iter([value]), chunks, config))
        try:
            with closing(traced):
                for chunk in traced:
                    yield answer.took(chunk)
        except BaseException:
            session.add(answer.so_far(), INTERRUPTED, anew=True)
            raise
        session.add(answer.complete(), anew=True)

    def astream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Answer *input* piece by piece, and store both, the answer as one message. See `stream`."""
        named = ensure_config(config)
        return self._astream(self._session(named), input, named, kwargs)

    async def _astream(
        self, session: SessionMessages, value: Any, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        answer = _Answer(self._keys)

        async def values() -> AsyncIterator[Any]:
            yield value

        async def chunks(
            values: AsyncIterator[Any], run_manager: AsyncRun, config: RunnableConfig
        ) -> AsyncIterator[Any]:
            answer.told = await self._aask(session, await anext(values))
            async for chunk in self._runnable.astream(answer.told, config, **kwargs):
                yield chunk

        traced = cast("AsyncGenerator[Any, None]", self._atransform_stream_with_config(values(), chunks, config))
        try:
            async with aclosing(traced):
                async for chunk in traced:
                    yield answer.took(chunk)
        except BaseException:
            await session.aadd(answer.so_far(), INTERRUPTED, anew=True)
            raise
        await session.aadd(answer.complete(), anew=True)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer *inputs*, sessions side by side, those of one session in their order."""
        configs = get_config_list(config, len(inputs))
        results: list[Any] = [None] * len(inputs)

        def run(turns: list[int]) -> None:
            for turn in turns:
                try:
                    results[turn] = self.invoke(inputs[turn], configs[turn], **kwargs)
                except Exception as error:  # a failing item leaves the others alone
                    results[turn] = error

        with get_executor_for_config(configs[0] if configs else None) as executor:
            list(executor.map(run, _by_session(configs)))
        return results if return_exceptions else _raised(results)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer *inputs*, sessions side by side, those of one session in their order. See `batch`."""
        configs = get_config_list(config, len(inputs))
        results: list[Any] = [None] * len(inputs)

        async def run(turns: list[int]) -> None:
            for turn in turns:
                try:
                    results[turn] = await self.ainvoke(inputs[turn], configs[turn], **kwargs)
                except Exception as error:  # a failing item leaves the others alone
                    results[turn] = error

        most = configs[0].get("max_concurrency") if configs else None
        await gather_with_concurrency(most, *(run(turns) for turns in _by_session(configs)))
        return results if return_exceptions else _raised(results)

    def _session(self, config: RunnableConfig) -> SessionMessages:
        named = session_of(config.get("configurable", {}))
        return SessionMessages(self._manager, named.session_id, named.user_id)

    def _ask(self, session: SessionMessages, value: Any) -> Any:
        """Store the question that *value* asks, and return *value* with the history before it."""
        question = self._keys.question(value)
        history = session.read(self._window)
        session.add(question.messages)
        return self._keys.told(value, question, history)

    async def _aask(self, session: SessionMessages, value: Any) -> Any:
        """Store the question that *value* asks, and return *value* with the history before it."""
        question = self._keys.question(value)
        history = await session.aread(self._window)
        await session.aadd(question.messages)
        return self._keys.told(value, question, history)


class _Answer:
    """The answer of a stream, as far as it came."""

    def __init__(self, keys: Keys) -> None:
        self.told: Any = None
        self._keys = keys
        self._chunks: list[Any] = []

    def took(self, chunk: Any) -> Any:
        """Return *chunk*, which from now on is part of the answer."""
        self._chunks.append(chunk)
        return chunk

    def complete(self) -> list[BaseMessage]:
        """Return the whole answer."""
        return self._keys.answer(merged(self._chunks), self.told) if self._chunks else []

    def so_far(self) -> list[BaseMessage]:
        """Return what there is of the answer: nothing, if no message can be made of it yet."""
        try:
            return [message for message in self.complete() if message.content]
        except InvalidInput:
            return []


def _by_session(configs: Sequence[RunnableConfig]) -> list[list[int]]:
    """Return the places of *configs*, those of one session together, in order."""
    groups: dict[str, list[int]] = {}
    for place, config in enumerate(configs):
        named = named_session(config.get("configurable", {}))
        groups.setdefault(repr(named and named.session_id), []).append(place)
    return list(groups.values())


def _raised(results: list[Any]) -> list[Any]:
    """Return *results*, or raise the first error among them."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
