"""The command line `zep-memory`: what an operator does with a database of conversations, by hand and in scripts.

Here: words and options in, tables or lines of JSON out. Not here: what is done, which is the manager's; a command has
nothing of its own that a program could not do.

Exit codes: 0 it is done; 1 it was refused, or something is wrong with the database; 2 the command makes no sense; 3
what it names is not there; 4 the database cannot be reached; 5 its tables are of another version; 130 it was
interrupted.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from ..errors import DatabaseUnavailable, InvalidInput, NotFound, SchemaOutdated, ZepMemoryError

__all__ = ["main"]

_CODES = ((InvalidInput, 2), (NotFound, 3), (DatabaseUnavailable, 4), (SchemaOutdated, 5))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that *arguments*, by default those of the process, name, and exit with its code.

    Raises:
        SystemExit: always, with one of the exit codes above.
    """
    try:
        from .app import app  # an optional dependency
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        _fail("the command line needs typer and rich; run `pip install typer rich`", 1)
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="zep-memory")
    except ZepMemoryError as error:
        _fail(str(error), code_of(error))
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        _fail(str(error), 1)  # what an optional part of the package says when it is not installed
    except OSError as error:
        _fail(": ".join(part for part in (error.filename, error.strerror or type(error).__name__) if part), 1)
    raise SystemExit(0)


def code_of(error: ZepMemoryError) -> int:
    """Return the exit code that an *error* stands for."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def _fail(problem: str, code: int) -> NoReturn:
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(code)
