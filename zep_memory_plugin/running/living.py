"""A collection that keeps nothing alive."""

from collections.abc import Iterator
from functools import partial
from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")


class Living(Generic[T]):
    """Things that others keep alive, for several threads at once, without a lock that an interrupt could leave held."""

    def __init__(self) -> None:
        self._references: dict[int, ref[T]] = {}

    def __len__(self) -> int:
        return len(self._references)

    def __iter__(self) -> Iterator[T]:
        things = [reference() for reference in list(self._references.values())]
        return (thing for thing in things if thing is not None)

    def add(self, thing: T) -> T:
        """Take in *thing*, for as long as it lives."""
        key = id(thing)
        self._references[key] = ref(thing, partial(self._references.pop, key))
        return thing

    def discard(self, thing: T) -> None:
        """Let go of *thing*."""
        self._references.pop(id(thing), None)
