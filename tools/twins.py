"""Write the async twin of every blocking method into the same file: `python -m tools.twins [--check]`.

In a file that `FILES` names, a method of a class gets a twin, `a` in front of its name, when it uses something that has
one: a method of its own class, or a method of another object that `OBJECTS` names. The twin is the blocking method

1. with `async def` and the async names of `TYPES` in its signature (`Iterator[X]` is `AsyncIterator[X]`),
2. with the first paragraph of its docstring and a pointer back; a private one has none,
3. with `await` and `a` where it uses what has a twin (`self.get(x)` is `await self.aget(x)`; `for y in self.all()` is
   `async for y in self.aall()`; `self.get` that is only handed on is `self.aget`).

A twin that has to be written by hand has a comment above it that begins with `# By hand:` and says why. Any other
async method that the tool would not write, as the twin of a method that is gone, is an error.
"""

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate, takewhile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "zep_memory_plugin"
FILES = (
    "manager.py",
    "langchain/history.py",
    "langchain/memory.py",
    "langchain/middleware.py",
    "langchain/retriever.py",
    "langchain/runnable.py",
    "langchain/search_tool.py",
    "llama_index/search_tool.py",
    "llama_index/chat_store.py",
    "llama_index/memory.py",
    "llama_index/retriever.py",
)

OBJECTS = {"manager", "_manager", "_runner", "_runnable"}
"""Names of the objects, or of their attributes, whose methods have twins."""

TWINNED = {"read", "read_late", "write", "run", "flush", "sleep", "close", "invoke", "_call_with_config"}
"""Methods that have twins and stand in no class of `FILES`: those of the runner, and of LangChain's runnables."""

TYPES = {"Iterator": "AsyncIterator", "SyncRun": "AsyncRun"}
"""Types in a signature that are others in the twin's."""

IRREGULAR = {"add_message": "async_add_message"}
"""Twins whose names a framework has chosen otherwise."""

LINE_LENGTH = 120

Method = ast.FunctionDef | ast.AsyncFunctionDef
Edit = tuple[int, int, str]
"""Replace the bytes from the first position to the second."""


class Text:
    """A source text, with positions in bytes as `ast` counts them."""

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines(keepends=True)
        self._bytes = source.encode()
        self._starts = [0, *accumulate(len(line.encode()) for line in self.lines)]

    def position(self, line: int, column: int = 0) -> int:
        return self._starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end = self.position(node.end_lineno or 0, node.end_col_offset or 0)
        return self.position(node.lineno, node.col_offset), end

    def edited(self, edits: Iterator[Edit] | list[Edit], start: int = 0, end: int | None = None) -> str:
        """Return what stands between two positions, after *edits* there."""
        text = self._bytes[:end]
        for first, last, new in sorted(edits, key=lambda edit: edit[:2], reverse=True):
            text = text[:first] + new.encode() + text[last:]
        return text[start:].decode()

    def comment_above(self, method: Method) -> list[str]:
        """Return the lines of the comment above *method*."""
        above = reversed(self.lines[: first_line(method) - 1])
        return [line.strip() for line in takewhile(lambda line: line.lstrip().startswith("#"), above)]


class Twins:
    """The twins of one class; *twinned* are the methods of other objects that have some."""

    def __init__(self, text: Text, node: ast.ClassDef, twinned: set[str]) -> None:
        methods = [each for each in node.body if isinstance(each, Method) and not each.name.startswith("__")]
        self._text = text
        self._twinned = twinned
        self._async = {each.name: each for each in methods if isinstance(each, ast.AsyncFunctionDef)}
        self._by_hand = {each.name for each in methods if self._is_by_hand(each)}
        self._own = {each.name: each for each in methods if twin_name(each.name) in self._by_hand}
        blocking = [each for each in methods if isinstance(each, ast.FunctionDef) and not each.decorator_list]
        others = [each for each in blocking if each.name not in self._by_hand]
        # In rounds, as methods use each other.
        while new := {each.name: each for each in others if each.name not in self._own and any(self._uses(each))}:
            self._own |= new

    @property
    def names(self) -> set[str]:
        """The methods that have twins."""
        return set(self._own)

    def unknown(self) -> set[str]:
        """Return the async methods that are neither generated nor by hand."""
        return self._async.keys() - self._by_hand - {twin_name(name) for name in self._own}

    def removals(self) -> Iterator[Edit]:
        """Yield what takes the generated twins away."""
        for name in self._async.keys() - self._by_hand - self.unknown():
            method = self._async[name]
            yield self._text.position(first_line(method)), self._text.position((method.end_lineno or 0) + 1), ""

    def insertions(self) -> Iterator[Edit]:
        """Yield what writes each twin behind its blocking method."""
        for name, method in self._own.items():
            if twin_name(name) not in self._by_hand:
                _, end = self._text.span(method)
                yield end, end, f"\n\n{' ' * method.col_offset}{self._twin(method)}"

    def _is_by_hand(self, method: Method) -> bool:
        return any(line.startswith("# By hand:") for line in self._text.comment_above(method))

    def _uses(self, method: Method) -> Iterator[ast.Attribute]:
        """Yield where *method* uses what has a twin."""
        for node in ast.walk(method):
            if isinstance(node, ast.Attribute):
                owner = name_of(node.value)
                own = owner == "self" and node.attr in self._own.keys() | TWINNED
                if own or (owner in OBJECTS and node.attr in self._twinned):
                    yield node

    def _twin(self, method: Method) -> str:
        edits = [*self._heading(method), *self._docstring(method), *self._uses_of_twins(method)]
        return self._text.edited(edits, *self._text.span(method))

    def _heading(self, method: Method) -> Iterator[Edit]:
        start, _ = self._text.span(method)
        yield start, start + len(f"def {method.name}"), f"async def {twin_name(method.name)}"
        for signature in (method.args, method.returns):
            for node in ast.walk(signature) if signature else ():
                if isinstance(node, ast.Name) and node.id in TYPES:
                    yield (*self._text.span(node), TYPES[node.id])

    def _docstring(self, method: Method) -> Iterator[Edit]:
        docstring = ast.get_docstring(method)
        if docstring is None:
            return
        start, end = self._text.span(method.body[0])
        if method.name.startswith("_"):
            after, _ = self._text.span(method.body[1])
            yield start, after, ""
        else:
            yield start, end, pointing_docstring(docstring, method.name, " " * method.body[0].col_offset)

    def _uses_of_twins(self, method: Method) -> Iterator[Edit]:
        nodes = list(ast.walk(method))
        calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
        loops = {id(node.iter): node for node in nodes if isinstance(node, ast.For)}
        followed = {id(node.value) for node in nodes if isinstance(node, ast.Attribute | ast.Subscript)}
        for used in self._uses(method):
            _, end = self._text.span(used)
            yield end - len(used.attr), end, twin_name(used.attr)
            call = calls.get(id(used))
            if loop := loops.get(id(call)):
                start, _ = self._text.span(loop)
                yield start, start, "async "
            elif call:
                yield from self._awaited(call, followed=id(call) in followed)

    def _awaited(self, call: ast.Call, *, followed: bool) -> Iterator[Edit]:
        start, end = self._text.span(call)
        yield start, start, "(await " if followed else "await "
        if followed:
            yield end, end, ")"


def first_line(method: Method) -> int:
    """Return the line where *method* begins, with its decorators."""
    return min(each.lineno for each in (method, *method.decorator_list))


def name_of(node: ast.expr) -> str | None:
    """Return the name that an object has where it is used."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def twin_name(name: str) -> str:
    """Return the name of the twin of the method *name*."""
    bare = name.lstrip("_")
    return IRREGULAR.get(name) or f"{name[: len(name) - len(bare)]}a{bare}"


def pointing_docstring(docstring: str, name: str, indent: str) -> str:
    """Return the first paragraph of *docstring*, and a pointer to the method that says the rest."""
    summary = docstring.split("\n\n")[0].replace("\n", f"\n{indent}")
    line = f'"""{summary} See `{name}`."""'
    if "\n" not in summary and len(indent) + len(line) <= LINE_LENGTH:
        return line
    return f'"""{summary}\n\n{indent}See `{name}`.\n{indent}"""'


def classes(source: str, twinned: set[str]) -> list[Twins]:
    """Return the twins of each class in *source*."""
    text = Text(source)
    return [Twins(text, node, twinned) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]


def twinned_names(sources: list[str]) -> set[str]:
    """Return the methods of other objects that have twins: in rounds, as those of one file use those of another."""
    names = TWINNED
    while (new := TWINNED.union(*(each.names for source in sources for each in classes(source, names)))) != names:
        names = new
    return names


def regenerated(source: str, twinned: set[str]) -> str:
    """Return *source* with the twins of all of its classes.

    Raises:
        SystemExit: an async method is neither the twin of a blocking one nor by hand.
    """
    twins = classes(source, twinned)
    if unknown := sorted(name for each in twins for name in each.unknown()):
        raise SystemExit(f"{', '.join(unknown)}: the twin of nothing; remove it, or write `# By hand: why` above it")
    bare = Text(source).edited([edit for each in twins for edit in each.removals()])
    twins = classes(bare, twinned)
    return _formatted(Text(bare).edited([edit for each in twins for edit in each.insertions()]))


def _formatted(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "twins.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write the twins, or with `--check` tell which files lack them."""
    parser = argparse.ArgumentParser(prog="python -m tools.twins", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something would change")
    check = parser.parse_args().check
    sources = {name: (PACKAGE / name).read_text() for name in FILES}
    twinned = twinned_names(list(sources.values()))
    new = {name: regenerated(source, twinned) for name, source in sources.items()}
    changed = [name for name in FILES if new[name] != sources[name]]
    for name in changed:
        print(f"{name} {'has twins that are out of date; run `just twins`' if check else 'written'}")
        if not check:
            (PACKAGE / name).write_text(new[name])
    sys.exit(bool(changed and check))


if __name__ == "__main__":
    main()
