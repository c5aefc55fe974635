"""The scripts in `typing_tests`, which mypy and pyright check, use everything that the package offers."""

import ast
import inspect
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from zep_memory_plugin import SessionManager

SCRIPTS = Path(__file__).parent.parent / "typing_tests"
NODES = [node for script in SCRIPTS.glob("*.py") for node in ast.walk(ast.parse(script.read_text()))]
METHODS = {
    name: method for name, method in inspect.getmembers(SessionManager, inspect.isfunction) if not name.startswith("_")
}
BLOCKING = [name for name in METHODS if f"a{name}" in METHODS]


def _calls() -> dict[str, set[str | None]]:
    """Return what is called as an attribute, and the options that some call of it has."""
    calls: defaultdict[str, set[str | None]] = defaultdict(set)
    for node in NODES:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            calls[node.func.attr].update(option.arg for option in node.keywords)
    return calls


CALLS = _calls()


@pytest.mark.parametrize(
    "module", ["zep_memory_plugin", "zep_memory_plugin.langchain", "zep_memory_plugin.llama_index"]
)
def test_every_public_name_is_used_in_a_script(module: str) -> None:
    used = {node.id for node in NODES if isinstance(node, ast.Name)}

    assert set(import_module(module).__all__) <= used


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_called_in_a_script(name: str) -> None:
    """A new method that fails here is to be called in `typing_tests/managing.py` and `typing_tests/awaiting.py`."""
    assert name in CALLS


@pytest.mark.parametrize("name", BLOCKING)
def test_every_option_of_a_method_is_given_in_a_script(name: str) -> None:
    parameters = inspect.signature(METHODS[name]).parameters.values()
    options = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}

    assert options <= CALLS[name]
