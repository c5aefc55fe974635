"""What has to be left of a database after lives of stress: everything acknowledged, whole, and nothing locked."""

from collections import Counter
from typing import Any

from tests.stress.lives import live_awaiting, live_blocking
from tests.support import beside, children
from tests.support.batches import violations
from tests.support.colours import AsyncCaller, Backend

PATIENCE = 90
"""Seconds that a life may take beyond its time; the copies that it forks have some of it."""


def stress(backend: Backend, url: str, seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    """Let a process live on the database at *url*, and return what it did and what is wrong afterwards."""
    live = live_awaiting if backend.colour is AsyncCaller else live_blocking
    ended = children.run(live, url, seed, seconds, limit=int(seconds) + PATIENCE)
    acknowledged = [word for word in ended.told if isinstance(word, str)]
    last: dict[str, Any] = next((word for word in ended.told if isinstance(word, dict)), {"counts": {}, "problems": []})
    problems = list(last["problems"])
    if ended.code != 0:
        problems.append(f"the process hangs or crashes: {ended.code} {ended.errors[-2000:]}")
    if backend.url_fixture is not None:
        problems += wrong_in(url, acknowledged)
    return Counter(
        {**last["counts"], "acknowledged": max(len(acknowledged), last["counts"].get("acknowledged", 0))}
    ), problems


def wrong_in(url: str, acknowledged: list[str]) -> list[str]:
    """Return what is wrong with a database that others can open, too."""
    rows = beside.execute(url, "SELECT content FROM zep_messages ORDER BY session_id, seq")
    problems = violations((content for (content,) in rows), acknowledged)
    if not beside.becomes_free(url):
        problems.append("something is locked")
    if not beside.is_intact(url):
        problems.append("the file is damaged")
    return problems
