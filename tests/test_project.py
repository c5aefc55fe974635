"""What stands beside the package says what is so: its metadata, its guides, and the commands of those who check it."""

import ast
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path

import pytest

import zep_memory_plugin

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "zep_memory_plugin"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
RUN = (ROOT / ".ci/run").read_text()
CONTRACT_HEAD = ("| rule | proved by |", "| --- | --- |")
SOURCE = "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))


def test_the_version_is_that_of_the_distribution() -> None:
    """It is written twice, because to ask for the metadata would slow the import."""
    assert zep_memory_plugin.__version__ == PYPROJECT["project"]["version"] == metadata("zep-memory-plugin")["Version"]


def test_no_error_advises_what_no_index_has() -> None:
    """The package is on no index, so neither it nor an extra of it can be installed by name."""
    assert re.findall(r"zep[-_]memory[-_]plugin\[", SOURCE) == []


def test_nothing_is_cached_behind_a_lock() -> None:
    """Before Python 3.12 a `cached_property` has one, which an interrupt may leave locked for all threads."""
    assert re.findall(r"import .*cached_property", SOURCE) == []


@pytest.mark.parametrize("guide", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/contract.md"])
def test_a_guide_leads_to_what_exists(guide: str) -> None:
    """Links and tests that it names are files, and links within it are headings."""
    text = (ROOT / guide).read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.M)}
    files = [link for link in links if not link.startswith(("http", "#"))] + re.findall(r"`(tests/[\w/*]+\.py)`", text)

    assert [link for link in links if link.startswith("#") and link[1:] not in headings] == []
    assert [file for file in files if not list((ROOT / guide).parent.glob(file.partition("#")[0]))] == []


def _tests_of(path: Path) -> Iterator[str]:
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield statement.name


def test_every_rule_of_the_contract_names_the_one_test_that_proves_it() -> None:
    """A test that is renamed takes the name on the page along."""
    contract = (ROOT / "docs/contract.md").read_text()
    tests = Counter(name for path in (ROOT / "tests").rglob("test_*.py") for name in _tests_of(path))
    rows = [line for line in contract.splitlines() if line.startswith("|") and line not in CONTRACT_HEAD]
    named = [re.fullmatch(r"\| [^|]+\. \| `(test_\w+)` \|", row) for row in rows]

    assert [row for row, match in zip(rows, named, strict=True) if match is None] == []
    assert [match[1] for match in named if match and tests[match[1]] != 1] == []
    assert len(rows) > 100


def test_the_picture_shows_every_floor_in_its_order() -> None:
    """The rooms of the picture are those that import-linter keeps apart, from the top down."""
    picture = (ROOT / "docs/rooms.svg").read_text()
    rooms = [re.findall(r"\w+", room) for room in re.findall(r'class="room" x="28"[^>]*>([^<]+)<', picture)]
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]

    assert [sorted(room) for room in rooms] == [
        sorted(re.findall(r"zep_memory_plugin\.(\w+)", each)) for each in layers
    ]


def glossary() -> list[str]:
    """Return the words that the glossary explains."""
    table = CONTRIBUTING.split("| word | meaning |")[1].split("\n\n")[0].splitlines()[2:]
    return [word for line in table for word in line.split("|")[1].strip().split(", ")]


@pytest.mark.parametrize("word", glossary())
def test_a_word_of_the_glossary_is_one_of_the_code(word: str) -> None:
    """Who looks for it finds it in the package, as it is or as a part of a name."""
    pattern = r"[ _]".join(word.split())

    assert re.search(rf"(?<![a-z]){pattern}(?![a-z])", SOURCE, re.IGNORECASE)


def test_the_guide_names_what_exists() -> None:
    """Every module, package and name with a dot that it mentions can be found."""
    named = set(re.findall(r"`((?:core|databases|running|flows|manager|terms)(?:\.(?!py`)\w+)+)`", CONTRIBUTING))
    files = set(
        re.findall(r"`((?:core|databases|running|tools|tests|docs)/[\w/]+\.\w+|\w+\.(?:py|toml))`", CONTRIBUTING)
    )
    every = CONTRIBUTING.replace("<name>", "sqlite") + CONTRIBUTING.replace("<name>", "postgresql")
    files |= set(re.findall(r"`(databases/\w+/\w+\.py)`", every))

    assert [name for name in named if not _exists(name)] == []
    assert [name for name in files if not ((PACKAGE / name).exists() or (ROOT / name).exists())] == []
    assert named
    assert files


def _exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    parent = import_module(f"zep_memory_plugin.{module}")
    return hasattr(parent, attribute) or bool(list(PACKAGE.glob(f"{name.replace('.', '/')}*")))


PUBLIC = {
    name
    for module in (
        "zep_memory_plugin",
        "zep_memory_plugin.agent_framework",
        "zep_memory_plugin.google_adk",
        "zep_memory_plugin.langchain",
        "zep_memory_plugin.llama_index",
        "zep_memory_plugin.openai_agents",
        "zep_memory_plugin.pydantic_ai",
        "zep_memory_plugin.strands",
    )
    for name in import_module(module).__all__
}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_in_the_changelog(name: str) -> None:
    """Every name that the package and its adapters offer was added once, and says so."""
    assert re.search(rf"\b{name}\b", CHANGELOG)


def test_in_the_first_release_everything_is_added() -> None:
    """Nothing was released that could have been changed, fixed or removed."""
    first = CHANGELOG.split("\n## ")[-1]

    assert first.startswith(("Unreleased\n", PYPROJECT["project"]["version"]))
    assert re.findall(r"^### (.+)$", first, re.M) == ["Added"]


@pytest.mark.parametrize(
    ("head", "ends_with"),
    [("0.2.0", 0), ("0.2.0 - 2027-01-05", 0), ("Unreleased", 1), ("0.2.01", 1), ("0x2.0", 1)],
    ids=["version", "version and date", "unreleased", "longer", "similar"],
)
def test_a_release_wants_its_version_at_a_head_of_the_changelog(head: str, ends_with: int, tmp_path: Path) -> None:
    """As the step of the workflow says, with the version that a tag has."""
    (command,) = re.findall(r"^ +(grep .+ CHANGELOG\.md)$", (ROOT / ".github/workflows/release.yml").read_text(), re.M)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {head}\n\n### Added\n")

    ended = subprocess.run(["bash", "-ec", command], cwd=tmp_path, env={**os.environ, "version": "0.2.0"})

    assert ended.returncode == ends_with


def test_the_pythons_of_the_workflow_are_those_that_are_supported() -> None:
    """Each that a classifier names is tested, from the lowest on."""
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"]))
    tested = re.search(r"python: \[(.+)\]", WORKFLOW)

    assert tested is not None
    assert re.findall(r'"(.+?)"', tested[1]) == classifiers
    assert PYPROJECT["project"]["requires-python"] == f">={classifiers[0]}"


def steps(text: str) -> set[str]:
    """Return the steps of `.ci/run` that a file has it do."""
    return {name for line in re.findall(r"\.ci/run ([a-z ]+)$", text, re.M) for name in line.split()}


def test_others_call_the_steps_of_the_one_script() -> None:
    """The workflow does every step there is; hooks and recipes name steps that exist."""
    every = {name for names in re.findall(r"^(?:every|alone)=\((.+?)\)", RUN, re.M) for name in names.split()}
    listed = re.findall(r"steps: (?:\[(.+)\]|([a-z ]+) \})", WORKFLOW)
    workflow = {name for names in listed for name in re.findall(r"\w+", " ".join(names))}

    assert workflow == every
    assert steps((ROOT / ".pre-commit-config.yaml").read_text()) | steps((ROOT / "justfile").read_text()) <= every


def test_the_lowest_versions_are_those_of_every_extra_that_is_not_made_of_others() -> None:
    """An extra whose bounds nobody tries would promise what nobody knows."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    tried = {name for names in re.findall(r"resolved \"\$1\" ([\w,-]+)", RUN) for name in names.split(",")}
    implied = {name for extra in tried for name in re.findall(r"\[([\w-]+)\]", " ".join(extras[extra][1:]))}

    assert tried | implied == set(extras) - {"all", "notebook"}


def test_every_extra_is_installed_by_itself_before_a_release() -> None:
    """With what it is for imported, where nothing else is installed."""
    table = RUN.split("declare -A imported=(")[1].split("\n)")[0]

    assert set(re.findall(r"\[([\w-]+)\]=", table)) == set(PYPROJECT["project"]["optional-dependencies"])


def test_the_version_is_one() -> None:
    """In the metadata and in the package."""
    import zep_memory_plugin

    assert zep_memory_plugin.__version__ == PYPROJECT["project"]["version"]
