"""What a driver's error means: try again, or tell the caller."""

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from .errors import DatabaseUnavailable, ZepMemoryError

DRIVER_ERRORS = (SQLAlchemyError, OSError, sqlite3.Error)
"""What a unit of work may raise that is not ours: SQLAlchemy's, a refused connection, an error while connecting."""

POOL_IN_USE = "every connection of the pool is in use"

_RETRYABLE_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25P03", "53300"}
_RETRYABLE_SQLITE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_SQLITE_REASONS = {
    sqlite3.SQLITE_BUSY: "another process holds the database file's lock",
    sqlite3.SQLITE_LOCKED: "the database is locked",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened; check that its folder exists and is writable",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_PERM: "access to the database file is not permitted",
}


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same unit of work, sent again on a fresh connection, may succeed."""
    if isinstance(error, PoolTimeout):
        return False
    if (state := _sqlstate(error)) is not None and not state.startswith("08"):
        return state in _RETRYABLE_STATES
    if (code := _sqlite_code(error)) is not None:
        return code in _RETRYABLE_SQLITE
    return _is_lost(error)


def is_locked_out(error: BaseException) -> bool:
    """Tell whether a lock was waited for in vain."""
    return _sqlstate(error) == "55P03" or _sqlite_code(error) == sqlite3.SQLITE_BUSY


def translated(error: BaseException) -> ZepMemoryError:
    """Return what the caller is told instead of *error*; raise it `from` the original."""
    if (code := _sqlite_code(error)) is not None and code in _SQLITE_REASONS:
        return DatabaseUnavailable(_SQLITE_REASONS[code])
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable(POOL_IN_USE)
    state = _sqlstate(error)
    if is_retryable(error) or (state or "")[:2] in {"08", "28", "3D", "53", "57"}:
        return DatabaseUnavailable(f"the database cannot be reached or stayed busy{_state_note(state)}")
    return ZepMemoryError(f"the database refused the statement{_state_note(state)}")


def _state_note(state: str | None) -> str:
    return f" (sqlstate {state})" if state else ""


def _sqlstate(error: BaseException) -> str | None:
    """Return the five letters of the SQL standard, which psycopg and asyncpg both keep under this name."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state if isinstance(state, str) else None


def _sqlite_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code; the extended one has more in its higher bits."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _is_lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _says_connection_failed(error)
    return isinstance(error, OSError)


def _says_connection_failed(error: DBAPIError) -> bool:
    """Recognise psycopg's errors while connecting, which carry no sqlstate."""
    return type(error.orig).__module__.startswith("psycopg") and type(error.orig).__name__ in {
        "ConnectionTimeout",
        "OperationalError",
    }
