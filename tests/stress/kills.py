"""Processes that write until SIGKILL meets them anywhere, and what is left of what they acknowledged."""

import asyncio
import itertools
import random
import time
from collections import Counter
from typing import Any

from tests.stress.checks import wrong_in
from tests.stress.lives import tell
from tests.support.batches import batch
from tests.support.children import Child
from tests.support.colours import AsyncCaller, Backend, SyncCaller
from tests.support.tables import Tables
from zep_memory_plugin import SessionManager

WRITERS = 3
SIZES = (1, 3, 3, 40, 300)
LONGEST_LIFE = 0.4
"""Seconds after which the writers of a round are killed at most, from their first batch on."""


def write(url: str, awaiting: bool, who: str, seed: int) -> None:
    """In a child: append batch after batch, and do other things to other sessions in between."""
    chance = random.Random(seed)
    caller: Any = (AsyncCaller if awaiting else SyncCaller)(SessionManager(url), Tables(url))
    for number in itertools.count():
        name = f"{who}-{number}"
        caller.add_memory(f"s{chance.randrange(3)}", batch(name, chance.choice(SIZES)))
        tell(name)
        chance.choice([_nothing, _nothing, _replace, _begin, _delete_and_purge])(caller, name)


def _nothing(caller: Any, name: str) -> None:
    return


def _replace(caller: Any, name: str) -> None:
    caller.replace_memory(f"beside {name[:3]}", [message for part in "ab" for message in batch(f"{name}{part}", 3)])


def _begin(caller: Any, name: str) -> None:
    caller.add_memory(f"origin {name}", batch(f"{name}origin", 3))


def _delete_and_purge(caller: Any, name: str) -> None:
    caller.add_memory(f"gone {name}", batch(f"{name}gone", 3))
    caller.delete_session(f"gone {name}")
    caller.purge()


def kill(backend: Backend, url: str, seed: int, rounds: int) -> tuple[Counter[str], list[str]]:
    """Kill so many rounds of writers on the database at *url*; return counts, and what is wrong afterwards."""
    chance = random.Random(seed)
    counts, problems, acknowledged = Counter[str](), list[str](), list[str]()
    with SessionManager(url) as manager:
        _first(manager, backend)
    for number in range(rounds):
        names = _killed(backend, url, chance, number)
        acknowledged += names
        counts += Counter({"kills": WRITERS, "acknowledged batches": len(names)})
        problems += wrong_in(url, acknowledged)
        _go_on(url, number)
    return counts, problems


def _first(manager: SessionManager, backend: Backend) -> None:
    """Create the tables."""
    if backend.colour is AsyncCaller:
        asyncio.run(manager.aadd_memory("first", batch("first", 1)))
    else:
        manager.add_memory("first", batch("first", 1))


def _killed(backend: Backend, url: str, chance: random.Random, number: int) -> list[str]:
    """Let writers write until they are killed, and return what they had acknowledged."""
    awaiting = backend.colour is AsyncCaller
    names = [f"r{number}w{writer}" for writer in range(WRITERS)]
    children = [Child(write, url, awaiting, name, chance.randrange(10**9)) for name in names]
    heard = [child.hear() for child in children]
    time.sleep(chance.uniform(0, LONGEST_LIFE))
    for child in children:
        child.kill()
    told = [word for child in children for word in child.end().told]
    return [word for word in [*heard, *told] if word is not None]


def _go_on(url: str, number: int) -> None:
    """See that the next one can write."""
    with SessionManager(url) as manager:
        manager.add_memory("after", batch(f"after-{number}", 1))
