"""Alembic's `--autogenerate` beside our tables: it compares a database with the application's models, which lack them.

In the application's `env.py` one line says that they are not its own:

```python
from zep_memory_plugin.autogenerate import include_name

context.configure(..., include_name=include_name)
```

Where that line is missing, Alembic from 1.18 on still drops nothing of ours: it loads this module as its plugin, by the
entry point `alembic.plugins`. Nothing here imports Alembic before Alembic asks for it.
"""

import sys
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any

from .tables import MESSAGE_INDEX, PREFIX, metadata, schema_version

_KEPT_BY_FTS5 = tuple(f"{MESSAGE_INDEX}{part}" for part in ("", "_data", "_idx", "_content", "_docsize", "_config"))
_NAMES = frozenset({*metadata.tables, *_KEPT_BY_FTS5})

_EVERYWHERE = frozenset(table.name for table in metadata.tables.values() if "dialect" not in table.info)
"""The tables that we have in every kind of database, by which another prefix than ours is recognised."""


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Tell Alembic that our tables are not the application's; for `context.configure(include_name=include_name)`."""
    return type_ != "table" or name not in _NAMES


def setup(plugin: Any) -> None:
    """Let autogenerate keep our tables, whatever the application's `env.py` says; Alembic calls this."""
    from alembic.util import DispatchPriority

    plugin.add_autogenerate_comparator(_keep, "schema", "zep_memory_plugin", priority=DispatchPriority.LAST)


def _keep(context: Any, upgrade: Any, schemas: Collection[str | None]) -> Any:
    """Take back, when all has been compared, what would drop a table of ours."""
    from alembic.operations.ops import DropTableOp, ModifyTableOps
    from alembic.util import PriorityDispatchResult

    dropped = {(step.schema, step.table_name) for step in upgrade.ops if isinstance(step, DropTableOp)}
    kept = _ours(dropped)
    upgrade.ops[:] = [
        step
        for step in upgrade.ops
        if not (isinstance(step, DropTableOp | ModifyTableOps) and (step.schema, step.table_name) in kept)
    ]
    return PriorityDispatchResult.CONTINUE


def _ours(tables: Collection[tuple[str | None, str]]) -> set[tuple[str | None, str]]:
    """Return those of *tables* that are ours, with our own prefix or with one that all of ours have together."""
    return {
        (schema, f"{prefix}{name.removeprefix(PREFIX)}")
        for schema, prefix in _prefixes(tables)
        for name in _NAMES
        if prefix == PREFIX or all((schema, _renamed(each, prefix)) in tables for each in _EVERYWHERE)
    }


def _prefixes(tables: Collection[tuple[str | None, str]]) -> set[tuple[str | None, str]]:
    version = schema_version.name.removeprefix(PREFIX)
    others = {(schema, name.removesuffix(version)) for schema, name in tables if name.endswith(version)}
    return others | {(schema, PREFIX) for schema, _ in tables}


def _renamed(name: str, prefix: str) -> str:
    return f"{prefix}{name.removeprefix(PREFIX)}"


class _Plugin(ModuleType):
    """This module, of which Alembic before 1.19 expects that it is a collection of plugins."""

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _Plugin
