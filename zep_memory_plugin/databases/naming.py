"""Where our tables are, and what they are called there: in a schema of the application's choice, with a prefix of its.

Statements are made with the names of `tables`. On their way to the driver they get those of the application: a word of
a statement that is, or holds, the name of one of our tables. No statement holds a text of anybody's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import InvalidInput, shown
from ..tables import MESSAGE_INDEX, PREFIX, metadata

E = TypeVar("E", Engine, AsyncEngine)

_OPTION = "zep_memory_names"
"""The execution option under which an engine or a connection has its names."""

_BEFORE = "before_cursor_execute"
_STATEMENTS_KEPT = 2_000
_OWN = sorted((name.removeprefix(PREFIX) for name in (*metadata.tables, MESSAGE_INDEX)), key=len, reverse=True)
_NAME = re.compile(rf"(?<![\w.])(\w*?){PREFIX}({'|'.join(_OWN)})(\w*)")
_ALLOWED_PREFIX = re.compile("[a-z_][a-z0-9_]{0,29}")
_LONGEST_SCHEMA = 63


@dataclass(frozen=True, slots=True)
class Names:
    """How the application wants our tables to be named."""

    schema: str | None = None
    prefix: str = PREFIX

    def in_text(self, statement: str) -> str:
        """Return *statement* with the application's names."""
        return _in_text(self, statement)

    def of(self, table: str) -> str:
        """Return the name of *table* as a statement has it."""
        return _in_text(self, table)

    def bare(self, table: str) -> str:
        """Return the name of *table* without its schema."""
        return f"{self.prefix}{table.removeprefix(PREFIX)}"

    def rewrite(
        self, connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, several: bool
    ) -> tuple[str, Any]:
        """Return what SQLAlchemy is to send instead of *statement*."""
        return self.in_text(statement), parameters

    @property
    def is_plain(self) -> bool:
        """Whether they are those of `tables`."""
        return self == PLAIN


PLAIN = Names()


@lru_cache(_STATEMENTS_KEPT)
def _in_text(names: Names, statement: str) -> str:
    return _NAME.sub(lambda match: _renamed(names, *match.groups()), statement)


def _renamed(names: Names, before: str, table: str, after: str) -> str:
    name = f"{before}{names.prefix}{table}{after}"
    if names.schema is None or before or after:  # of an index, a constraint, an alias: these have no schema
        return name
    return f"{quoted(names.schema)}.{name}"


def quoted(name: str) -> str:
    """Return *name* as a statement has it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def checked(schema: object, prefix: object, kind: str) -> Names:
    """Check the names that an application has chosen on a database of *kind*."""
    if schema is not None and (
        not isinstance(schema, str) or not 1 <= len(schema) <= _LONGEST_SCHEMA or "\0" in schema
    ):
        raise InvalidInput("schema", f"is {shown(schema)}; allowed is a name of 1 to {_LONGEST_SCHEMA} characters")
    if schema is not None and kind != "postgresql":
        raise InvalidInput("schema", f"is {shown(schema)}, and {kind} has no schemas; give a table_prefix instead")
    if not isinstance(prefix, str) or _ALLOWED_PREFIX.fullmatch(prefix) is None:
        raise InvalidInput(
            "table_prefix",
            f"is {shown(prefix)}; allowed are up to 30 small letters, digits and underscores, as 'chat_'",
        )
    return Names(schema, prefix)


def names_of(connection: Connection) -> Names:
    """Return how our tables are named behind *connection*."""
    names: Names = connection.get_execution_options().get(_OPTION, PLAIN)
    return names


def named(engine: E, names: Names) -> E:
    """Return an engine on the connections of *engine* on which our tables have *names*, itself where they are ours."""
    translates = bool(engine.get_execution_options().get("schema_translate_map"))
    if names.is_plain and not translates:
        return engine
    made = engine.execution_options(**{_OPTION: names, "schema_translate_map": None})
    event.listen(made.sync_engine if isinstance(made, AsyncEngine) else made, _BEFORE, names.rewrite, retval=True)
    return made


class Naming:
    """Lets our tables have *names* on a *connection* of the application's, for a block."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection = connection
        self._names = names

    def __enter__(self) -> None:
        self._translations = self._connection.get_execution_options().get("schema_translate_map")
        if self._changes:
            self._connection.execution_options(**{_OPTION: self._names, "schema_translate_map": None})
            event.listen(self._connection, _BEFORE, self._names.rewrite, retval=True)

    def __exit__(self, *_: object) -> None:
        if self._changes:
            event.remove(self._connection, _BEFORE, self._names.rewrite)
            self._connection.execution_options(**{_OPTION: PLAIN, "schema_translate_map": self._translations})

    @property
    def _changes(self) -> bool:
        return not self._names.is_plain or bool(self._translations)


def all_of(names: Names, tables: Sequence[str]) -> dict[str, str]:
    """Return what *tables* are called, and which is which."""
    return {names.of(table): table for table in tables}
