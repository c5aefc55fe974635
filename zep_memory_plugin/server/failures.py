"""What becomes of an error: a status and plain text, in the words of Zep's own server where it has any."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import (
    DatabaseUnavailable,
    Held,
    InvalidInput,
    NotFound,
    SessionExists,
    UserExists,
    UserNotFound,
    ZepMemoryError,
)
from .answers import refusal
from .layers.envelope import VERSION

logger = logging.getLogger(__name__)

RETRY_AFTER = {"retry-after": "1"}

DESCRIBED: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
    for status, description in (("4XX", "What was wrong."), (503, "The database is not available; try again."))
}
"""The answers to what fails, as the OpenAPI description has them."""


def register(app: FastAPI) -> None:
    """Let *app* answer errors as here."""
    app.add_exception_handler(ZepMemoryError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def unknown_user(error: UserNotFound) -> Response:
    """Return the answer to a session of a user who was not added."""
    return refusal(400, f"bad request: user does not exist with user_id: {error.user_id}")


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, NotFound):
        return refusal(404, "not found")
    if isinstance(error, SessionExists):
        return refusal(400, f"bad request: session already exists with session_id: {error.session_id}{_again(error)}")
    if isinstance(error, UserExists):
        return refusal(400, f"bad request: user already exists with user_id: {error.user_id}")
    if isinstance(error, Held):
        return refusal(409, f"conflict: {error}")
    if isinstance(error, InvalidInput):
        return refusal(400, f"bad request: {error}")
    if isinstance(error, DatabaseUnavailable):
        logger.warning("the database is not available: %s", error)
        return refusal(503, "the database is not available", RETRY_AFTER)
    logger.error("%s: %s", type(error).__name__, error)
    return refusal(500, str(error))


def _again(error: SessionExists) -> str:
    return "; it is deleted, and writing to its memory brings it back" if error.deleted else ""


async def _malformed(request: Request, error: Exception) -> Response:
    """Say where the first problem is and what, without the value: it may be text of a conversation."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return refusal(400, f"bad request: {where}: {first['msg'].lower()}")


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refusal(404, "404 page not found")
    if error.status_code == 405:
        return Response(status_code=405, headers=error.headers)
    return refusal(error.status_code, error.detail)


async def _unexpected(request: Request, error: Exception) -> Response:
    """Say nothing: what went wrong is in the log."""
    return Response(status_code=500, headers={"x-zep-version": VERSION})
