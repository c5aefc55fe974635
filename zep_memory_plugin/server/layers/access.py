"""Who may come in: with a secret, only who sends a token that is signed with it."""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..answers import refusal
from ..tokens import problem_of
from .paths import API, path_within

COOKIE = "jwt"
"""The cookie that may bring a token instead of the header, as in Zep's own server."""


class Access:
    """Answers 401 to requests for the API without a good token."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app, self._secret = app, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and path_within(scope).startswith(API):
            problem = problem_of(_token(Headers(scope=scope)), self._secret)
            if problem is not None:
                await refusal(401, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
