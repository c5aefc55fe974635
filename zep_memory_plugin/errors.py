"""The error tree.

```
ZepMemoryError
├── NotFound (LookupError)        SessionNotFound · UserNotFound · MessageNotFound
├── Conflict                      SessionChanged · SessionExists · StateChanged · UserExists
│                                 SessionOwnedByAnotherUser (PermissionError)
├── NotForOneUser (PermissionError)  a manager of one user was asked for more
├── InvalidInput (ValueError)     a value is out of bounds; nothing was stored
├── SchemaOutdated                the tables are of another version of this package
├── SchemaIncomplete              a table was dropped that cannot be made again
└── DatabaseUnavailable (ConnectionError)
```

Messages never hold text of a conversation, a password or a driver's words. The driver's error is not their cause
either, as tracebacks print that; a note says of what kind it was and where it came from.

Where one was raised within this package helps nobody who calls it: a traceback ends at the call, and a notebook shows
the lines of its user and the message. `python -X dev` shows all.
"""

import sysconfig
from os.path import dirname
from traceback import extract_tb, format_list
from typing import Any

_PATHS = sysconfig.get_paths()
_NOT_THE_USERS = (
    dirname(__file__),
    "<frozen",
    *(_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
"""How the names of files begin that a user of this package has not written."""

SHOWN_LENGTH = 60
"""Longest part of an offending value that a message shows, in characters."""


class ZepMemoryError(Exception):
    """Any error this package raises by itself."""

    code: str | None = None
    """The database's own name of what went wrong, where it has one: an SQLSTATE, or SQLite's name of its code."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows of the error."""
        frames = [each for each in extract_tb(self.__traceback__) if not each.filename.startswith(_NOT_THE_USERS)]
        lines = [each.rstrip() for each in format_list(frames)]
        return [*lines, *getattr(self, "__notes__", ()), f"{type(self).__name__}: {self}"]

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

    def __init__(self, session_id: str | None, uuid: object) -> None:
        self.session_id = session_id
        self.uuid = uuid
        where = "any session" if session_id is None else f"session {shown(session_id)}"
        super().__init__(f"no message {str(uuid)!r} in {where}")


class Conflict(ZepMemoryError):
    """The call contradicts what is stored."""


class SessionExists(Conflict):
    """A session with this id is stored already, live or soft-deleted."""

    def __init__(self, session_id: str, *, deleted: bool = False) -> None:
        self.session_id = session_id
        self.deleted = deleted
        state = "is deleted; restore_session or add_memory brings it back" if deleted else "already exists"
        super().__init__(f"session {shown(session_id)} {state}")


class SessionChanged(Conflict):
    """The session is of another revision than the call expects: somebody has written meanwhile."""

    def __init__(self, session_id: str, expected: int, revision: int) -> None:
        self.session_id = session_id
        self.expected = expected
        self.revision = revision
        super().__init__(f"session {shown(session_id)} is at revision {revision}, not {expected}; read it again")


class StateChanged(Conflict):
    """The state of a session or user is of another revision than the call expects: somebody has written meanwhile."""

    def __init__(self, key: str, expected: int, revision: int) -> None:
        self.key = key
        self.expected = expected
        self.revision = revision
        super().__init__(f"the state of {shown(key)} is at revision {revision}, not {expected}; read it again")


class Held(Conflict):
    """The session or user is held: neither deleted nor erased until it is released."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key
        super().__init__(f"{kind} {shown(key)} is held; release it first, or the user or session that it hangs on")


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


class NotForOneUser(ZepMemoryError, PermissionError):
    """The call concerns more than the one user that the manager is for."""

    def __init__(self, method: str) -> None:
        self.method = method
        super().__init__(f"{method} concerns all users; call it on a manager that is not for one user")


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
        at = "has tables of no schema revision" if found is None else f"is at schema revision {found!r}"
        super().__init__(
            f"the database {at}, this version needs {needed!r}; run "
            f"`python -m zep_memory_plugin.migrations DATABASE_URL` with the version that wrote it or a newer one"
        )


class SchemaIncomplete(ZepMemoryError):
    """A table was dropped, and what is left needs what it held."""

    def __init__(self, missing: str, left: str) -> None:
        self.missing = missing
        super().__init__(
            f"the table {missing} was dropped while {left} has rows, so nobody knows whose these are; "
            f"restore it from a backup, or drop the others to begin anew",
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
