"""Every operation once: blocking functions of a `Connection`, on SQLAlchemy Core."""

from . import batches, checks, memory, messages, purge, sessions, summaries, users, windows

__all__ = ["batches", "checks", "memory", "messages", "purge", "sessions", "summaries", "users", "windows"]
