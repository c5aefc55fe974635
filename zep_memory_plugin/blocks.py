"""Blocks of code inside of which something holds, also where the code is that of a generator.

A `ContextVar` alone knows no generators: what one sets before a `yield` holds in the code between its steps, and is
unknown in a step that another context makes, as web frameworks do. So a block that a generator enters is known by the
frame of that generator as well, and holds

1. for what the generator calls: its frame is on the stack, where the innermost frame with a block counts;
2. for the tasks and threads that got a copy of its context: while it is in the middle of a step, which awaits them;
3. for nothing else. In doubt nothing holds, and never what is another's.
"""

import dis
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, aclosing
from contextvars import ContextVar
from functools import wraps
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_OF_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_YIELD, _RESUME = dis.opmap["YIELD_VALUE"], dis.opmap["RESUME"]
_AFTER_AWAIT = 3
"""What the instruction RESUME says after an `await`, in its two lowest bits, as documented in `dis`."""


class Block(AbstractContextManager[T], ContextDecorator, Generic[T]):
    """A block of code that *value* holds in, or a function that it decorates, whatever that is: each call is a block.

    One may be entered several times, also inside itself and side by side. `async with` is the same as `with`.
    """

    def __init__(self, blocks: "Blocks[T]", value: T) -> None:
        self._blocks = blocks
        self._value = value
        self._entries: list[Entry[T]] = []

    def _recreate_cm(self) -> "Block[T]":  # for each call of a decorated function
        return Block(self._blocks, self._value)

    def __call__(self, function: F) -> F:
        """Return *function* with the block around each call, while the call is awaited, or its steps are taken."""
        decorated: F = super().__call__(function)
        for is_of_kind, inside in _KINDS.items():
            if is_of_kind(function):
                decorated = inside(self, function)
        return decorated

    def __enter__(self) -> T:
        return self._enter(_frame_around(sys._getframe(1)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(_frame_around(sys._getframe(1)))

    async def __aenter__(self) -> T:
        return self._enter(_frame_around(sys._getframe(1)))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(_frame_around(sys._getframe(1)))

    def _enter(self, frame: FrameType) -> T:
        self._entries.append(self._blocks.enter(self._value, frame))
        return self._value

    def _leave(self, frame: FrameType) -> None:
        entry = self._last_of(frame)
        self._entries.remove(entry)
        self._blocks.leave(entry)

    def _last_of(self, frame: FrameType) -> "Entry[T]":
        """Return how *frame* has entered this last; it may be that another has, on behalf of an `ExitStack`."""
        entries = [*self._entries]
        return next((entry for entry in reversed(entries) if entry.frame is frame), entries[-1])


class Entry(Generic[T]):
    """A block of code that was entered, once."""

    def __init__(self, value: T, frame: FrameType, outer: "Entry[T] | None", below: "Entry[T] | None") -> None:
        self.value = value
        self.is_open = True
        """Whether it holds still, for who has a copy of its context."""
        self.frame: FrameType | None = frame
        """The function or the generator in which it was entered, until it is left."""
        self.outer = outer
        """The entry that surrounds this one."""
        self.below = below
        """The one before this one in the same context, which perhaps does not surround it."""

    @property
    def is_of_generator(self) -> bool:
        return self.frame is not None and bool(self.frame.f_code.co_flags & _OF_GENERATORS)

    @property
    def holds(self) -> bool:
        """Whether the code of the block is being run, and so that of the tasks that it awaits may be."""
        return self.frame is None or not self.is_of_generator or _is_in_a_step(self.frame)

    def is_in(self, other: "Entry[T]") -> bool:
        """Tell whether this block is *other*, or inside it."""
        entry: Entry[T] | None = self
        while entry is not None and entry is not other:
            entry = entry.outer
        return entry is other


class Blocks(Generic[T]):
    """The blocks of one kind that are open.

    Where they *outlive* their code, one of a function holds for the tasks that were started in it, after it is left,
    too, as they have their own copy of its context.
    """

    def __init__(self, name: str, *, outlive: bool = False) -> None:
        self._outlive = outlive
        self._entered: ContextVar[Entry[T] | None] = ContextVar(name, default=None)
        self._of_frames: dict[FrameType, list[Entry[T]]] = {}
        self._of_generators: set[Entry[T]] = set()
        """Without any of these the stack need not be looked at, as what was entered last is innermost."""

    def innermost(self) -> T | None:
        """Return what holds here, if anything."""
        entry = self._innermost(sys._getframe(1))
        return None if entry is None else entry.value

    def enter(self, value: T, frame: FrameType) -> Entry[T]:
        """Open a block in which *value* holds, in a function or a generator."""
        entry = Entry(value, frame, self._innermost(sys._getframe(1)), next(self._open(), None))
        self._of_frames.setdefault(frame, []).append(entry)
        if entry.is_of_generator:
            self._of_generators.add(entry)
        self._entered.set(entry)
        return entry

    def leave(self, entry: Entry[T]) -> None:
        """Close the block of *entry*, perhaps in another context than the one it was entered in."""
        is_last = self._entered.get() is entry
        entry.is_open = self._outlive and is_last and not entry.is_of_generator
        self._forget(entry)
        if is_last:
            self._entered.set(next(self._open_below(entry), None))

    def _forget(self, entry: Entry[T]) -> None:
        """Let the stack be without *entry*."""
        if entry.frame is not None:
            of_frame = self._of_frames[entry.frame]
            of_frame.remove(entry)
            if not of_frame:
                del self._of_frames[entry.frame]
        entry.frame = None
        self._of_generators.discard(entry)

    def _open(self) -> Iterator[Entry[T]]:
        """Yield what was entered in this context and is open, the last one first."""
        last = self._entered.get()
        if last is not None and last.is_open:
            yield last
        if last is not None:
            yield from self._open_below(last)

    def _open_below(self, entry: Entry[T]) -> Iterator[Entry[T]]:
        """Yield what is open of what was entered before *entry* in its context; forget the others."""
        step: Entry[T] | None = entry
        while step is not None:
            while step.below is not None and not step.below.is_open:
                step.below = step.below.below
            step = step.below
            if step is not None:
                yield step

    def _innermost(self, frame: FrameType) -> Entry[T] | None:
        inherited = self._inherited()
        stepped = self._stepped(frame) if self._of_generators else None
        if stepped is None or (inherited is not None and inherited.is_in(stepped)):
            return inherited
        return stepped

    def _stepped(self, frame: FrameType) -> Entry[T] | None:
        """Return the block of the innermost frame on the stack that has one."""
        step: FrameType | None = frame
        while step is not None:
            if of_frame := self._of_frames.get(step):
                return of_frame[-1]
            step = step.f_back
        return None

    def _inherited(self) -> Entry[T] | None:
        """Return the last entry of this context that holds here without being on the stack.

        Where two generators are in the middle of a step, neither inside the other, it is unknown whose this is.
        """
        holding = [block for block in self._open() if block.holds]
        if not holding or any(block.is_of_generator and not holding[0].is_in(block) for block in holding):
            return None
        return holding[0]


def _awaited(block: Block[Any], function: Any) -> Any:
    @wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with block._recreate_cm():
            return await function(*args, **kwargs)

    return awaited


def _stepped(block: Block[Any], function: Any) -> Any:
    @wraps(function)
    def stepped(*args: Any, **kwargs: Any) -> Any:
        with block._recreate_cm():
            return (yield from function(*args, **kwargs))

    return stepped


def _astepped(block: Block[Any], function: Any) -> Any:
    @wraps(function)
    async def astepped(*args: Any, **kwargs: Any) -> Any:
        with block._recreate_cm():
            async with aclosing(function(*args, **kwargs)) as steps:
                async for step in steps:
                    yield step

    return astepped


_KINDS: dict[Callable[[object], bool], Callable[[Block[Any], Any], Any]] = {
    inspect.iscoroutinefunction: _awaited,
    inspect.isgeneratorfunction: _stepped,
    inspect.isasyncgenfunction: _astepped,
}
"""How a function is put into a block whose call does no more than to return what has still to be carried out."""


def _frame_around(frame: FrameType) -> FrameType:
    """Return the frame of the function or the generator in which a block is entered by *frame*.

    A generator that `contextlib` has made a context manager of stands for the code that uses that.
    """
    step = frame
    while step.f_back is not None and (_is_of_contextlib(step) or _is_context_manager(step)):
        step = step.f_back
    return step


def _is_context_manager(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & _OF_GENERATORS) and _is_of_contextlib(frame.f_back)


def _is_of_contextlib(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_globals.get("__name__") == "contextlib"


def _is_in_a_step(frame: FrameType) -> bool:
    """Tell whether the generator of *frame* runs or awaits something, so that it is not suspended at a `yield`."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] != _YIELD or code[at + 2] != _RESUME:
        return True
    return code[at + 3] & 3 == _AFTER_AWAIT
