"""The examples for agent frameworks run offline and show what is remembered, on both databases."""

import pytest

from tests.support.examples import run_example

EXAMPLES = [
    "agent_framework_agent.py",
    "google_adk_agent.py",
    "openai_agents_agent.py",
    "pydantic_ai_agent.py",
    "strands_agent.py",
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_agent_remembers_what_it_was_told(example: str, shared_postgres_url: str) -> None:
    by_default = run_example(example)

    assert "It is sunny in Lisbon. You have asked me 2 time(s)." in by_default
    assert "6 assistant It is sunny in Lisbon." in by_default
    assert run_example(example, "--database", shared_postgres_url) == by_default
