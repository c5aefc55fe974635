"""Blocks of code in pages of Markdown, and the output that a page shows below them."""

import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a *language* in the text of a *page*."""
    return [text for kind, text in BLOCK.findall(page) if kind == language]


def examples(page: str) -> list[tuple[str, str]]:
    """Return each Python block with the output that the page shows below it."""
    found = BLOCK.findall(page)
    return [
        (text, after[1])
        for (kind, text), after in zip(found, [*found, ("", "")][1:], strict=True)
        if kind == "python" and after[0] == "text"
    ]


def printed(code: str, folder: Path) -> tuple[str, str]:
    """Run *code* in *folder*, without a warning but that it ends with its manager open, and return what it prints."""
    python = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c"]
    run = subprocess.run([*python, code], cwd=folder, capture_output=True, text=True)
    return run.stdout, run.stderr
