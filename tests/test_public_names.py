"""What the package offers by name: complete, documented, the same in both colours, and cheap to import and to make."""

import ast
import asyncio
import copy
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import get_args, get_origin, get_type_hints

import pytest

import zep_memory_plugin
from zep_memory_plugin import DatabaseUnavailable, SessionManager, ZepMemoryError, models, types

METHODS = {
    name: method for name, method in inspect.getmembers(SessionManager, inspect.isfunction) if not name.startswith("_")
}
ONLY_ASYNC: set[str] = set()
OF_BOTH = {"as_user", "using", "watch"}  # around calls of both colours
TWINS = {name: METHODS[f"a{name}"] for name in METHODS if f"a{name}" in METHODS}


def test_all_is_sorted_and_names_everything() -> None:
    there = {
        name
        for name, value in vars(zep_memory_plugin).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert zep_memory_plugin.__all__ == sorted(there, key=lambda name: (not name.isupper(), name))


def _is_ours(value: object) -> bool:
    return inspect.isclass(value) and value.__module__ == zep_memory_plugin.errors.__name__


def test_every_error_is_exported_and_of_one_tree() -> None:
    errors = inspect.getmembers(zep_memory_plugin.errors, _is_ours)

    assert {name for name, _ in errors} <= set(zep_memory_plugin.__all__)
    assert all(issubclass(error, ZepMemoryError) for _, error in errors)


ERRORS = [
    zep_memory_plugin.SessionNotFound("a"),
    zep_memory_plugin.UserNotFound("a"),
    zep_memory_plugin.MessageNotFound("a", "b"),
    zep_memory_plugin.SessionChanged("a", 1, 2),
    zep_memory_plugin.SessionExists("a", deleted=True),
    zep_memory_plugin.StateChanged("a", 1, 2),
    zep_memory_plugin.UserExists("a"),
    zep_memory_plugin.SessionOwnedByAnotherUser("a", "b"),
    zep_memory_plugin.InvalidInput("field", "is wrong"),
    zep_memory_plugin.Held("session", "a"),
    zep_memory_plugin.SchemaOutdated("1", "2"),
    zep_memory_plugin.SchemaIncomplete("sessions", "messages"),
    zep_memory_plugin.DatabaseUnavailable("away"),
    zep_memory_plugin.ZepMemoryError("refused"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_an_error_is_the_same_in_another_process(
    error: ZepMemoryError, copied: Callable[[ZepMemoryError], ZepMemoryError]
) -> None:
    other = copied(error)

    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def _documented_assignments(module: ModuleType) -> set[str]:
    """Return the names that *module* assigns and says something about in the line after."""
    bodies = [
        each.body for each in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(each, ast.Module | ast.If)
    ]
    bodies += [each.orelse for each in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(each, ast.If)]
    statements = [statement for body in bodies for statement in body]
    return {
        target.id
        for statement, after in pairwise(statements)
        if isinstance(statement, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


DOCUMENTED = _documented_assignments(types) | _documented_assignments(models)
_NAMED = {*vars(types), "BeforeStore", "ChangeState", "PurgeProgress", "RetentionProgress", "Summarizer"}
_NAMED -= {"Operation", "SearchOptions", "SearchRefinements", "WindowBounds"}  # which are classes
TYPES = sorted(_NAMED & set(zep_memory_plugin.__all__))


@pytest.mark.parametrize("name", sorted(set(zep_memory_plugin.__all__) - set(TYPES)))
def test_every_name_is_documented(name: str) -> None:
    assert getattr(zep_memory_plugin, name).__doc__


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_documented(name: str) -> None:
    """A type that is only a name for others has its words in the source, behind it."""
    assert name in DOCUMENTED


@pytest.mark.parametrize("name", METHODS)
def test_the_types_of_every_signature_can_be_asked_for(name: str) -> None:
    assert "return" in get_type_hints(METHODS[name])


def test_every_method_has_a_twin() -> None:
    assert set(METHODS) - ONLY_ASYNC - OF_BOTH == set(TWINS) | {f"a{name}" for name in TWINS}


def _in_async(returned: object) -> object:
    """Return what the async twin of a function that returns *returned* returns."""
    return AsyncIterator[get_args(returned)] if get_origin(returned) is Iterator else returned


@pytest.mark.parametrize("name", TWINS)
def test_twins_have_the_same_signature(name: str) -> None:
    blocking, twin = inspect.signature(METHODS[name]), inspect.signature(TWINS[name])

    assert list(twin.parameters.values()) == list(blocking.parameters.values())
    assert twin.return_annotation == _in_async(blocking.return_annotation)
    assert inspect.iscoroutinefunction(TWINS[name]) or inspect.isasyncgenfunction(TWINS[name])


@pytest.mark.parametrize("name", TWINS)
def test_twins_say_the_same(name: str) -> None:
    first_line = (inspect.getdoc(METHODS[name]) or "").partition("\n")[0]

    assert first_line.endswith(".")
    assert " ".join((inspect.getdoc(TWINS[name]) or "").split()) == f"{first_line} See `{name}`."


def test_what_is_only_async_is_documented_in_full() -> None:
    assert all(inspect.getdoc(METHODS[name]) for name in ONLY_ASYNC)


def test_no_public_signature_leaves_a_type_open() -> None:
    for name, method in METHODS.items():
        signature = inspect.signature(method)
        annotations = [parameter.annotation for parameter in list(signature.parameters.values())[1:]]
        assert inspect.Signature.empty not in [*annotations, signature.return_annotation], name


def test_importing_the_package_imports_no_framework() -> None:
    heavy = ["alembic", "asyncpg", "langchain", "langchain_core", "llama_index", "psycopg"]
    program = f"import json, sys, zep_memory_plugin; print(json.dumps([n for n in {heavy!r} if n in sys.modules]))"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert json.loads(result.stdout) == []


@pytest.mark.parametrize(
    "url",
    ["sqlite:////nonexistent/x.db", "sqlite+aiosqlite:////nonexistent/x.db", "postgresql://127.0.0.1:1/x"],
)
def test_making_a_manager_does_no_io_and_using_it_says_what_is_wrong(url: str) -> None:
    manager = SessionManager(url)
    uses: list[Callable[[], object]] = [manager.list_sessions, lambda: asyncio.run(manager.alist_sessions())]

    for use in uses:
        with pytest.raises(DatabaseUnavailable) as caught:
            use()
        helpful = "check that its folder exists" if "sqlite" in url else "cannot be reached"
        assert helpful in str(caught.value)
        assert "OperationalError" in " ".join(caught.value.__notes__)  # the driver's kind, without its words


def test_a_manager_that_is_not_used_leaves_no_file(tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        assert repr(manager) == f"SessionManager('sqlite:///{tmp_path / 'zep.db'}')"

    assert list(tmp_path.iterdir()) == []
