"""Every operation once: blocking functions of a `Connection`, on SQLAlchemy Core.

A module is imported when it is first asked for: few programs need all, and building their statements takes a while.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        archive,
        batches,
        checks,
        memory,
        messages,
        prompts,
        purge,
        replacement,
        sessions,
        summaries,
        users,
        windows,
    )

__all__ = [
    "archive",
    "batches",
    "checks",
    "memory",
    "messages",
    "prompts",
    "purge",
    "replacement",
    "sessions",
    "summaries",
    "users",
    "windows",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)
