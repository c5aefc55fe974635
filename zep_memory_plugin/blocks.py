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
from collections.abc import Iterator
from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_OF_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_YIELD, _RESUME = dis.opmap["YIELD_VALUE"], dis.opmap["RESUME"]
_AFTER_AWAIT = 3
"""What the instruction RESUME says after an `await`, in its two lowest bits, as documented in `dis`."""


class Block(AbstractContextManager[T], ContextDecorator, Generic[T]):
    """A block of code that *value* holds in."""

    def __init__(self, blocks: "Blocks[T]", value: T) -> None:
        self._blocks = blocks
        self.value = value
        self.is_open = False
        self.frame: FrameType | None = None
        """The function or the generator in which the block was entered."""
        self.outer: Block[T] | None = None
        """The block that surrounds this one."""
        self.below: Block[T] | None = None
        """The block that was entered before this one in the same context, and perhaps does not surround it."""

    def _recreate_cm(self) -> "Block[T]":  # for each call of a decorated function
        return Block(self._blocks, self.value)

    def __enter__(self) -> T:
        self._blocks.enter(self, _frame_around(sys._getframe(1)))
        return self.value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.leave(self)

    @property
    def is_of_generator(self) -> bool:
        return self.frame is not None and bool(self.frame.f_code.co_flags & _OF_GENERATORS)

    @property
    def holds(self) -> bool:
        """Whether the code of the block is being run, and so that of the tasks that it awaits may be."""
        return self.frame is None or not self.is_of_generator or _is_in_a_step(self.frame)

    def is_in(self, other: "Block[T]") -> bool:
        """Tell whether this block is *other*, or inside it."""
        block: Block[T] | None = self
        while block is not None and block is not other:
            block = block.outer
        return block is other


class Blocks(Generic[T]):
    """The blocks of one kind that are open."""

    def __init__(self, name: str) -> None:
        self._entered: ContextVar[Block[T] | None] = ContextVar(name, default=None)
        self._of_frames: dict[FrameType, list[Block[T]]] = {}
        self._of_generators: set[Block[T]] = set()
        """Without any of these the stack need not be looked at, as what was entered last is innermost."""

    def innermost(self) -> T | None:
        """Return what holds here, if anything."""
        block = self._innermost(sys._getframe(1))
        return None if block is None else block.value

    def enter(self, block: Block[T], frame: FrameType) -> None:
        """Open *block* in a function or a generator."""
        block.outer, block.below = self._innermost(sys._getframe(1)), next(self._open(), None)
        block.frame, block.is_open = frame, True
        self._of_frames.setdefault(frame, []).append(block)
        if block.is_of_generator:
            self._of_generators.add(block)
        self._entered.set(block)

    def leave(self, block: Block[T]) -> None:
        """Close *block*, perhaps in another context than the one it was entered in."""
        if block.frame is not None:
            of_frame = self._of_frames[block.frame]
            of_frame.remove(block)
            if not of_frame:
                del self._of_frames[block.frame]
        block.frame, block.is_open = None, False
        self._of_generators.discard(block)
        if self._entered.get() is block:
            self._entered.set(next(self._open(), None))

    def _open(self) -> Iterator[Block[T]]:
        """Yield the blocks that were entered in this context and are open, the last one first; forget the others."""
        block = self._entered.get()
        while block is not None:
            while block.below is not None and not block.below.is_open:
                block.below = block.below.below
            if block.is_open:
                yield block
            block = block.below

    def _innermost(self, frame: FrameType) -> Block[T] | None:
        inherited = self._inherited()
        stepped = self._stepped(frame) if self._of_generators else None
        if stepped is None or (inherited is not None and inherited.is_in(stepped)):
            return inherited
        return stepped

    def _stepped(self, frame: FrameType) -> Block[T] | None:
        """Return the block of the innermost frame on the stack that has one."""
        step: FrameType | None = frame
        while step is not None:
            if of_frame := self._of_frames.get(step):
                return of_frame[-1]
            step = step.f_back
        return None

    def _inherited(self) -> Block[T] | None:
        """Return the last block of this context that holds here without being on the stack.

        Where two generators are in the middle of a step, neither inside the other, it is unknown whose this is.
        """
        holding = [block for block in self._open() if block.holds]
        if not holding or any(block.is_of_generator and not holding[0].is_in(block) for block in holding):
            return None
        return holding[0]


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
