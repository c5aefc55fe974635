"""The blocking twin of an AsyncEngine of the application: what that hands its driver, and who listens to it."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.events import ConnectionEvents
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool.events import PoolEvents

from ..errors import InvalidInput

NO_TWIN = (
    "is an AsyncEngine that makes its connections in a way of its own ({}), so blocking calls cannot make the same; "
    "await the calls, or give a blocking manager an Engine"
)

NOT_FOR_TWIN = (
    "is an AsyncEngine of which a listener for new connections fails on one of the blocking driver, so there can be no "
    "blocking calls; await the calls, or give a blocking manager an Engine"
)

_RETURNS_STATEMENT = {"before_execute", "before_cursor_execute"}
"""Events of an engine whose listeners are kept as functions that return what is to be sent."""

_NOT_THE_APPLICATIONS = ("sqlalchemy.engine.create", "sqlalchemy.util.langhelpers", __name__.partition(".")[0])
"""Modules of listeners that are no application's: those of SQLAlchemy's for its own driver, and ours."""

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


def listen_alike(engine: AsyncEngine, twin: Engine) -> None:
    """Let the application's listeners to *engine* hear of its blocking *twin*, too."""
    awaiting = engine.sync_engine
    for name, listener in _listeners(awaiting.dispatch, ConnectionEvents):
        event.listen(twin, name, listener, **({"retval": True} if name in _RETURNS_STATEMENT else {}))
    for name, listener in _listeners(awaiting.pool.dispatch, PoolEvents):
        event.listen(twin.pool, name, _understood(listener) if name == "connect" else listener)


def _listeners(dispatch: Any, events: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the names of *events* with the application's listeners to each."""
    for name in (name for name in vars(events) if not name.startswith("_") and name != "dispatch"):
        for listener in list(getattr(dispatch, name)):
            if not listener.__module__.startswith(_NOT_THE_APPLICATIONS):
                yield name, listener


def _understood(listener: Callable[..., Any]) -> Callable[..., Any]:
    """Return *listener*, which says so where it wants the connection of another driver."""

    @wraps(listener)
    def listening(*arguments: Any) -> Any:
        try:
            return listener(*arguments)
        except (AttributeError, TypeError):
            pass  # of what the other driver has
        raise InvalidInput("database", NOT_FOR_TWIN)

    return listening
