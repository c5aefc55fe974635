"""The examples run, offline, and show what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import EXAMPLES, run_example

QUIET = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:zep_memory_plugin"}


def chat(*arguments: str, typed: str = "") -> str:
    """Run the chat as a process of its own that is sent what is *typed*, and return what it prints."""
    command = [sys.executable, str(EXAMPLES / "chat.py"), *arguments]
    ran = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=100, env=QUIET)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


TESTED_APART = (
    "agent_framework_",
    "chat.py",
    "fastapi_chat.py",
    "llama_index_",
    "openai_agents_",
)  # below, in tests/test_fastapi_chat.py, in tests/llama_index, in tests/frameworks
ALONE = sorted(path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith(TESTED_APART))


@pytest.mark.parametrize("example", ALONE)
def test_an_example_runs_by_itself(example: str) -> None:
    """Without arguments and without a network."""
    assert run_example(example).strip()


PROVIDER = """
import os
from langchain_core.language_models import FakeListChatModel

class ChatOpenAI(FakeListChatModel):
    responses: list[str] = ["Hello yourself."]

    def __init__(self, **options):
        if "OPENAI_API_KEY" not in os.environ:
            raise ValueError("the api_key must be set\\nby an environment variable")
        super().__init__()
"""


def real_model(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the example for real models with a line typed, and return how it ended and what it printed."""
    command = [sys.executable, str(EXAMPLES / "real_model.py"), *arguments]
    ran = subprocess.run(command, input="Hello\n", capture_output=True, text=True, timeout=100, env=QUIET | variables)
    return ran.returncode, ran.stdout.strip(), ran.stderr.strip()


def test_a_real_model_says_what_it_lacks_in_a_line(tmp_path: Path, sqlite_url: str) -> None:
    """A name, the package of its provider, or a key; with all of them it answers."""
    (tmp_path / "langchain_openai.py").write_text(PROVIDER)
    openai = ("openai:gpt-5", "--database", sqlite_url)
    provider = {"PYTHONPATH": str(tmp_path)}

    code, said, failed = real_model("groq:a-model")

    assert real_model() == (0, "name a model, such as openai:gpt-5; examples/chat.py needs none", "")
    assert (code, said) == (1, "")
    assert failed.startswith("groq:a-model needs a package of its provider: ")
    assert "langchain-groq" in failed
    assert len(failed.splitlines()) == 1
    assert real_model(*openai, **provider) == (1, "", "openai:gpt-5 cannot be used: the api_key must be set")
    assert real_model(*openai, **provider, OPENAI_API_KEY="key") == (0, "Hello yourself.", "")


def test_the_life_of_a_session_on_postgres(postgres_url: str) -> None:
    """The same steps, the same words."""
    assert (
        run_example("sessions.py", "--database", postgres_url).splitlines()
        == run_example("sessions.py").splitlines()[:-1]
    )


def test_the_chat_goes_on_after_a_restart(sqlite_url: str) -> None:
    """A second process knows what the first was told, and the sessions are listed."""
    trip = ("--database", sqlite_url, "--session", "trip", "--user", "alice")
    first = chat(*trip, typed="I like Lisbon\n\n")
    second = chat(*trip, typed="What do I like?\n")
    listed = chat("--database", sqlite_url, "--list")

    assert "0 messages so far" in first
    assert "2 messages so far" in second
    assert "I like Lisbon" in second
    assert "You said 'What do I like?'" in second
    assert listed.split()[:4] == ["trip", "alice", "4", "messages"]
