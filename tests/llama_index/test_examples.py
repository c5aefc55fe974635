"""The examples for LlamaIndex run offline and show what they say, on both databases."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ("llama_index_chat_engine.py", "You said 'What do I like?'. Before that you said 'I like Lisbon.'."),
        ("llama_index_agent.py", "3: It is sunny in Lisbon. You have asked me 3 time(s)."),
        ("llama_index_memory.py", "stored: 4 active, 6 archived"),
    ],
)
def test_an_example_shows_what_is_remembered(example: str, shown: str, shared_postgres_url: str) -> None:
    by_default = run(example)

    assert shown in by_default
    assert run(example, "--database", shared_postgres_url) == by_default
