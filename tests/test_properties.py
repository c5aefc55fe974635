"""Whatever is done, in whatever order, the manager says what a model of dictionaries and lists says."""

import ast
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.support import conversations
from tests.support.conversations import USERS, Conversations, Hands
from tests.support.signatures import METHODS
from zep_memory_plugin import Message, SessionManager

CHECKS = settings(
    deadline=None,
    derandomize="CI" in os.environ,
    phases=set(Phase) - {Phase.explain},  # tracing every line takes longer than all else
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@contextmanager
def hands(url: str, driver: str) -> Iterator[Hands]:
    """Open managers on the database at *url*, one of them with the async *driver*."""
    opened = Hands(url, f"{driver}:{url.partition(':')[2]}")
    yield opened
    opened.close()


@pytest.mark.timeout(600)
def test_sqlite_does_what_the_model_does(sqlite_url: str) -> None:
    with hands(sqlite_url, "sqlite+aiosqlite") as opened:
        run_state_machine_as_test(
            partial(Conversations, opened), settings=settings(CHECKS, max_examples=8, stateful_step_count=25)
        )


@pytest.mark.timeout(600)
def test_postgres_does_what_the_model_does(shared_postgres_url: str) -> None:
    with hands(shared_postgres_url, "postgresql+asyncpg") as opened:
        run_state_machine_as_test(
            partial(Conversations, opened), settings=settings(CHECKS, max_examples=5, stateful_step_count=20)
        )


def test_the_machine_does_whatever_can_be_done() -> None:
    """A method that is new needs a rule of its own, and a place in the model."""
    words = {
        node.value for node in ast.walk(ast.parse(inspect.getsource(conversations))) if isinstance(node, ast.Constant)
    }

    assert set(METHODS) - words == {"close", "import_memory"}, "which are called on their own"


json_scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
)
any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Any characters, NUL and halves of surrogate pairs among them."""

json_objects = st.dictionaries(
    any_text,
    st.recursive(
        json_scalars | any_text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def joined(value: Any) -> Any:
    """Return *value* with the halves of surrogate pairs that stand side by side joined, as JSON does."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        case dict():
            return {joined(key): joined(item) for key, item in value.items()}
        case list():
            return [joined(item) for item in value]
    return value


def test_any_text_and_json_comes_back_as_it_was(database_url: str) -> None:
    """With its types, and its keys in their order."""
    with SessionManager(database_url) as manager:

        @settings(CHECKS, max_examples=100)
        @given(content=any_text, name=any_text, metadata=json_objects)
        def comes_back(content: str, name: str, metadata: dict[str, Any]) -> None:
            written = Message(role="user", content=content, name=name, metadata=metadata)
            (stored,) = manager.add_memory("session", [written])

            read = manager.get_message("session", str(stored.uuid))

            assert read == stored
            assert (read.content, read.name) == (joined(content), joined(name))
            assert repr(read.metadata) == repr(joined(metadata))

        comes_back()


def pages(read: Callable[..., list[Any]], order: str, sizes: list[int]) -> Iterator[list[Any]]:
    """Read page after page, of *sizes* in turn, each after the *order* of the last item of the one before."""
    cursor = 0
    for size in cycle(sizes):
        page = read(limit=size, cursor=cursor)
        if not page:
            return
        assert len(page) <= size
        yield page
        cursor = getattr(page[-1], order)


def test_pages_of_any_sizes_are_the_whole(database_url: str) -> None:
    """Of messages, sessions and a user's sessions, some of which are deleted."""
    with SessionManager(database_url) as manager:
        stored = manager.add_memory("session-0", [Message(role="user", content=str(n)) for n in range(23)])
        manager.delete_messages("session-0", [stored[position].uuid or "" for position in (0, 7, 8, 22)])
        for number in range(1, 17):
            manager.add_memory(f"session-{number}", stored[:1], user_id=USERS[number % 2])
        for number in (1, 4, 5, 16):
            manager.delete_session(f"session-{number}")
        whole = {
            partial(manager.list_messages, "session-0"): "seq",
            manager.list_sessions: "id",
            partial(manager.list_sessions, deleted=True): "id",
            partial(manager.get_user_sessions, "alice"): "id",
        }

        @settings(CHECKS, max_examples=20)
        @given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
        def are_the_whole(sizes: list[int]) -> None:
            for read, order in whole.items():
                assert list(chain.from_iterable(pages(read, order, sizes))) == read()
            chunks = list(manager.list_all_sessions(sizes[0]))
            assert list(chain.from_iterable(chunks)) == manager.list_sessions()
            assert {len(chunk) for chunk in chunks[:-1]} <= {sizes[0]}

        are_the_whole()
