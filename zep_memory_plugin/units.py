"""What is run: units of work, questions to the application, and flows of both. Plain values; nothing runs here.

A *unit of work* is a blocking function of a `Connection`, written once for blocking and for async callers. Connections
are in autocommit: a unit that only reads gets them as they are, one that writes gets a transaction around it.

A *flow* is work of several units and of the application's own functions. It is a generator that yields a `Unit` or an
`Ask` and is sent its result, or has its failure thrown into it where it stands. Nothing is locked between two yields.
What it yields as `Later` is another flow's, in the background.
"""

import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection

from .errors import ZepMemoryError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Stamp:
    """What a write must not make anew when it is sent again: its moment and its id.

    A connection may break after a write is done and before its answer has come, and nobody can tell whether it is. So
    the unit is sent again, under one rule: **a write that is sent again leaves what one attempt would have left, and
    returns the same.** An operation keeps it in one of three ways:

    1. To do it twice is to do it once: a merge of metadata, a session that is cleared.
    2. It knows what an earlier attempt created by ids that were made before the first one: `uuid`, and the uuids of
       the messages in a batch. To find its own is no conflict.
    3. It knows what an earlier attempt changed by the moment `now` in its rows, where *attempt* is more than 1: the
       messages that were deleted at that moment are the ones to delete, and there.

    Only a purge cannot count what was removed by an attempt whose answer was lost.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    attempt: int = 1
    tolerant: bool = False
    """Whether an earlier attempt met something that is stored and cannot be read, so that this one goes on past it."""

    _uuid: UUID | None = None

    # Not a cached_property, which before Python 3.12 has a lock that an interrupt may leave locked for good.
    @property
    def uuid(self) -> UUID:
        """The id of what is created, for the few writes that create something."""
        if self._uuid is None:
            self._uuid = uuid4()
        return self._uuid


NEVER = float("-inf")
"""A moment before all others, by the monotonic clock."""


@dataclass(slots=True)
class Unit:
    """A unit of work, and what it needs around it."""

    operation: Callable[[Connection], Any]
    writes: bool = False
    in_transaction: bool = False
    stamp: Stamp = field(default_factory=Stamp)
    user_id: str | None = None
    """The tenant for whom it is, so that the database itself can hold it to what is theirs."""
    called: Callable[..., Any] | None = None
    """The function that the operation calls, which names it to a watcher."""
    arguments: tuple[object, ...] = ()
    """What a function that writes is called with."""
    since: float | None = None
    """The moment, by the monotonic clock, since which a replica has to show all that was written if it is to answer, or
    None where only the primary may; beside what the manager itself has written."""
    session_id: str | None = None
    """The session that a replica is asked about, None for several."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call of a function of the application: an embedder, a summarizer, a token counter.

    An async caller awaits *awaitable* where there is one; else *function* runs in a thread, so that it holds up no
    event loop. What either returns is awaited when it can be.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    awaitable: Callable[..., Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Work on a session that nobody waits for: what is written is looked at once it is committed."""

    session_id: str


Effect = Unit | Ask | Later
"""What a flow yields."""

Flow = Generator[Effect, Any, T]
"""Work of several units and questions, each with the results of those before; returns what it comes to."""


def read(operation: Callable[Concatenate[Connection, P], Any], *args: P.args, **kwargs: P.kwargs) -> Unit:
    """Return the unit of work that runs *operation* in autocommit: one SELECT, or several that need not agree."""
    return Unit(lambda connection: operation(connection, *args, **kwargs), called=operation)


def late(unit: Unit, session_id: str | None = None, *, since: float = NEVER) -> Unit:
    """Return *unit*, which reads and may be answered by a replica; *since* is a moment that it has to show."""
    unit.since, unit.session_id = since, session_id
    return unit


def write(operation: Callable[Concatenate[Connection, Stamp, P], Any], *args: P.args, **kwargs: P.kwargs) -> Unit:
    """Return the unit of work that runs *operation* in one transaction; sent again, it gets the same stamp."""
    stamp = Stamp()
    return Unit(
        lambda connection: operation(connection, stamp, *args, **kwargs), True, True, stamp, None, operation, args
    )


def write_alone(operation: Callable[Concatenate[Connection, Stamp, P], Any], *args: P.args, **kwargs: P.kwargs) -> Unit:
    """Return the unit of work that runs *operation*, which is one statement or opens its transaction itself."""
    stamp = Stamp()
    return Unit(
        lambda connection: operation(connection, stamp, *args, **kwargs), True, False, stamp, None, operation, args
    )


class _Shortly:
    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ZepMemoryError) and not sys.flags.dev_mode:
            error.__traceback__ = None


SHORTLY = _Shortly()
"""Lets an error of ours leave a block without the frames of what raised it in there."""
