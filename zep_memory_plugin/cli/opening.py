"""From what `--database` says to a manager, without making anything that is not there.

A file or a table that is missing is more often a name that was mistyped than one that is wanted, so that only `upgrade`
makes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InvalidInput, SchemaOutdated, shown
from ..manager import SessionManager
from ..running import schema
from ..running.connections import Held
from ..running.engines import Source, make_engine, source_of
from ..types import Embedder


@contextmanager
def opened(database: str, embedder: Embedder | None = None) -> Iterator[SessionManager]:
    """Open a manager on *database* for the block.

    Raises:
        InvalidInput: there is no such file, or there are no tables of ours in it, or *embedder* is not installed.
        SchemaOutdated: the tables are of another version.
    """
    url = url_of(database)
    with connected(url) as connection:
        _check(connection)
    with SessionManager(url, embedder=embedder) as manager:
        yield manager


def url_of(database: str) -> str:
    """Return the URL that *database*, a URL or the path of an SQLite file, stands for."""
    return database if "://" in database else f"sqlite:///{database}"


@contextmanager
def connected(database: str) -> Iterator[Connection]:
    """Connect to *database*, which has to be there, for the block.

    Raises:
        InvalidInput: there is no such file.
    """
    source = source_of(url_of(database), "full")
    _check_file(source)
    engine = make_engine(source)
    try:
        with _connection(engine, source) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _connection(engine: Engine, source: Source) -> Iterator[Connection]:
    """Connect, and say what the driver's errors mean rather than what it says."""
    try:
        with Held(engine, source.database, owned=True, kept=False) as connection:
            yield connection
        return
    except (SQLAlchemyError, OSError) as error:
        failure = source.database.failure(error).error
    raise failure  # without the driver's error, whose words may hold a part of the password


def _check_file(source: Source) -> None:
    if source.in_memory:
        raise InvalidInput("database", "is in memory, where nothing outlives the program that has it open")
    path = source.database.path_of(source.located)
    if path is not None and source.database.file_of(source.located) is None:
        raise InvalidInput("database", f"is {shown(path)}, where no file is; `zep-memory upgrade --create` makes one")


def _check(connection: Connection) -> None:
    found = schema.revision_of(connection)
    if found is None:
        raise InvalidInput("database", "has no tables of zep_memory_plugin; `zep-memory upgrade` creates them")
    if found != schema.REVISION:
        raise SchemaOutdated(found, schema.REVISION)
