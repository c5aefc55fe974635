"""A runner with a replica, which answers what may be late; the primary does all else, and what the replica cannot."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection

from .. import units
from ..databases import database_of
from ..errors import InvalidInput, ZepMemoryError
from ..types import Watcher
from ..units import Unit
from . import engines
from .background import NO_CHORES
from .runner import Runner
from .standing import Standing

_TIMEOUTS = {"psycopg": "connect_timeout", "asyncpg": "timeout"}
CONNECTING_TIME = "3"
"""Seconds within which a replica has to let a connection in, unless its URL says."""

NO_REPLICAS = "is for a database on a server; SQLite's readers do not wait for its writer"


def runner_of(database: engines.Given, replica: engines.Given | None, **options: Any) -> Runner:
    """Return the runner on a *database*, and on a *replica* of that where there is one, with *options* of `Runner`.

    Raises:
        InvalidInput: one of them is no database that is supported, or has no replicas, or an option is unknown.
    """
    return Runner(database, **options) if replica is None else RunnerWithReplica(database, replica, **options)


class _Replica(Runner):
    """Runs reads on a replica, each once."""

    _patience = 0.0

    def _reached(self, source: engines.Source) -> engines.Source:
        """Return *source* so that it is soon given up where nothing answers."""
        if not source.database.has_replicas:
            raise InvalidInput("replica", NO_REPLICAS)
        if source.given is not None:
            return source
        return replace(source, url=_bounded(source.url), located=_bounded(source.located))


class RunnerWithReplica(Runner):
    """Runs what may be late on a replica. See `standing` for when."""

    def __init__(self, database: engines.Given, replica: engines.Given, **options: Any) -> None:
        super().__init__(database, **options)
        names = self._source.names
        same = {"chores": NO_CHORES, "schema": names.schema, "table_prefix": names.prefix}
        self._replica = _Replica(replica, **(options | same))
        self._standing = Standing()
        if not self._source.database.has_replicas:
            raise InvalidInput("replica", NO_REPLICAS)

    def watch(self, watcher: Watcher | None) -> None:
        """Let *watcher* be around each unit, wherever that is."""
        super().watch(watcher)
        self._replica.watch(watcher)

    def open(self) -> None:
        """Begin anew after `close`."""
        super().open()
        self._replica.open()

    def close(self) -> None:
        """Close the connections to both. See `Runner.close`."""
        try:
            super().close()
        finally:
            self._replica.close()

    async def aclose(self) -> None:
        """Close the connections to both. See `Runner.close`."""
        try:
            await super().aclose()
        finally:
            await self._replica.aclose()

    def _run_unit(self, unit: Unit) -> Any:
        since = self._needed(unit)
        if since is None:
            with self._noted(unit):
                return super()._run_unit(unit)
        if not self._standing.has_mark_after(since):
            moment = time.monotonic()
            self._mark(moment, super()._run_unit(units.read(_log_position)))
        try:
            result = self._replica._run_unit(self._proven(unit, since))
        except ZepMemoryError as error:
            self._standing.failed(error)
        else:
            self._standing.answered()
            return result
        return super()._run_unit(unit)

    async def _arun_unit(self, unit: Unit) -> Any:
        since = self._needed(unit)
        if since is None:
            with self._noted(unit):
                return await super()._arun_unit(unit)
        if not self._standing.has_mark_after(since):
            moment = time.monotonic()
            self._mark(moment, await super()._arun_unit(units.read(_log_position)))
        try:
            result = await self._replica._arun_unit(self._proven(unit, since))
        except ZepMemoryError as error:
            self._standing.failed(error)
        else:
            self._standing.answered()
            return result
        return await super()._arun_unit(unit)

    def _needed(self, unit: Unit) -> float | None:
        """Return the moment that the replica has to show to answer *unit*, or None where the primary does."""
        if unit.since is None or self.closed or self._lent.innermost() is not None:
            return None
        return self._standing.needed(unit)

    def _mark(self, moment: float, position: int | None) -> None:
        if position is not None:
            self._standing.add_mark(moment, position)

    @contextmanager
    def _noted(self, unit: Unit) -> Iterator[None]:
        """Note a write when it has come to its end, whatever that is."""
        try:
            yield
        finally:
            if unit.writes:
                self._standing.writes.add(unit, self._lent_transaction())

    def _proven(self, unit: Unit, since: float) -> Unit:
        """Return *unit* for a connection that first shows what it has to."""
        return replace(unit, operation=partial(_operate, unit.operation, self._standing, since))


def _operate(operation: Callable[[Connection], Any], standing: Standing, since: float, connection: Connection) -> Any:
    standing.prove(connection, since)
    return operation(connection)


def _log_position(connection: Connection) -> int | None:
    return database_of(connection).log_position(connection)


def _bounded(url: URL) -> URL:
    name = _TIMEOUTS[url.get_driver_name()]
    return url if name in url.query else url.update_query_dict({name: CONNECTING_TIME})
