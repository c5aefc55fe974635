"""The pages in `docs/` say what happens: their Python runs, and their output is what is printed."""

import re
from pathlib import Path

import pytest

from .support.pages import blocks, examples, printed

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
EXAMPLES = [(page.relative_to(DOCS).as_posix(), *example) for page in PAGES for example in examples(page.read_text())]


@pytest.mark.parametrize(("page", "code", "output"), EXAMPLES, ids=lambda value: value[:30].splitlines()[0])
def test_a_python_block_prints_what_stands_below_it(page: str, code: str, output: str, tmp_path: Path) -> None:
    """Each block runs on its own, in an empty folder, without a warning."""
    assert printed(code, tmp_path) == (output, "")


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS], ids=lambda page: page.stem)
def test_every_python_block_shows_its_output(page: Path) -> None:
    """No block of Python stands without what it prints."""
    text = page.read_text()

    assert len(examples(text)) == len(blocks(text, "python"))


def test_every_page_is_in_the_table_of_contents() -> None:
    """What is not in it is found by nobody."""
    contents = re.findall(r"[\w/-]+\.md", (DOCS.parent / "mkdocs.yml").read_text())

    assert sorted(contents) == [page.relative_to(DOCS).as_posix() for page in PAGES]
