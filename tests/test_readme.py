"""The README says what happens: its Python runs, its output is what is printed, its commands exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(README) if kind == language]


def examples() -> list[tuple[str, str]]:
    """Return each Python block with the output that the README shows below it."""
    found = BLOCK.findall(README)
    return [
        (text, after[1])
        for (kind, text), after in zip(found, [*found[1:], ("", "")], strict=True)
        if kind == "python" and after[0] == "text"
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example[0].strip().splitlines()[-1][:40])
def test_a_python_block_prints_what_stands_below_it(example: tuple[str, str], tmp_path: Path) -> None:
    """Each block runs on its own, in an empty folder."""
    code, output = example

    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert (run.stdout, run.stderr) == (output, "")


def test_every_python_block_shows_its_output() -> None:
    """No block of Python stands without what it prints."""
    assert len(examples()) == len(blocks("python")) > 0


def test_every_extra_is_in_the_table_and_the_other_way_round() -> None:
    """The table of extras is that of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = README.split("| extra | gives |")[1].split("\n\n")[0]

    assert set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)) == set(project["optional-dependencies"])


def test_every_shell_block_names_files_and_extras_that_exist() -> None:
    """What the commands name is there; the commands themselves are run by `.ci/run`."""
    commands = "".join(blocks("bash"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]

    assert all((ROOT / path).exists() for path in re.findall(r"\S+\.py\b", commands))
    assert set(re.findall(r"--extra (\S+)", commands)) <= set(extras)
    assert set(re.findall(r"--group (\S+)", commands)) <= set(project["dependency-groups"])
    assert set(re.findall(r"pip install \"\.\[([\w-]+)\]\"", commands)) <= set(extras)


def test_every_link_leads_to_a_file() -> None:
    """Links within the repository are not broken."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]

    assert [link for link in links if not (ROOT / link).exists()] == []
