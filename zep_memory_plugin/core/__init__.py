"""Every operation once: blocking functions of a `Connection`, on SQLAlchemy Core."""

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
