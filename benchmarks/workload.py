"""What every contender is given to do, and how much of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice

from .speech import Speech

CHARACTERS = 200
"""Characters of a message."""

TURN = 2
"""Messages that a turn appends: the user's and the assistant's."""

DIFFERENT = 10_000
"""Messages that are different, before they begin again."""

WINDOW = 20
"""Messages that a turn reads."""

SESSION = "6f1d6f0e-1f0b-4c57-9a55-2d3c1f1f7a10"
"""A session id in the form that every peer takes; some take nothing but UUIDs."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done in a run."""

    session: int = 10_000
    """Messages of a long session."""

    rounds: int = 200
    """Times that a short piece of work is timed, for every contender."""

    rows: int = 1_000_000
    """Messages of an import or a purge, and sessions of a listing."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """Messages of the session, step by step, in which the growth of costs is measured."""

    searched: tuple[int, ...] = (600, 6_000, 60_000)
    """Messages of the sessions that are searched."""

    coroutines: int = 64
    turns: int = 10
    """Turns of each coroutine in a round."""

    writers: int = 8
    """Writers beside a purge."""

    writing: float = 8.0
    """Seconds that the writers are measured for without a purge."""

    peers_counted: bool = True
    """Whether bytes and round trips of peers are counted, too."""

    @property
    def fewer_rounds(self) -> int:
        """Times that a long piece of work is timed."""
        return max(2, self.rounds // 20)


SMALL = Scale(
    session=400,
    rounds=5,
    rows=2_000,
    sizes=(100, 400),
    searched=(60, 400),
    coroutines=8,
    turns=2,
    writers=2,
    writing=0.3,
    peers_counted=False,
)


@cache
def texts() -> Sequence[str]:
    """Return what is said, the same in every run."""
    speech = Speech(1)
    return [speech.text(CHARACTERS) for _ in range(DIFFERENT)]


def conversation(count: int = TURN) -> Iterator[tuple[str, str]]:
    """Yield role and content of *count* messages, of the user and the assistant in turn, and other ones every time."""
    return zip(cycle(("user", "assistant")), islice(_said(), count))


@cache
def _said() -> Iterator[str]:
    return cycle(texts())


def session_id(number: int) -> str:
    """Return the id of one of many sessions, in the form of a UUID."""
    return f"{number:08x}-1f0b-4c57-9a55-2d3c1f1f7a10"
