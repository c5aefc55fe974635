"""The connections of sqlite3 that are opened here: one that knows its file, and one that keeps its memory.

A file that is new is its owner's alone.

Here: what such a connection does of itself, in whatever thread its driver uses it. Not here: when it is opened and
ended (`running`), and its settings (`connecting`).
"""

import os
import sqlite3
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from weakref import ref

from ..protocol import FileId

IDLE = 1.0
"""Seconds after which a connection makes sure of its file before it is used again."""

PRIVATE = 0o600
"""The mode of a file that is made here, which SQLite gives to the files beside it, too."""

_not_closed: "dict[object, tuple[str, ref[FileConnection]]]" = {}
"""The path and the connection of what is being opened, is open, or is being closed."""

_of_the_parent: "list[FileConnection | None]" = []

_open_cursor = sqlite3.Connection.cursor
_execute = sqlite3.Cursor.execute


def file_at(path: str) -> FileId | None:
    """Return which file is at *path*, or None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def not_closed(file: FileId) -> bool:
    """Tell whether this process has *file* open by a connection of ours, or is just opening or closing one."""
    return any(file_at(path) == file for path, connection in list(_not_closed.values()) if connection() is not None)


def keep_parents() -> None:
    """Keep, in a process that was forked, its copies of the parent's connections: closed here, they harm the file."""
    _of_the_parent.extend(reference() for _, reference in list(_not_closed.values()))
    _not_closed.clear()


def make_private(database: str, *, is_uri: bool = False) -> None:
    """Make the file that SQLite is about to create for *database*, so that only its owner may read it.

    One that is there keeps its mode. Where a file cannot be made, SQLite says so in its own way.
    """
    path = _path_of(database) if is_uri else database
    if path in ("", ":memory:"):
        return
    with suppress(OSError, ValueError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))


def _path_of(uri: str) -> str:
    """Return the path of the file that SQLite would create for *uri*, or nothing where it would create none."""
    if not uri.startswith("file:"):
        return uri
    parts = urlsplit(uri)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    creates = options.get("mode", "rwc") == "rwc" and parts.netloc in ("", "localhost")
    return unquote(parts.path) if creates and "vfs" not in options else ""


class FileReplaced(sqlite3.ProgrammingError):
    """The file of a connection is no longer the one at its path; SQLAlchemy takes it for a lost connection."""

    def __init__(self) -> None:
        super().__init__("Cannot operate on a closed database.")
        self.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED


class FileConnection(sqlite3.Connection):
    """A connection to a file, which says so when that is deleted or replaced.

    SQLite goes on in the file that it has open, though nobody will ever find it. So a commit counts only once the file
    is still seen to be at its path, and a connection that was idle makes sure before its first statement.
    """

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:
        self._token, self._closing = object(), False
        self._cursors: set[ref[sqlite3.Cursor]] = set()
        self.contended_until = -inf
        _not_closed[self._token] = _path_of(database) if options.get("uri") else database, ref(self)
        try:
            self._open(database, *arguments, **options)
        except BaseException:
            self.__del__()
            raise

    def __del__(self) -> None:
        with suppress(sqlite3.Error):
            self.close()
        _not_closed.pop(self._token, None)

    def _open(self, database: str, *arguments: Any, **options: Any) -> None:
        make_private(database, is_uri=options.get("uri", False))
        super().__init__(database, *arguments, **options)
        self.confirmed = inf
        self.path: str = self.execute("PRAGMA database_list").fetchone()[2]
        self.file = file_at(self.path)
        self.confirmed = monotonic()

    def cursor(self, factory: Any = None) -> Any:
        """Open a cursor that makes sure of the file."""
        cursor = _open_cursor(self, factory or _FileCursor)
        self._cursors.add(ref(cursor, self._cursors.discard))
        return cursor

    def close(self) -> None:
        """Close the connection, and note when that is done, which takes as long as writing the log of changes back.

        A statement that somebody keeps, such as a traceback, would else keep SQLite's own connection open.
        """
        if self._closing:
            return
        self._closing = True
        try:
            self._close_cursors()
            super().close()
        except BaseException:
            self._closing = False
            raise
        _not_closed.pop(self._token, None)

    def _close_cursors(self) -> None:
        for reference in list(self._cursors):
            cursor = reference()
            if cursor is not None:
                with suppress(sqlite3.Error):
                    cursor.close()

    def confirm(self) -> None:
        """Make sure that the file is still the one at its path.

        Raises:
            FileReplaced: it is not, and never will be again.
        """
        if self.confirmed == -inf or file_at(self.path) != self.file:
            self.confirmed = -inf
            raise FileReplaced
        self.confirmed = monotonic()


class _FileCursor(sqlite3.Cursor):
    def execute(self, statement: str, parameters: Any = ()) -> "_FileCursor":
        connection: Any = self.connection
        if monotonic() - connection.confirmed > IDLE and not connection.in_transaction:
            connection.confirm()
        _execute(self, statement, parameters)
        if statement == "COMMIT":
            connection.confirm()
        return self


class KeptConnection(sqlite3.Connection):
    """The connection that is a database in memory, which a pool cannot close: all would be lost with it.

    A pool that has lost it to an interrupt takes it for a new one. What SQLAlchemy defines on one is defined once, as
    SQLite refuses that while a statement is alive, such as one that a traceback keeps.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._defined: set[str] = set()

    def create_function(self, name: str, *arguments: Any, **options: Any) -> None:
        """Define a function, unless that was done before."""
        if name not in self._defined:
            super().create_function(name, *arguments, **options)
            self._defined.add(name)

    def close(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Close the connection, and lose the database."""
        super().close()
