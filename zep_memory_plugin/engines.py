"""From what the application gives, a URL or an engine of its own, to engines in both colours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import SingletonThreadPool

from .dialects import SqlDialect, dialect_named
from .errors import InvalidInput, shown

DURABILITIES = ("full", "normal")

CONNECTIONS = 15
"""Connections of an engine that is made here. All are kept: SQLAlchemy's own 5, and 10 more that come and go, cost more
than half of the throughput of 64 coroutines."""

_SYNC_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
_SYNC_NAMES = {"ssl": "sslmode"}
_ASYNC_ONLY = {"prepared_statement_cache_size", "prepared_statement_name_func"}
_DRIVERS = ("psycopg", "asyncpg")
"""What sends parameters to Postgres by themselves; others write them into the statement, without their types."""

_SCHEMES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the conversations are, and which engines of the application lead there."""

    url: URL
    dialect: SqlDialect
    durability: str
    engine: Engine | None = field(default=None, repr=False)
    async_engine: AsyncEngine | None = field(default=None, repr=False)

    @property
    def in_memory(self) -> bool:
        """Whether the database lives only in one connection."""
        return self.dialect.in_memory(self.url)

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


def source_of(database: str | URL | Engine | AsyncEngine, durability: str) -> Source:
    """Return the source that *database* names.

    Raises:
        InvalidInput: it is no URL or engine of a database that is supported, or *durability* is unknown.
    """
    if durability not in DURABILITIES:
        raise InvalidInput("durability", f"is {shown(durability)}; allowed are {', '.join(DURABILITIES)}")
    if isinstance(database, Engine):
        return Source(database.url, _dialect_of(database), durability, engine=database)
    if isinstance(database, AsyncEngine):
        return Source(database.url, _dialect_of(database.sync_engine), durability, async_engine=database)
    url = _url(database)
    dialect = dialect_named(url.get_backend_name())
    return Source(_with_driver(url), dialect, durability)


def _dialect_of(engine: Engine) -> SqlDialect:
    """Return what is known of the database behind an engine of the application, whose driver has to be supported."""
    driver = engine.dialect.driver
    if engine.dialect.name == "postgresql" and driver not in _DRIVERS:
        raise InvalidInput("database", f"is an engine with the driver {shown(driver)}; use {' or '.join(_DRIVERS)}")
    return dialect_named(engine.dialect.name)


def _url(database: str | URL) -> URL:
    if not isinstance(database, str | URL):
        raise InvalidInput("database", f"is a {type(database).__name__}, not a URL or an engine")
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        # Without its cause, which may repeat a part of the password.
        raise InvalidInput("database", "is not a database URL such as sqlite:///zep_memory.db") from None
    return url.set(drivername=_SCHEMES.get(url.drivername, url.drivername))


def _with_driver(url: URL) -> URL:
    """Return *url* with a driver that is supported: for Postgres psycopg, unless it names an async one."""
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError as error:
        raise InvalidInput("database", f"has the driver {shown(url.get_driver_name())}, which is unknown") from error
    if url.get_backend_name() == "postgresql" and not dialect.is_async:
        return url.set(drivername="postgresql+psycopg")
    return url


def make_engine(source: Source) -> Engine:
    """Make a blocking engine on *source*: its driver's blocking twin where the source names an async one."""
    if source.in_memory and source.async_engine is not None:
        raise InvalidInput("database", "is an in-memory AsyncEngine of the application, which only async calls reach")
    return _configured(create_engine(_sync_url(source.url), **_options(source)), source)


def make_async_engine(source: Source) -> AsyncEngine:
    """Make an async engine on *source*, for one event loop."""
    source.dialect.keep_logs_clean()
    engine = create_async_engine(source.url, **_options(source))
    _configured(engine.sync_engine, source)
    return engine


def _options(source: Source) -> Mapping[str, Any]:
    return {
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "hide_parameters": True,
        **({} if source.in_memory else {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_use_lifo": True}),
        **source.dialect.engine_options(source.url),
    }


def _sync_url(url: URL) -> URL:
    """Return *url* for the blocking driver, without what only the async one understands."""
    if not url.get_dialect().is_async or url.get_driver_name() == "psycopg":
        return url
    query = {_SYNC_NAMES.get(key, key): value for key, value in url.query.items() if key not in _ASYNC_ONLY}
    return url.set(drivername=_SYNC_DRIVERS[url.get_backend_name()], query=query)


def _configured(engine: Engine, source: Source) -> Engine:
    def configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        source.dialect.configure(cursor, source.url, source.durability)
        cursor.close()

    event.listen(engine, "connect", configure)
    return engine
