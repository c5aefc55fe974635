"""The examples as a user starts them, but within this process: importing the frameworks takes longer than they do."""

import runpy
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(example: str, *arguments: str) -> str:
    """Run an example with *arguments* and return what it prints."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(printed):
        patched.setattr(sys, "argv", [example, *arguments])
        runpy.run_path(str(EXAMPLES / example), run_name="__main__")
    return printed.getvalue()
