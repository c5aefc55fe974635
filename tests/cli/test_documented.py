"""`docs/cli.md` has every command, and with it every option, and nothing that is not there."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from zep_memory_plugin.cli.app import app
from zep_memory_plugin.server.commands import _parser

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
EVERYWHERE = {"--database", "-d", "--json", "--help", "-h"}
"""Options that the head of the page has, once for all commands."""


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below *command*, with its whole name."""
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        yield name, command
    for part, each in below.items():
        yield from commands(each, f"{name} {part}")


COMMANDS = dict(commands(typer.main.get_command(app), "zep-memory"))


def options_of(name: str) -> set[str]:
    """Return the options of a command; those of the server are its own parser's."""
    if name == "zep-memory serve":
        return {each for action in _options(_parser()) for each in action.option_strings}
    return {
        each for parameter in COMMANDS[name].params if parameter.param_type_name == "option" for each in parameter.opts
    }


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions


def sections() -> dict[str, str]:
    """Return what the page says of each command, by its name."""
    parts = re.split(r"^### `(zep-memory[^`]*)`$", PAGE, flags=re.MULTILINE)[1:]
    names = [re.split(r" [A-Z\[]", heading)[0] for heading in parts[::2]]
    return dict(zip(names, parts[1::2], strict=True))


def test_every_command_is_on_the_page_and_no_other() -> None:
    assert sorted(sections()) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_on_the_page_and_no_other(name: str) -> None:
    section = sections()[name].partition("\n## ")[0]
    written = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section))

    assert options_of(name) - EVERYWHERE <= written
    assert written <= options_of(name)


def test_what_every_command_has_is_said_once() -> None:
    head = PAGE.partition("\n## Sessions")[0]

    assert [option for option in (*EVERYWHERE, "--version", "--install-completion") if f"`{option}" not in head] == [
        "--install-completion"
    ]
    assert "zep-memory --install-completion" in head


def test_the_page_has_every_exit_code() -> None:
    from zep_memory_plugin.cli import __doc__ as said

    codes = re.findall(r"\s(\d+)\s", (said or "").partition("Exit codes:")[2])

    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == codes
