"""The README says what happens: its Python runs, its output is what is printed, its commands exist."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zep_memory_plugin
from zep_memory_plugin import SessionManager, ZepMemoryError
from zep_memory_plugin.llama_index import ManagerNotRegistered

from .support.pages import blocks, examples, printed

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("example", examples(README), ids=lambda example: example[0].strip().splitlines()[-1][:40])
def test_a_python_block_prints_what_stands_below_it(example: tuple[str, str], tmp_path: Path) -> None:
    """Each block runs on its own, in an empty folder, without a warning."""
    code, output = example

    assert printed(code, tmp_path) == (output, "")


def test_every_python_block_shows_its_output() -> None:
    """No block of Python stands without what it prints."""
    assert len(examples(README)) == len(blocks(README, "python")) > 0


def requirements(extra: str | None) -> set[str]:
    """Return the distributions that an extra, or the project itself, asks for by name."""
    asked = [Requirement(text) for text in (PROJECT["dependencies"] if extra is None else EXTRAS[extra])]
    ours = [more for each in asked if each.name == PROJECT["name"] for more in each.extras]
    return {canonicalize_name(each.name) for each in asked}.union(*(requirements(more) for more in ours))


def imported(code: str) -> list[set[str]]:
    """Return, for each package that *code* imports from, the distributions that have a part of it."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    packages = {(node.module or "").partition(".")[0] for node in nodes}
    foreign = packages - sys.stdlib_module_names - {zep_memory_plugin.__name__}
    return [{canonicalize_name(name) for name in packages_distributions()[package]} for package in foreign]


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_a_python_block_begins_with_the_extra_that_it_needs(code: str) -> None:
    """Its first line installs the distribution of each module that it imports."""
    installs = re.match(r"# pip install (?:\.|\"\.\[([\w-]+)\]\")\n", code)

    assert installs is not None
    installed = requirements(None).union(requirements(installs[1]) if installs[1] else ())
    assert [names for names in imported(code) if not names & installed] == []


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading, row by row."""
    lines = README.split(f"| {heading} | ")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_table_of_reads_names_methods() -> None:
    """A reader finds each call on the manager, and its async twin."""
    calls = [row[0].strip("`") for row in rows("call")]

    assert [name for name in calls if not (hasattr(SessionManager, name) and hasattr(SessionManager, f"a{name}"))] == []
    assert len(calls) == len(set(calls)) == 7


def test_the_table_of_errors_has_every_error_beside_those_it_is_one_of() -> None:
    """Each error that is exported stands in the table, in a row that names what else it is."""
    exported = [getattr(zep_memory_plugin, name) for name in zep_memory_plugin.__all__]
    errors = [each for each in exported if isinstance(each, type) and issubclass(each, ZepMemoryError)]
    kinds = {each.__name__: each for each in [*errors, ManagerNotRegistered]}
    table = [[set(re.findall(r"`(\w+)`", part)) for part in row[0].split(": ")] for row in rows("error")]
    lines = [(names, bases[0] if bases else set()) for names, *bases in table]

    assert set().union(*(names | bases for names, bases in lines)) >= set(kinds) - {"ZepMemoryError"}
    assert [name for names, bases in lines for name in names if not bases <= _bases(kinds[name])] == []


def _bases(kind: type) -> set[str]:
    return {base.__name__ for base in kind.__mro__}


def test_every_extra_is_in_the_table_and_the_other_way_round() -> None:
    """The table of extras is that of the project."""
    assert {row[0].strip("`") for row in rows("extra")} == set(EXTRAS)


def test_every_shell_block_names_files_and_extras_that_exist() -> None:
    """What the commands name is there; the commands themselves are run by `.ci/run`."""
    commands = "".join(blocks(README, "bash"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert all((ROOT / path).exists() for path in re.findall(r"\S+\.py\b", commands))
    assert set(re.findall(r"--extra (\S+)", commands)) <= set(EXTRAS)
    assert set(re.findall(r"--group (\S+)", commands)) <= set(project["dependency-groups"])
    assert set(re.findall(r"pip install \"\.\[([\w-]+)\]\"", commands)) <= set(EXTRAS)


def test_every_link_leads_to_a_file() -> None:
    """Links within the repository are not broken."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith(("http", "#"))]

    assert [link for link in links if not (ROOT / link).exists()] == []
