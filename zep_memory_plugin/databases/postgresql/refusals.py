"""Why no connection was made, where that has no SQLSTATE: libpq has words, in English unless the server has others."""

import re
import socket

_STATES = {
    "3D000": r'database ".*" does not exist',
    "28000": r'password authentication failed|role ".*" (does not exist|is not permitted)|no pg_hba\.conf entry',
    "53300": r"too many (clients|connections)|connection slots are reserved",
}

_NO_HOST = r"failed to resolve host|could not translate host name"
_NOBODY = r"Connection refused|No such file or directory"
_NO_TLS = r"does not support SSL|rejected SSL upgrade"
_UNKNOWN_TLS = r"invalid ssl\w+ value|`?ssl(mode)?`? parameter must be one of"


def state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that the words of libpq stand for."""
    if not _is_of_psycopg(error):
        return None
    return next((state for state, words in _STATES.items() if _says(error, words)), None)


def reason_of(error: BaseException) -> str | None:
    """Say why the server could not be reached, where the way there tells."""
    if isinstance(_cause(error), socket.gaierror) or _says(error, _NO_HOST):
        return "the database cannot be reached: there is no such host"
    if isinstance(_cause(error), ConnectionRefusedError) or _says(error, _NOBODY):
        return "the database cannot be reached: no server listens at its address"
    if _says(error, _NO_TLS):
        return "the database cannot be reached: the server has no TLS, which the URL asks for"
    return None


def is_of_tls(error: BaseException) -> bool:
    """Tell whether the driver does not know what the URL asks for as TLS."""
    return _says(error, _UNKNOWN_TLS)


def _says(error: BaseException, words: str) -> bool:
    return re.search(words, str(_cause(error))) is not None


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error


def _is_of_psycopg(error: BaseException) -> bool:
    return type(_cause(error)).__module__.startswith("psycopg")
