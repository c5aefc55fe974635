"""From what the application gives, a URL or an engine of its own, to engines in both colours."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, TypeVar, get_args

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, SingletonThreadPool

from ..databases import Database, database_named, naming
from ..databases.naming import PLAIN, Names
from ..databases.protocol import Settings
from ..errors import InvalidInput, shown
from ..tables import PREFIX
from ..types import Durability, Pooler
from .blocking import arguments_of, listen_alike
from .connections import OPTION_REFUSED, Memory
from .pool import SteadyPool

CONNECTIONS = 15
"""Connections of an engine that is made here. All are kept: SQLAlchemy's own 5, and 10 more that come and go, cost more
than half of the throughput of 64 coroutines."""

LEFT_TO_READS = 2
"""Connections that writes of async callers do not use, so that reads need not wait for a lock that these wait for."""

_SYNC_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
_SYNC_NAMES = {"ssl": "sslmode", "timeout": "connect_timeout"}
_ASYNC_ONLY = {
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "command_timeout",
}
_DRIVERS = ("psycopg", "asyncpg")
"""What sends parameters to Postgres by themselves; others write them into the statement, without their types."""

_INSTALLS = {"psycopg": '"psycopg[binary]"', "asyncpg": "asyncpg", "aiosqlite": "aiosqlite"}
"""What `pip install` gets a driver by."""

_SCHEMES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


_OPTIONS = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,  # nothing is given back but what is clean
    "hide_parameters": True,
}

T = TypeVar("T", Engine, AsyncEngine)

Given = str | URL | os.PathLike[str] | Engine | AsyncEngine
"""What the application says its database is."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the conversations are, and which engines of the application lead there."""

    url: URL
    located: URL
    """The same, wherever the process goes."""

    database: Database
    durability: Durability
    engine: Engine | None = field(default=None, repr=False)
    async_engine: AsyncEngine | None = field(default=None, repr=False)
    pooler: Pooler = "auto"
    names: Names = PLAIN

    @property
    def settings(self) -> Settings:
        """What every connection is to be like."""
        return Settings(self.url, self.durability, self.pooler, self.names)

    @property
    def given(self) -> Engine | None:
        """The application's engine, or what is behind the one that it awaits."""
        return self.async_engine.sync_engine if self.async_engine is not None else self.engine

    @property
    def in_memory(self) -> bool:
        """Whether the database lives only in one connection."""
        return self.database.in_memory(self.url)

    @property
    def awaits(self) -> bool:
        """Whether async callers go through an async driver rather than a worker thread."""
        if self.engine is not None:
            return False
        return self.async_engine is not None or (self.url.get_dialect().is_async and not self.in_memory)

    @property
    def thread_bound(self) -> bool:
        """Whether the application's engine shows every thread another database."""
        return self.engine is not None and isinstance(self.engine.pool, SingletonThreadPool)


def source_of(
    database: Given,
    durability: Durability,
    pooler: Pooler = "auto",
    *,
    schema: str | None = None,
    table_prefix: str | None = None,
) -> Source:
    """Return the source that *database* names.

    Raises:
        InvalidInput: it is no URL, path or engine of a database that is supported, or an option is unknown.
    """
    _check("durability", durability, get_args(Durability))
    _check("pooler", pooler, get_args(Pooler))
    if isinstance(database, Engine):
        kind, names = _database_of(database), _names(database, schema, table_prefix)
        engine = naming.named(database, names)
        return Source(database.url, database.url, kind, durability, engine=engine, pooler=pooler, names=names)
    if isinstance(database, AsyncEngine):
        kind, names = _database_of(database.sync_engine), _names(database.sync_engine, schema, table_prefix)
        async_engine = naming.named(database, names)
        return Source(
            database.url, database.url, kind, durability, async_engine=async_engine, pooler=pooler, names=names
        )
    given, pooler = _without_pooler(_url(database), pooler)
    given, names = _without_names(given, schema, table_prefix)
    kind = database_named(given.get_backend_name())
    url = _with_driver(given)
    _refuse_missing_driver(url)
    return Source(url, kind.located(url), kind, durability, pooler=pooler, names=names)


def _check(field: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidInput(field, f"is {shown(value)}; allowed are {', '.join(allowed)}")


def _without_pooler(url: URL, pooler: Pooler) -> tuple[URL, Pooler]:
    """Return *url* for the driver, and what it or else the argument says of a pooler."""
    if "pooler" not in url.query:
        return url, pooler
    named: Any = url.query["pooler"]
    _check("pooler", named, get_args(Pooler))
    return url.difference_update_query(["pooler"]), named if pooler == "auto" else pooler


def _without_names(url: URL, schema: str | None, table_prefix: str | None) -> tuple[URL, Names]:
    """Return *url* for the driver, and what the arguments or else it says of the names of tables."""
    given: Any = {"schema": schema, "table_prefix": table_prefix}
    named: dict[str, Any] = {name: url.query.get(name) if value is None else value for name, value in given.items()}
    left = url.difference_update_query([name for name in given if name in url.query])
    return left, naming.checked(named["schema"], _or_ours(named["table_prefix"]), url.get_backend_name())


def _names(engine: Engine, schema: str | None, table_prefix: str | None) -> Names:
    """Return the names of tables that the arguments or else an *engine* of the application's says."""
    translated = (engine.get_execution_options().get("schema_translate_map") or {}).get(None)
    return naming.checked(translated if schema is None else schema, _or_ours(table_prefix), engine.dialect.name)


def _or_ours(table_prefix: str | None) -> str:
    return PREFIX if table_prefix is None else table_prefix


def _database_of(engine: Engine) -> Database:
    """Return what is known of the database behind an engine of the application, whose driver has to be supported."""
    driver = engine.dialect.driver
    if engine.dialect.name == "postgresql" and driver not in _DRIVERS:
        raise InvalidInput("database", f"is an engine with the driver {shown(driver)}; use {' or '.join(_DRIVERS)}")
    return database_named(engine.dialect.name)


def _url(database: str | URL | os.PathLike[str]) -> URL:
    if isinstance(database, os.PathLike):
        return URL.create("sqlite", database=os.fspath(database))
    if not isinstance(database, str | URL):
        raise InvalidInput("database", f"is a {type(database).__name__}, not a URL, a path or an engine")
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        pass  # their words may repeat a part of the password
    else:
        return url.set(drivername=_SCHEMES.get(url.drivername, url.drivername))
    raise InvalidInput("database", "is not a database URL such as sqlite:///zep_memory.db")


def _with_driver(url: URL) -> URL:
    """Return *url* with a driver that is supported: for Postgres psycopg, unless it names an async one."""
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError as error:
        raise InvalidInput("database", f"has the driver {shown(url.get_driver_name())}, which is unknown") from error
    if url.get_backend_name() == "postgresql" and not dialect.is_async:
        return url.set(drivername="postgresql+psycopg")
    return url


def _refuse_missing_driver(url: URL) -> None:
    driver = url.get_driver_name()
    if driver in _INSTALLS and find_spec(driver) is None:
        raise InvalidInput("database", f"needs {driver}; `pip install {_INSTALLS[driver]}` gets it")


def make_engine(source: Source) -> Engine:
    """Make a blocking engine on *source*: its driver's blocking twin where the source names an async one.

    Raises:
        InvalidInput: the URL has an option with a value that is none, or an AsyncEngine is one that has no twin.
    """
    if source.in_memory and source.async_engine is not None:
        raise InvalidInput("database", "is an in-memory AsyncEngine of the application, which only async calls reach")
    pool: dict[str, Any] = {"poolclass": SteadyPool, "pool_size": CONNECTIONS, "clean": source.database.clean}
    if source.async_engine is not None and isinstance(source.async_engine.pool, NullPool):
        pool = {"poolclass": NullPool}
    url = _sync_url(source.located)
    _refuse_missing_driver(url)
    engine = _made(create_engine, url, source, pool)
    if source.in_memory:
        Memory(engine)
    if source.async_engine is not None:
        listen_alike(source.async_engine, engine)
    return engine


def make_async_engine(source: Source) -> AsyncEngine:
    """Make an async engine on *source*, for one event loop. See `make_engine`."""
    pool = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_use_lifo": True}
    return _made(create_async_engine, source.located, source, pool)


def _made(make: Callable[..., T], url: URL, source: Source, pool: Mapping[str, Any]) -> T:
    beside = {} if source.async_engine is None else arguments_of(source.async_engine)
    try:
        ours = source.database.engine_options(url)
        connect_args = ours.pop("connect_args", {}) | beside
        return naming.named(make(url, connect_args=connect_args, **pool, **_OPTIONS, **ours), source.names)
    except (TypeError, ValueError):
        pass  # their words repeat the value
    raise InvalidInput("database", OPTION_REFUSED)


def _sync_url(url: URL) -> URL:
    """Return *url* for the blocking driver, without what only the async one understands."""
    if not url.get_dialect().is_async or url.get_driver_name() == "psycopg":
        return url
    names = {} if url.get_backend_name() == "sqlite" else _SYNC_NAMES
    query = {names.get(key, key): value for key, value in url.query.items() if key not in _ASYNC_ONLY}
    return url.set(drivername=_SYNC_DRIVERS[url.get_backend_name()], query=query)
