"""Pages, parts of pages, and redirects; and what a browser sends: a query, or a form."""

import json
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ... import SessionManager, __version__
from ...rendering import ago
from ..settings import Settings
from .contents import bounded, pieces_of

MOST_FIELDS = 20
"""Fields of a form that are read."""

DONE = {
    "deleted": "The session is deleted. It can be restored until a purge.",
    "restored": "The session is back, with all that was in it.",
    "forked": "This is the copy.",
    "renamed": "The session has its new id.",
    "erased": "The user is erased, with all of their sessions.",
    "purged": "What was deleted is gone for good.",
}
"""What a page says at its head of what was just done."""


def manager_of(request: Request) -> SessionManager:
    """Return the manager that the pages show."""
    return cast("SessionManager", request.app.state.manager)


def settings_of(request: Request) -> Settings:
    """Return the settings of the server."""
    return cast("Settings", request.app.state.settings)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page, or a part of one; half a surrogate pair, which HTML cannot hold, becomes a question mark."""
    query = request.query_params
    values |= {
        "root": request.scope.get("root_path", ""),
        "version": __version__,
        "asks_for_tokens": settings_of(request).secret is not None,
        "done": DONE.get(query.get("done", ""), ""),
        "undo": query.get("undo", ""),
        "query": query,
    }
    text = _environment.get_template(template).render(values)
    return Response(text.encode("utf-8", "replace"), status, media_type="text/html; charset=utf-8")


def redirect(request: Request, path: str, **query: str) -> Response:
    """Send the browser to another page, with a GET."""
    root = request.scope.get("root_path", "")
    return RedirectResponse(f"{root}{path}{f'?{urlencode(query)}' if query else ''}", 303)


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent, the last of each name."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _pretty(value: object) -> str:
    return bounded(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _short(value: object, length: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _size(count: int | None) -> str:
    """Return a number of bytes as people read it."""
    size, units = float(count or 0), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while size >= 1000 and (larger := next(units, "")):
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"


def _separated(number: int) -> str:
    return f"{number:,}"


_environment = Environment(
    loader=PackageLoader("zep_memory_plugin.server.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "ago": ago,
    "bounded": bounded,
    "moment": _moment,
    "iso": _iso,
    "pieces": pieces_of,
    "pretty": _pretty,
    "short": _short,
    "size": _size,
    "separated": _separated,
}
_environment.globals["link"] = lambda **query: urlencode({name: value for name, value in query.items() if value != ""})
