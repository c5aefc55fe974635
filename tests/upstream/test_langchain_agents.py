"""LangChain's own tests of agents pass with our memory in every agent, and what is stored is what the state shows."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.upstream.sources import NotAvailable, fetched, pip, ran

TESTS = ("tests/unit_tests/agents",)
NEEDED = ("pytest-mock", "langgraph-checkpoint-postgres", "langgraph-checkpoint-sqlite", "sqlite-vec")
"""What their conftest imports."""

OF_A_PROVIDER = "tests/unit_tests/agents/middleware/implementations/test_model_fallback.py"
"""Imports an integration of a provider."""

OF_THE_SHAPE = {  # they compare a picture of the graph, in which our middleware has nodes of its own
    "test_async_middleware_with_can_jump_to_graph_snapshot",
    "test_create_agent_diagram",
}
OF_THE_NUMBER_OF_STEPS = {"test_tool_runtime_config_access"}
"""Allows a graph no more steps than it takes without our middleware."""

OF_BLOCKING_CALLS_IN_A_LOOP = {  # they forbid whatever blocks an event loop in which they make blocking calls
    "test_execution_order[False]",
    "test_fallback_can_handle_refusal[False]",
    "test_hook_execution[after-False]",
    "test_hook_execution[before-False]",
    "test_hook_with_class_inheritance[after-False]",
    "test_hook_with_class_inheritance[before-False]",
    "test_non_refusals_pass_through[message0-False]",
    "test_non_refusals_pass_through[message1-False]",
    "test_non_refusals_pass_through[message2-False]",
    "test_non_refusals_pass_through[message3-False]",
    "test_refusal_is_opt_in[False]",
    "test_refusal_with_provider_strategy[False]",
}
LEFT_OUT = OF_THE_SHAPE | OF_THE_NUMBER_OF_STEPS | OF_BLOCKING_CALLS_IN_A_LOOP


@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("save_input", ["start", "end"])
def test_agents_with_memory_pass_the_tests_of_langchain(
    save_input: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        sources = fetched("langchain", tmp_path)
        pip("install", "--no-deps", "--target", str(tmp_path / "needed"), *NEEDED)
    except NotAvailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("ZEP_SAVE_INPUT", save_input)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "needed"))

    without = ran(sources, "left_out", TESTS, LEFT_OUT, "--ignore", OF_A_PROVIDER, "-n", "0")
    with_memory = ran(sources, "stored_agents", TESTS, LEFT_OUT, "--ignore", OF_A_PROVIDER, "-n", "0")

    assert len(re.findall(r"\d+ passed", with_memory.stdout)) == 1
    ours = failures(with_memory) - failures(without)
    if ours:  # some of them measure how long they take: what fails for us fails again
        again = ran(sources, "stored_agents", sorted(ours), LEFT_OUT, "-n", "0")
        assert again.returncode == 0, again.stdout[-20_000:]


def failures(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the tests that failed, or could not be run."""
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE))
