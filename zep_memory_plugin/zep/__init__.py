"""The client of Zep's open-source server, by the names of zep-python 1.5: a program changes one import.

`ZepClient` talks to a server at an `http` URL, or, given a database or a `SessionManager`, does the same in this
process. Here: names, models and errors of the original. Not here: what is done, which is the server's.
"""

try:
    from .client import ZepClient
except ModuleNotFoundError as error:
    if error.name != "httpx":
        raise
    raise ImportError("zep_memory_plugin.zep needs httpx; `pip install httpx` gets it", name=error.name) from error
from .exceptions import APIError, AuthError, NotFoundError, ZepClientError
from .models import (
    CreateUserRequest,
    Memory,
    MemorySearchPayload,
    MemorySearchResult,
    Message,
    Session,
    Summary,
    UpdateUserRequest,
    User,
)

__all__ = [
    "APIError",
    "AuthError",
    "CreateUserRequest",
    "Memory",
    "MemorySearchPayload",
    "MemorySearchResult",
    "Message",
    "NotFoundError",
    "Session",
    "Summary",
    "UpdateUserRequest",
    "User",
    "ZepClient",
    "ZepClientError",
]
