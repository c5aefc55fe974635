"""What commands print: tables for people, a JSON object on each line for programs.

What is stored is printed as text and nothing else: no escape sequence in a message reaches the terminal.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

Columns = Mapping[str, Callable[[T], object]]
"""What a table shows of each row, by the heading of its column."""

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n"}
_CONTROL |= {ord("\t"): "    "}
_CONTROL |= dict.fromkeys((*range(8234, 8239), *range(8294, 8298)), "")  # what turns a line around
_CONTROL |= dict.fromkeys(range(55296, 57344), "�")

LONGEST_CELL = 200
"""Characters that a table shows of a text."""

PATIENCE = 1.0
"""Seconds of work after which its progress is shown."""


def plain(text: str) -> str:
    """Return *text* without what a terminal would act on."""
    return text.translate(_CONTROL)


def cell(value: object) -> str:
    """Return *value* as one line of a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    line = plain(" ".join(text.split()))
    return line if len(line) <= LONGEST_CELL else f"{line[:LONGEST_CELL]}…"


def say(text: str) -> None:
    """Print a line for the operator, beside what a command prints for the next one in a pipe."""
    print(plain(text), file=sys.stderr)


def make_sure(question: str, *, assent: bool) -> None:
    """Ask *question*, unless *assent* was given with the command, and end the command when the answer is no."""
    if not assent:
        typer.confirm(plain(question), abort=True, err=True)


def print_json(values: Iterable[BaseModel | Mapping[str, Any]]) -> int:
    """Print each of *values* as a line of JSON, and count them."""
    count = 0
    for count, value in enumerate(values, start=1):  # noqa: B007 - it is what is returned
        print(value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, default=_jsonable))
    return count


def _jsonable(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def print_rows(rows: Iterable[T], columns: Columns[T], *, as_json: bool) -> int:
    """Print *rows*, in the way that *as_json* and the terminal ask for, and count them."""
    if as_json:
        return print_json(rows)  # type: ignore[arg-type]  # who asks for JSON has models
    if not sys.stdout.isatty():
        return _print_separated(rows, columns)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value_of(row))) for value_of in columns.values()))
    if table.row_count:
        Console().print(table)
    return table.row_count


def _print_separated(rows: Iterable[T], columns: Columns[T]) -> int:
    """Print each row as a line of cells with tabs in between, whole and one by one, for `cut`, `awk` and `sort`."""
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - it is what is returned
        print("\t".join(cell(value_of(row)) for value_of in columns.values()))
    return count


def print_fields(fields: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing, a field on each line."""
    if as_json:
        print_json([fields])
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        print(f"{name:<{width}}  {cell(value)}")


def print_text(heading: Sequence[str], text: str) -> None:
    """Print a *text* of any length below a line about it."""
    Console(soft_wrap=True, highlight=False).print(Text(plain("  ".join(heading)), style="bold"), Text(plain(text)))


class Work:
    """Work whose progress is shown: an amount done, of a total that may be unknown."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task
        self._shown_from = time.monotonic() + PATIENCE
        self._started = False

    def at(self, done: int, total: int | None = None) -> None:
        """Show how far it is, from a second after it began."""
        if not (self._started or self._progress.disable) and time.monotonic() >= self._shown_from:
            self._progress.start()
            self._started = True
        self._progress.update(self._task, completed=done, total=total)

    def end(self) -> None:
        """Take the progress off the terminal where it was shown; older versions of rich print a line otherwise."""
        if self._started:
            self._progress.stop()


@contextmanager
def working(what: str) -> Iterator[Work]:
    """Show the progress of *what* the block does, with the time that is left, on a terminal and beside the output."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    work = Work(progress, progress.add_task(what, total=None))
    try:
        yield work
    finally:
        work.end()
