"""The error tree.

```
ZepMemoryError
├── NotFound (LookupError)        SessionNotFound · UserNotFound · MessageNotFound
├── Conflict                      SessionExists · UserExists · SessionOwnedByAnotherUser (PermissionError)
├── InvalidInput (ValueError)     a value is out of bounds; nothing was stored
├── SchemaOutdated                the tables are of another version of this package
└── DatabaseUnavailable (ConnectionError)
```

Messages never hold text of a conversation, a password or a driver's words; the driver's error is `__cause__`.
"""

from typing import Any

SHOWN_LENGTH = 60
"""Longest part of an offending value that a message shows, in characters."""


class ZepMemoryError(Exception):
    """Any error this package raises by itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By its text, not by what its own constructor takes: it must survive the way between two processes.
        return _again, (type(self), self.args, vars(self))


class NotFound(ZepMemoryError, LookupError):
    """What was asked for is not there, or no longer."""


class SessionNotFound(NotFound):
    """No live session has this id."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"no session {shown(session_id)}")


class UserNotFound(NotFound):
    """No user has this id."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        super().__init__(f"no user {shown(user_id)}; add_user creates it")


class MessageNotFound(NotFound):
    """The session has no live message with this uuid."""

    def __init__(self, session_id: str, uuid: object) -> None:
        self.session_id = session_id
        self.uuid = uuid
        super().__init__(f"no message {str(uuid)!r} in session {shown(session_id)}")


class Conflict(ZepMemoryError):
    """The call contradicts what is stored."""


class SessionExists(Conflict):
    """A session with this id is stored already, live or soft-deleted."""

    def __init__(self, session_id: str, *, deleted: bool = False) -> None:
        self.session_id = session_id
        self.deleted = deleted
        state = "is deleted; restore_session or add_memory brings it back" if deleted else "already exists"
        super().__init__(f"session {shown(session_id)} {state}")


class UserExists(Conflict):
    """A user with this id is stored already."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        super().__init__(f"user {shown(user_id)} already exists")


class SessionOwnedByAnotherUser(Conflict, PermissionError):
    """The session belongs to someone other than the user named in the call."""

    def __init__(self, session_id: str, user_id: str) -> None:
        self.session_id = session_id
        self.user_id = user_id
        super().__init__(f"session {shown(session_id)} does not belong to user {shown(user_id)}")


class InvalidInput(ZepMemoryError, ValueError):
    """A value is of the wrong type or out of bounds; nothing was stored."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field} {problem}")


class SchemaOutdated(ZepMemoryError):
    """The database's tables are of another revision than this version of the package needs."""

    def __init__(self, found: str | None, needed: str) -> None:
        self.found = found
        self.needed = needed
        super().__init__(
            f"the database is at schema revision {found!r}, this version needs {needed!r}; run "
            f"`python -m zep_memory_plugin.migrations DATABASE_URL` with the version that wrote it or a newer one"
        )


class DatabaseUnavailable(ZepMemoryError, ConnectionError):
    """The database cannot be reached, stayed busy, or refuses to work; a retry may help."""


def _again(kind: type[ZepMemoryError], arguments: tuple[object, ...], attributes: dict[str, object]) -> ZepMemoryError:
    """Return an error of *kind* without calling its constructor."""
    error = kind.__new__(kind)
    error.args = arguments
    vars(error).update(attributes)
    return error


def shown(value: object) -> str:
    """Return the `repr` of *value*, shortened to what fits a message."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"
