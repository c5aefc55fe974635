"""What every request of a browser passes: where it comes from, who it is, and what the browser is told not to do.

A page of somebody else may send a form here, with our cookie or, on a machine that asks nobody for a token, without
one. So

1. a request that changes something has to come from a page of ours: browsers say so in `Sec-Fetch-Site`, or else in
   `Origin`, and no page can make them say otherwise;
2. the cookie is `SameSite=Strict`, so that it does not come along from elsewhere at all.

That a page does not give its own name the address of this machine is for `layers.names` to see to.
"""

from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode

import jwt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import Settings
from ..tokens import ALGORITHM

COOKIE = "zep_pages"

STAY = timedelta(hours=12)
"""How long somebody who has logged in stays so."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: files of the package, and pictures that are in the page itself."""

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_CHANGES_NOTHING = ("GET", "HEAD")
_OPEN_TO_ALL = ("/login", "/files/")


class Gate:
    """Lets requests for pages in, or answers them itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer: ASGIApp = self._refusal(scope) or self._app
        await answer(scope, receive, _with_headers(scope, send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _CHANGES_NOTHING and not is_of_a_page_of_ours(headers):
            return PlainTextResponse("this form is on no page of this server\n", 403)
        secret = self._settings.secret
        if secret is None or _path(scope).startswith(_OPEN_TO_ALL) or is_let_in(headers, secret):
            return None
        return _to_login(scope, headers)


def is_of_a_page_of_ours(headers: Headers) -> bool:
    """Tell whether a browser says that a request comes from a page of this server."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    host = headers.get("host", "")
    return headers.get("origin") in (f"http://{host}", f"https://{host}")


def is_let_in(headers: Headers, secret: str) -> bool:
    """Tell whether somebody has logged in."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        claims = jwt.decode(morsel.value, secret, [ALGORITHM], {"require": ["exp"]}) if morsel else {}
    except (CookieError, jwt.PyJWTError):
        return False
    return claims.get("pages") is True


def let_in(answer: Response, scope: Scope, secret: str, until: datetime | None) -> None:
    """Let *answer* bring a cookie that is good for `STAY`, and no longer than *until*."""
    now = datetime.now(UTC)
    end = min(now + STAY, until or now + STAY)
    _set(answer, scope, jwt.encode({"pages": True, "exp": end}, secret, ALGORITHM), end - now)


def let_out(answer: Response, scope: Scope) -> None:
    """Let *answer* take the cookie away."""
    _set(answer, scope, "", timedelta(0))


def _set(answer: Response, scope: Scope, value: str, lasts: timedelta) -> None:
    """Set the cookie: for these pages alone, out of reach of scripts, and never for what another site asks for."""
    answer.set_cookie(
        COOKIE,
        value,
        max_age=int(lasts.total_seconds()),
        path=scope.get("root_path") or "/",
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


def _to_login(scope: Scope, headers: Headers) -> Response:
    root = scope.get("root_path", "")
    if "hx-request" in headers:
        return Response(status_code=204, headers={"hx-redirect": f"{root}/login"})
    asked = _path(scope) + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    query = f"?{urlencode({'next': asked})}" if scope["method"] == "GET" and asked != "/" else ""
    return RedirectResponse(f"{root}/login{query}", 303)


def _path(scope: Scope) -> str:
    """Return the path within the pages."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _with_headers(scope: Scope, send: Send) -> Send:
    kept = "public, max-age=86400" if _path(scope).startswith("/files/") else "no-store"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**HEADERS, "cache-control": kept})
        await send(message)

    return sending
