"""What Postgres' errors mean, by their SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html).

The first two letters, the class, decide; single states only where a class is of two minds.
"""

from sqlalchemy.exc import DBAPIError

from ...errors import DatabaseUnavailable, InvalidInput, ZepMemoryError
from ..failures import coded, refusal
from ..protocol import Failure
from . import refusals

AWAY = "the database cannot be reached or stayed busy"

_REASONS = {
    "25006": "the database is read-only, as a standby is; connect to the primary",
    "28": "the database refuses the role or its password",
    "3D": "there is no such database",
    "57014": "the statement was cancelled: it took longer than statement_timeout, or somebody cancelled it",
    "53100": "the server's disk is full",
    "53300": "the database stayed busy: the server has as many connections as it allows",
    "25P04": "the transaction took longer than transaction_timeout",
    "58": "the server's disk or operating system reports an error",
    "F0": "the server's configuration is damaged",
    "XX": "the server reports an error of its own",
    "08": AWAY,
    "25P": AWAY,
    "40": AWAY,
    "53": AWAY,
    "55P03": AWAY,
    "55006": AWAY,
    "57": AWAY,
}
"""Why the server, the database or its resources are not there, by beginnings of states."""

_RETRYABLE = ("08", "40", "25P03", "25006", "53300", "55P03", "55006", "57P")
"""Beginnings of states after which another attempt, on another connection, may succeed."""

_AWAY = ("25006", "57P")
"""Beginnings of states of a server that another one takes over from, or that stops or starts."""

_GONE = ("08000", "08001", "08003", "08006")
"""States of a connection that is not there, as asyncpg has one for what is ended amid a login."""

_REFUSED = {
    "3F000": "there is no schema for the tables: the search_path names none that exists, and that the role "
    'may use; create it, set another search_path, or give SessionManager schema="…"',
    "42501": "the role may not do this; it needs USAGE on the schema, SELECT, INSERT, UPDATE and DELETE on every "
    "table, and to create them CREATE on the schema, or on the database where the schema is not there either",
}

_STARTUP = "unsupported startup parameter"
_NO_STARTUP_PARAMETERS = (
    "has startup parameters, such as `options=`, that the pooler before the server refuses; leave them out, "
    "or set them where the server keeps them: ALTER ROLE … SET …"
)

_NO_SUCH_TLS = "asks for TLS in a way that the driver does not know; see its documentation of the parameter"

_NO_SUCH_CHARACTER = ("22P05", "22021")

_NO_JSON = {"22P02", "22003", "22P05", "54001"}
"""What a cast to `jsonb` says: no JSON, a number that is too large, a character that is not there, too deep."""


def failure(error: BaseException) -> Failure:
    """Return what an *error* of psycopg or asyncpg, or of SQLAlchemy or Python around it, means."""
    state = _sqlstate(error)
    if state is None and refusals.is_of_tls(error):
        return Failure(InvalidInput("database", _NO_SUCH_TLS))
    if _STARTUP in str(getattr(error, "orig", None) or error):
        return Failure(InvalidInput("database", _NO_STARTUP_PARAMETERS))
    lost = _is(state, _GONE) or ((state is None or _is(state, ("08",))) and _is_lost(error))
    note = f" (sqlstate {state})" if state else ""
    reason = (refusals.reason_of(error) or AWAY) if lost else _longest(_REASONS, state)
    if reason is None:
        return Failure(_refused(error, state, note), unprepared=state is not None, garbled=_is_garbled(error, state))
    retryable = lost or (not _is(state, ("08",)) and _is(state, _RETRYABLE))
    meaning = coded(DatabaseUnavailable(f"{reason}{note}"), state)
    away = lost or _is(state, _AWAY)
    return Failure(meaning, retryable=retryable, locked_out=state == "55P03", away=away, outlived=state == "25006")


def _is(state: str | None, beginnings: tuple[str, ...]) -> bool:
    return state is not None and state.startswith(beginnings)


def _longest(reasons: dict[str, str], state: str | None) -> str | None:
    """Return the reason for *state*, or for the longest of its beginnings."""
    beginnings = (state[:length] for length in (5, 3, 2)) if state else ()
    return next((reasons[beginning] for beginning in beginnings if beginning in reasons), None)


def _is_garbled(error: BaseException, state: str | None) -> bool:
    """Tell whether a row may hold JSON that is none, or a moment for which Python has no room."""
    cause = getattr(error, "orig", error)
    return state in _NO_JSON or (state is None and (_is_data_error(cause) or isinstance(cause, OverflowError)))


def _is_data_error(error: BaseException | None) -> bool:
    return type(error).__module__.startswith("psycopg") and type(error).__name__ == "DataError"


def _refused(error: BaseException, state: str | None, note: str) -> ZepMemoryError:
    if state in _REFUSED:
        return coded(ZepMemoryError(f"{_REFUSED[state]}{note}"), state)
    meaning = refusal(UnicodeError() if _is(state, _NO_SUCH_CHARACTER) else error, state)
    meaning.args = (f"{meaning}{note}",)
    return meaning


def _sqlstate(error: BaseException) -> str | None:
    """Return the five letters of the SQL standard, which psycopg and asyncpg both keep under this name."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state if isinstance(state, str) else refusals.state_of(error)


def _is_lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _failed_to_connect(error) or _is_confused(error)
    return isinstance(error, OSError)


def _failed_to_connect(error: DBAPIError) -> bool:
    """Recognise psycopg's errors while connecting, which carry no sqlstate."""
    return type(error.orig).__module__.startswith("psycopg") and type(error.orig).__name__ in {
        "ConnectionTimeout",
        "OperationalError",
    }


def _is_confused(error: DBAPIError) -> bool:
    """Recognise what asyncpg says, without a sqlstate, where a server that stops answers amid something else."""
    return type(error.orig).__name__ == "InternalClientError"
