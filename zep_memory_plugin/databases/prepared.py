"""Statements that are compiled once and handed to the driver as text, past SQLAlchemy.

SQLAlchemy's own work on a statement can take longer than the database's. So a statement is prepared when the usual
append or a read of a session's newest or listed messages consists of it, or when it stores, moves or removes messages
by the thousand; every other goes through SQLAlchemy. That is, with an example each:

1. An append to a session that exists: `add_memory("s", [question, answer])`.
2. The memory, a window or a listing of a session: `get_memory("s")`, `last_messages("s", 12)`, `list_messages("s")`.
3. Many messages: the rows of `add_memory("s", ten_thousand)` and `replace_memory`, their terms in an index, a purge.

A prepared statement takes and returns what SQLAlchemy would have it take and return, on every database and driver.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ReturnsRows
from sqlalchemy.types import TypeEngine

from ..tables import Processor
from .lending import is_lent
from .protocol import Send

WATCHED = "zep_memory_watched"
"""The key under which a connection says that an event of its own changes what is sent."""

Processors = Sequence[tuple[int, Processor]]
"""What values need, by their positions; those that need nothing are left out."""


class Prepared:
    """A prepared statement. Its parameters all have names, and each of them one value; rows come as plain sequences."""

    def __init__(self, statement: ClauseElement, **options: Any) -> None:
        self.statement = statement
        self._options = options
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, Any], send: Send | None = None) -> Sequence[Any]:
        """Send the statement, with *send* where `sender` was asked for it before, and return all of its rows."""
        compiled = self.compiled(connection.dialect)
        sent = (send or sender(connection))(compiled.text, compiled.arguments(parameters))
        return compiled.read(sent.fetchall())

    def run(self, connection: Connection, rows: Iterable[Mapping[str, Any]], send: Send | None = None) -> None:
        """Send the statement, which returns nothing, once for each of *rows*."""
        compiled = self.compiled(connection.dialect)
        (send or sender(connection))(compiled.text, map(compiled.arguments, rows))

    def compiled(self, dialect: Dialect) -> "_Compiled":
        """Return the statement in a driver's own words."""
        key = (dialect.name, dialect.driver, dialect.paramstyle)
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = _compile(self.statement, dialect, self._options)
        return known


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in a driver's own words, how it takes parameters, and what its rows need."""

    text: str
    constants: Mapping[str, Any]
    """Parameters whose values are part of the statement."""

    named: Mapping[str, Processor]
    """What the parameters need before a driver takes them, where it takes them by name; else empty."""

    ordered: Callable[[Mapping[str, Any]], Sequence[Any]] | None
    """Puts the parameters in order, where the driver takes them so."""

    writers: Processors
    readers: Processors

    def arguments(self, parameters: Mapping[str, Any]) -> Any:
        """Return *parameters* as the driver takes them."""
        given = {**self.constants, **parameters} if self.constants else parameters
        if self.ordered is not None:
            return tuple(_processed(self.ordered(given), self.writers)) if self.writers else self.ordered(given)
        if not self.named:
            return given
        return {**given, **{name: process(given[name]) for name, process in self.named.items()}}

    def read(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return rows of the driver with Python's own values."""
        return [_processed(row, self.readers) for row in rows] if self.readers else rows


def _processed(values: Sequence[Any], processors: Processors) -> list[Any]:
    processed = list(values)
    for position, process in processors:
        processed[position] = process(processed[position])
    return processed


def _compile(statement: ClauseElement, dialect: Dialect, options: Mapping[str, Any]) -> _Compiled:
    compiled = cast("SQLCompiler", statement.compile(dialect=dialect, **options))
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    processors = {name: _writer(bind.type, dialect) for name, bind in binds.items()}
    order = compiled.positiontup
    return _Compiled(
        text=compiled.string,
        constants={name: bind.value for name, bind in binds.items() if not bind.required},
        named={} if order is not None else {name: process for name, process in processors.items() if process},
        ordered=None if order is None else _in_order(order),
        writers=_by_position(processors[name] for name in order or ()),
        readers=_by_position(_reader(column.type, dialect) for column in _columns(statement)),
    )


def _in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda given: tuple([given[name] for name in names])


def _by_position(processors: Iterable[Processor | None]) -> Processors:
    return [(position, process) for position, process in enumerate(processors) if process is not None]


def _columns(statement: ClauseElement) -> Iterable[Any]:
    return statement.exported_columns if isinstance(statement, ReturnsRows) else ()


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def sender(connection: Connection) -> Send:
    """Return what sends statements past SQLAlchemy.

    Where someone watches what is sent, by an event or a log, that is SQLAlchemy after all; also on a connection that
    the application lends, whose transaction SQLAlchemy has to know.
    """
    if is_lent(connection) or WATCHED in connection.info:
        return _watched(connection)
    watchers = connection.engine.dispatch
    if watchers.before_cursor_execute or watchers.after_cursor_execute:
        return _watched(connection)
    if connection.engine.logger.isEnabledFor(logging.INFO):
        return _watched(connection)
    driver: Any = connection.connection
    failure = connection.dialect.loaded_dbapi.Error

    def send(statement: str, parameters: Any = ()) -> Any:
        cursor = driver.cursor()  # of its own: one that outlives its statement would hold a lock after an interrupt
        try:
            (cursor.executemany if isinstance(parameters, map) else cursor.execute)(statement, parameters)
        except failure as error:
            raise _failed(connection, cursor, statement, error) from error
        return cursor

    return send


def _watched(connection: Connection) -> Send:
    def send(statement: str, parameters: Any = ()) -> Any:
        if not isinstance(parameters, map):
            return connection.exec_driver_sql(statement, parameters)
        several = list(parameters)
        return connection.exec_driver_sql(statement, several) if several else None  # which would be once, without any

    return send


def _failed(connection: Connection, cursor: Any, statement: str, error: Exception) -> Exception:
    """Return what SQLAlchemy would raise for an *error* of the driver."""
    dialect = connection.dialect
    if dialect.is_disconnect(cast("Any", error), cast("Any", connection.connection), cursor):
        connection.exec_driver_sql("SELECT 1")  # which fails, too, and SQLAlchemy does what it does then
    wrapped: Exception = DBAPIError.instance(
        statement, None, cast("Any", error), dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
    )
    return wrapped
