"""What SQLite's errors mean, by their result codes (https://sqlite.org/rescode.html)."""

import sqlite3

from sqlalchemy.exc import DBAPIError

from ...errors import DatabaseUnavailable
from ..failures import coded, refusal
from ..protocol import Failure

_REASONS = {
    sqlite3.SQLITE_BUSY: "another process holds the database file's lock",
    sqlite3.SQLITE_LOCKED: "the database is locked",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened; check that its folder exists and is writable",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_PERM: "access to the database file is not permitted",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_PROTOCOL: "another process holds the database file's lock",
}
_RETRYABLE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT}

REPLACED = (
    "the database file was deleted or replaced while it was open; "
    "nothing more is written to the old one, and the next call opens what is at its path by then"
)


def failure(error: BaseException) -> Failure:
    """Return what an *error* of sqlite3 or aiosqlite, or of SQLAlchemy or Python around it, means."""
    code = _code(error)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        meaning = coded(DatabaseUnavailable(REPLACED), _name(error))
        return Failure(meaning, unprepared=True, replaced=True)
    if _is_lost(error):
        return Failure(DatabaseUnavailable("the database cannot be reached"), retryable=True)
    primary = None if code is None else code & 0xFF  # the extended one has more in its higher bits
    reason = _REASONS.get(primary) if primary is not None else None
    if reason is None:
        return Failure(refusal(error, _name(error)), unprepared=primary is not None, garbled=_is_garbled(error))
    meaning = coded(DatabaseUnavailable(reason), _name(error))
    # The index of terms may have been emptied as if it were a table of the application's.
    unprepared = code == sqlite3.SQLITE_CORRUPT_VTAB
    again = primary in _RETRYABLE
    return Failure(meaning, retryable=again, locked_out=primary == sqlite3.SQLITE_BUSY, unprepared=unprepared)


def _is_lost(error: BaseException) -> bool:
    """Tell whether a connection was ended from outside, or could not be made."""
    return isinstance(error, OSError) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def _is_garbled(error: BaseException) -> bool:
    """Tell whether sqlite3 met text that is not in UTF-8, of which it has no code."""
    return str(getattr(error, "orig", error)).startswith("Could not decode to UTF-8")


def _code(error: BaseException) -> int | None:
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code if isinstance(code, int) else None


def _name(error: BaseException) -> str | None:
    """Return SQLite's name of the result code."""
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", None)
    return name if isinstance(name, str) else None
