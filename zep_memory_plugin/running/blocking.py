"""The blocking twin of an AsyncEngine of the application: what that hands its driver beside the URL."""

import inspect
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import InvalidInput

NO_TWIN = (
    "is an AsyncEngine that makes its connections in a way of its own ({}), so blocking calls cannot make the same; "
    "await the calls, or give a blocking manager an Engine"
)

_OF_ASYNCPG = {
    "async_fallback",
    "command_timeout",
    "loop",
    "max_cacheable_statement_size",
    "max_cached_statement_lifetime",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "record_class",
    "statement_cache_size",
}
"""What says nothing of where a connection leads."""

_OF_BOTH = {"host", "port", "user", "password"}
_RENAMED = {"timeout": "connect_timeout", "database": "dbname"}


def arguments_of(engine: AsyncEngine) -> dict[str, Any]:
    """Return what a blocking driver is to be handed, so that its connections are like those of *engine*.

    Raises:
        InvalidInput: nobody can tell.
    """
    blocking = engine.sync_engine
    # SQLAlchemy keeps `connect_args` nowhere else.
    given = inspect.getclosurevars(blocking.pool._creator).nonlocals.get("cparams")
    if given is None or "async_creator_fn" in given or blocking.dialect.dispatch.do_connect:
        raise InvalidInput("database", NO_TWIN.format("async_creator, or an event"))
    of_url = blocking.dialect.create_connect_args(engine.url)[1]
    beside = {name: value for name, value in given.items() if name not in of_url or of_url[name] != value}
    return _of_psycopg(beside) if engine.dialect.driver == "asyncpg" else beside


def _of_psycopg(beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return for psycopg what asyncpg is handed."""
    left = {name: value for name, value in beside.items() if name not in _OF_ASYNCPG}
    settings = left.pop("server_settings", None)
    unknown = sorted(name for name in left if name not in _OF_BOTH and name not in _RENAMED)
    if unknown:
        raise InvalidInput("database", NO_TWIN.format(", ".join(unknown)))
    named = {_RENAMED.get(name, name): value for name, value in left.items()}
    return named | ({"options": _as_options(settings)} if settings else {})


def _as_options(settings: Mapping[str, str]) -> str:
    """Return settings of the server as libpq takes them."""
    escaped = ((name, value.replace("\\", "\\\\").replace(" ", "\\ ")) for name, value in settings.items())
    return " ".join(f"-c {name}={value}" for name, value in escaped)
