"""Every adapter serves threads, event loops one after another, and callers that are cancelled."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest

from tests.frameworks.uses import USES, append, read
from tests.support.cancelling import cancelled_at_every_await
from zep_memory_plugin import SessionManager

pytestmark = pytest.mark.parametrize("name", USES)


@pytest.fixture(autouse=True)
def imported(name: str) -> None:
    """Import the framework, which not every one of them bears from several threads at once."""
    import_module(f"zep_memory_plugin.{name}")


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


def test_what_threads_append_at_once_is_whole_and_side_by_side(manager: SessionManager, name: str) -> None:
    """Each thread has an event loop of its own."""
    texts = [f"thread {number}" for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as threads:
        list(threads.map(lambda text: append(name, manager, "shared", text), texts))

    stored = read(name, manager, "shared")
    assert Counter(stored) == dict.fromkeys(texts, 3)
    assert stored == [text for text in stored[::3] for _ in range(3)]


def test_one_event_loop_after_another_reads_what_the_one_before_wrote(manager: SessionManager, name: str) -> None:
    """As when a program runs an agent by `run_sync` again and again."""
    for text in ("first", "second"):
        append(name, manager, "shared", text)

    assert read(name, manager, "shared") == ["first"] * 3 + ["second"] * 3


def test_an_append_that_is_cancelled_at_any_await_is_whole_or_absent(manager: SessionManager, name: str) -> None:
    """And what was acknowledged is there; the manager works on, in this event loop and in another."""
    use = USES[name]

    async def main() -> tuple[list[str], list[str]]:
        await use.append(manager, "shared", "before")
        outcome = await cancelled_at_every_await(lambda text: use.append(manager, "shared", text))  # type: ignore[arg-type,return-value]
        await use.append(manager, "shared", "after")
        return outcome

    done, cancelled = asyncio.run(main())
    append(name, manager, "shared", "another loop")

    stored = Counter(read(name, manager, "shared"))
    assert set(stored.values()) == {3}
    assert {"before", *done, "after", "another loop"} <= stored.keys()
    assert stored.keys() <= {"before", *done, *cancelled, "after", "another loop"}
