"""What importing costs, and what a missing package says."""

import os
import subprocess
import sys

import pytest

import zep_memory_plugin.langchain

REFUSE = """
import sys, warnings
warnings.simplefilter("error")
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""
OPTIONAL = ("langchain", "langchain_classic", "langchain_community", "langgraph")


def run_without(refused: tuple[str, ...], code: str) -> str:
    """Run *code* in a fresh Python that lacks the packages *refused*, and return what it prints."""
    script = REFUSE.format(refused=refused) + code
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.run(
        [sys.executable, "-c", script], check=True, env=environment, capture_output=True, text=True
    ).stdout


def test_langchain_core_is_enough() -> None:
    run_without(
        OPTIONAL,
        """
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepRetriever
from zep_memory_plugin.langchain import history_factory, search_memory_tool, with_session_memory
""",
    )


@pytest.mark.parametrize(
    ("name", "distribution"), [("ZepMemoryMiddleware", "langchain"), ("ZepMemory", "langchain-classic")]
)
def test_what_needs_more_says_what_to_install(name: str, distribution: str) -> None:
    """This package is on no index, so an extra of it cannot be what helps."""
    said = run_without(
        OPTIONAL,
        f"""
try:
    from zep_memory_plugin.langchain import {name}
except ImportError as error:
    print(error)
""",
    )

    assert said.startswith(f"{name} needs langchain")
    assert said.endswith(f"; `pip install {distribution}` gets it\n")


@pytest.mark.parametrize("name", zep_memory_plugin.langchain.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(zep_memory_plugin.langchain, name).__name__ == name


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    assert not hasattr(zep_memory_plugin.langchain, "ZepMemories")
