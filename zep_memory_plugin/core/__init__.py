"""Every operation once: blocking functions of a `Connection`, on SQLAlchemy Core.

Here: what is checked, read and written. Not here: SQL of one database (`databases`), retries and connections
(`running`), and what takes several units of work or asks the application (`flows`).

A module is imported when it is first asked for: few programs need all, and building their statements takes a while.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        activity,
        appending,
        archive,
        backlog,
        batches,
        branches,
        changes,
        checks,
        erasure,
        expiry,
        exporting,
        history,
        holding,
        holds,
        importing,
        leases,
        ledger,
        leftovers,
        memory,
        messages,
        purge,
        recall,
        records,
        renaming,
        replacement,
        retention,
        sessions,
        states,
        stats,
        summaries,
        titles,
        tokens,
        usage,
        users,
        windows,
    )

__all__ = [
    "activity",
    "appending",
    "archive",
    "backlog",
    "batches",
    "branches",
    "changes",
    "checks",
    "erasure",
    "expiry",
    "exporting",
    "history",
    "holding",
    "holds",
    "importing",
    "leases",
    "ledger",
    "leftovers",
    "memory",
    "messages",
    "purge",
    "recall",
    "records",
    "renaming",
    "replacement",
    "retention",
    "sessions",
    "states",
    "stats",
    "summaries",
    "titles",
    "tokens",
    "usage",
    "users",
    "windows",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)
