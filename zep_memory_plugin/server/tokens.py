"""Tokens: JSON web tokens, signed with the secret of the server, that clients send as their API key."""

import warnings
from datetime import UTC, datetime, timedelta

import jwt

ALGORITHM = "HS256"
"""The one signature that is accepted; a token that names another, or none, is no token."""

_OPTIONS = {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False}
"""Claims that Zep's own server does not look at."""

_PROBLEMS = (
    (jwt.ExpiredSignatureError, "token is expired"),
    (jwt.ImmatureSignatureError, "token nbf validation failed"),
)

SHORTEST_SECRET = 32
"""Bytes of a secret, below which guessing it is within reach."""


def new_token(secret: str, *, expires_in: timedelta | None = None) -> str:
    """Return a token that lets its bearer do everything, for ever or for *expires_in*."""
    claims = {} if expires_in is None else {"exp": datetime.now(UTC) + expires_in}
    with warnings.catch_warnings(action="ignore", category=jwt.InsecureKeyLengthWarning):
        return jwt.encode(claims, secret, algorithm=ALGORITHM)


def problem_of(token: str | None, secret: str) -> str | None:
    """Tell what is wrong with *token*, in the words of Zep's own server; None when it is good."""
    if token is None:
        return "no token found"
    try:
        jwt.decode(token, secret, algorithms=[ALGORITHM], options=_OPTIONS)  # type: ignore[arg-type]
    except jwt.PyJWTError as error:
        return next((text for kind, text in _PROBLEMS if isinstance(error, kind)), "token is unauthorized")
    return None
