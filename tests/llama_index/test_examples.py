"""The examples for LlamaIndex run offline and show what they say, on both databases."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.examples import run_example
from zep_memory_plugin.llama_index import ManagerNotRegistered, unregister_manager


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    """Forget the manager that an example registers for the rest of its process."""
    yield
    with suppress(ManagerNotRegistered):
        unregister_manager("app")


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ("llama_index_chat_engine.py", "You said 'What do I like?'. Before that you said 'I like Lisbon.'."),
        ("llama_index_agent.py", "3: It is sunny in Lisbon. You have asked me 3 time(s)."),
        ("llama_index_memory.py", "stored: 4 active, 6 archived"),
    ],
)
def test_an_example_shows_what_is_remembered(example: str, shown: str, shared_postgres_url: str) -> None:
    by_default = run_example(example)

    assert shown in by_default
    assert run_example(example, "--database", shared_postgres_url) == by_default
