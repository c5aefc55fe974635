"""What is said in every store: questions, calls of a tool, what it returns, answers."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..workload import conversation, session_id

EACH = 1_000
"""Messages of a session."""

TOOL = "weather"


class Call(NamedTuple):
    """A call of a tool; arguments are an object, or text where a store has nothing else."""

    id: str
    name: str
    args: Any


class Said(NamedTuple):
    """A message, as far as every library has it."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    result_of: str | None = None


Talks = Iterator[tuple[str, list[Said]]]
"""Sessions, by their ids, in the order of these, with all that was said."""


def talks(count: int) -> Talks:
    """Yield *count* messages, in as many sessions as it takes."""
    for number, first in enumerate(range(0, count, EACH)):
        yield session_id(number), _talk(min(EACH, count - first))


def _talk(count: int) -> list[Said]:
    said = enumerate(text for _, text in conversation(count))
    return [_message(number, text) for number, text in said]


def _message(number: int, text: str) -> Said:
    call = f"call-{number - number % 4}"
    match number % 4:
        case 0:
            return Said("user", text)
        case 1:
            return Said("assistant", calls=(Call(call, TOOL, {"city": text[:20], "days": number}),))
        case 2:
            return Said("tool", text, result_of=call)
    return Said("assistant", text)


def line(session: str, said: Said) -> str:
    """Return a message as a line that is the same wherever it comes from."""
    return json.dumps([session, *said])
