"""The notebooks run from top to bottom, offline, and give the outputs that are stored in them."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def outputs(notebook: Any) -> list[str]:
    """Return what each code cell shows."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(text_of(output) for output in cell.outputs) for cell in code]


def text_of(output: Any) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_its_stored_outputs(path: Path, tmp_path: Path) -> None:
    """A reader without a kernel sees what running it shows."""
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)

    NotebookClient(fresh, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()

    assert any(outputs(stored))
    assert outputs(fresh) == outputs(stored)
