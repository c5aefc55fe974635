"""Logging in, with the token that a client of the API sends, and out."""

from datetime import UTC, datetime

import jwt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..tokens import problem_of
from .answering import form, page, redirect, settings_of
from .gate import let_in, let_out


async def show(request: Request) -> Response:
    """Ask for a token."""
    if settings_of(request).secret is None:
        return redirect(request, "/")
    return page(request, "login.html", problem="", next=request.query_params.get("next", ""))


async def enter(request: Request) -> Response:
    """Let somebody in who has a good token, and send them to where they wanted to go."""
    fields, secret = await form(request), settings_of(request).secret
    token, wanted = fields.get("token", "").strip(), fields.get("next", "")
    if secret is None:
        return redirect(request, "/")
    if problem := problem_of(token or None, secret):
        return page(request, "login.html", 401, problem=problem, next=wanted)
    answer = redirect(request, _within(wanted))
    let_in(answer, request.scope, secret, _end(token))
    return answer


async def leave(request: Request) -> Response:
    """Let somebody out."""
    answer = redirect(request, "/login")
    let_out(answer, request.scope)
    return answer


def _within(wanted: str) -> str:
    """Return the page that is *wanted*, where it is one of ours: an address elsewhere begins with two slashes."""
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_ours else "/"


def _end(token: str) -> datetime | None:
    """Return when a good *token* expires."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], UTC) if "exp" in claims else None


routes = [
    Route("/login", show, methods=["GET"]),
    Route("/login", enter, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
]
