"""Running units of work and flows, for blocking and for async callers."""

import asyncio
import inspect
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import greenlet_spawn

from .. import units
from ..blocks import Block, Blocks
from ..core import checks
from ..databases.naming import Naming
from ..databases.protocol import FileId
from ..errors import DatabaseUnavailable, ZepMemoryError
from ..types import Durability, LentConnection, Pooler, Watcher
from ..units import SHORTLY, Ask, Effect, Flow, Later, Stamp, Unit
from . import engines, forks, lending, watching
from .background import NO_CHORES, Chores, Transaction, Worker
from .connections import Held
from .loops import Loop, settled
from .processes import Process
from .retrying import DEADLINE, Outcome, interrupt_behind, outcome_of
from .underway import ANYWHERE

PATIENCE_IN_VAIN = 1.0
"""How long a unit waits for locks, in seconds, where those may be held by who waits for the unit."""

CLOSED = "the manager is closed; `with manager:` opens it again"
LOCKED_BY_OWN_LOOP = (
    "what is to be written is locked by a write that this event loop awaits; await here, too, or block another thread"
)

LOCKED_BY_CALLER = (
    "what is to be written is locked by a transaction that its caller has open on the same engine; "
    "commit it before, or have both commit together by `with manager.using(connection):`"
)

P = ParamSpec("P")
T = TypeVar("T")


class Runner:
    """Runs what a manager does, on its database. Making one does no I/O; the tables are created on first use."""

    _patience = DEADLINE
    """Seconds after which a unit is not tried again."""

    def __init__(
        self,
        database: engines.Given,
        *,
        chores: Chores = NO_CHORES,
        durability: Durability = "full",
        pooler: Pooler = "auto",
        schema: str | None = None,
        table_prefix: str | None = None,
    ) -> None:
        source = engines.source_of(database, durability, pooler, schema=schema, table_prefix=table_prefix)
        self._source = self._reached(source)
        self._process = Process(self._source)
        self._worker = Worker(chores)
        self._closed = threading.Event()
        self._lent: Blocks[LentConnection] = Blocks("zep_memory_plugin_connection")
        self._watched: watching.Watched | None = None
        forks.register(self)

    @property
    def shown_url(self) -> str:
        """Where the database is, without anything secret."""
        return self._source.url.set(query={}).render_as_string(hide_password=True)

    @property
    def closed(self) -> bool:
        """Whether `close` was called; nothing runs any more."""
        return self._closed.is_set()

    def of_user(self, user_id: str) -> "RunnerOfOneUser":
        """Return a view of this runner for the user *user_id* alone."""
        return RunnerOfOneUser(self, user_id)

    def watch(self, watcher: Watcher | None) -> None:
        """Let *watcher* be around each unit from now on, or nobody."""
        checks.told("watcher", watcher)
        self._watched = None if watcher is None else watching.Watched(watcher, self._source.url)

    def using(self, connection: object) -> Block[LentConnection]:
        """Return a block in which *connection*, of the application, is what units are carried out on."""
        return Block(self._lent, lending.checked(connection))

    def read(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation*, one SELECT or several that need not agree, in autocommit."""
        with SHORTLY:
            return cast("T", self._run_unit(units.read(operation, *args, **kwargs)))

    def read_late(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation* as `read` does; a replica may answer."""
        with SHORTLY:
            return cast("T", self._run_unit(units.late(units.read(operation, *args, **kwargs))))

    async def aread_late(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *operation* as `aread` does; a replica may answer."""
        with SHORTLY:
            return cast("T", await self._arun_unit(units.late(units.read(operation, *args, **kwargs))))

    async def aread(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation* in autocommit. See `read`."""
        with SHORTLY:
            return cast("T", await self._arun_unit(units.read(operation, *args, **kwargs)))

    def write(self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *operation* in one transaction. When it is sent again, it gets the same stamp."""
        with SHORTLY:
            return cast("T", self._run_unit(units.write(operation, *args, **kwargs)))

    async def awrite(
        self, operation: Callable[Concatenate[Connection, Stamp, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *operation* in one transaction. See `write`."""
        with SHORTLY:
            return cast("T", await self._arun_unit(units.write(operation, *args, **kwargs)))

    def run(self, flow: Flow[T]) -> T:
        """Run *flow*, each unit on its own, and return what it comes to; failures are thrown into it."""
        with SHORTLY:
            return self._run_flow(flow)

    async def arun(self, flow: Flow[T]) -> T:
        """Run *flow*. See `run`."""
        with SHORTLY:
            return await self._arun_flow(flow)

    def _reached(self, source: engines.Source) -> engines.Source:
        """Return *source* as it is to be connected to."""
        return source

    def _run_flow(self, flow: Flow[T]) -> T:
        resume: Callable[[Any], Effect] = flow.send
        result: Any = None
        while True:
            try:
                effect = resume(result)
            except StopIteration as end:
                return cast("T", end.value)
            try:
                result, resume = self._result_of(effect), flow.send
            except Exception as error:
                result, resume = error, flow.throw

    async def _arun_flow(self, flow: Flow[T]) -> T:
        resume: Callable[[Any], Effect] = flow.send
        result: Any = None
        while True:
            try:
                effect = resume(result)
            except StopIteration as end:
                return cast("T", end.value)
            try:
                result, resume = await self._aresult_of(effect), flow.send
            except Exception as error:
                result, resume = error, flow.throw

    def open(self) -> None:
        """Begin anew after `close`; what is open stays so."""
        if self._closed.is_set():
            self._process = Process(self._source)
            self._worker = self._worker.anew()
            self._closed.clear()

    def sleep(self, seconds: float) -> None:
        """Wait for so long, or until the manager is closed."""
        self._closed.wait(min(seconds, threading.TIMEOUT_MAX))

    async def asleep(self, seconds: float) -> None:
        """Wait for so long."""
        await asyncio.sleep(seconds)

    def flush(self) -> None:
        """Wait until what was put off is done."""
        self._current_process()
        self._worker.flush(self)

    async def aflush(self) -> None:
        """Wait until what was put off is done."""
        self._current_process()
        await self._worker.aflush(self)

    def close(self) -> None:
        """Do what was put off, refuse further calls, let those under way end, and close the connections made here.

        The application's own engine stays as it is.
        """
        self._current_process()
        try:
            self._worker.drain(self)
        finally:
            self._closed.set()
            self._process.close(CLOSED)

    async def aclose(self) -> None:
        """Do what was put off, refuse further calls, and close the connections that were made here. See `close`."""
        self._current_process()
        try:
            await self._worker.adrain(self)
        finally:
            self._closed.set()
            await self._process.aclose(CLOSED)

    def halt(self) -> None:
        """Let what is to begin wait: the process is about to fork."""
        self._process.underway.halt()

    def let_go(self, deadline: float) -> None:
        """Close what must not be open while the process forks."""
        self._process.let_go(deadline)

    def left_open(self, deadline: float) -> FileId | None:
        """Return the file that is still open at the *deadline*, although it must not be while the process forks."""
        return self._process.left_open(deadline)

    def go_on(self) -> None:
        """Let what waits begin: the process has forked."""
        self._process.underway.go_on()

    def start_anew(self) -> None:
        """Start with nothing of the process that this one was forked from."""
        self._process = self._process.child()
        self._worker = self._worker.child()
        was_closed, self._closed = self._closed.is_set(), threading.Event()  # a thread of the parent's may hold its
        if was_closed:
            self._closed.set()

    def _result_of(self, effect: Effect) -> Any:
        if isinstance(effect, Later):
            return self._put_off(effect.session_id)
        return self._run_unit(effect) if isinstance(effect, Unit) else _asked(effect)

    async def _aresult_of(self, effect: Effect) -> Any:
        if isinstance(effect, Later):
            return await self._aput_off(effect.session_id)
        return await (self._arun_unit(effect) if isinstance(effect, Unit) else _aasked(effect))

    def _put_off(self, session_id: str, runner: "Runner | None" = None) -> None:
        transaction = self._lent_transaction()
        if self._does_at_once(session_id, transaction):
            return (runner or self).run(self._worker.flow_of(session_id))
        self._worker.put(session_id, transaction, runner)
        return self._worker.start(self)

    async def _aput_off(self, session_id: str, runner: "Runner | None" = None) -> None:
        transaction = self._lent_transaction()
        if self._does_at_once(session_id, transaction):
            return await (runner or self).arun(self._worker.flow_of(session_id))
        self._worker.put(session_id, transaction, runner)
        return self._worker.astart(self)

    def _does_at_once(self, session_id: str, transaction: Transaction | None) -> bool:
        """Tell whether a write does itself what follows it."""
        if self._source.thread_bound:  # a thread of the worker would look at another database
            return True
        return transaction is None and not self._worker.has_room_for(session_id)

    def _lent_transaction(self) -> Transaction | None:
        given = self._lent.innermost()
        return None if given is None else lending.transaction_of(given)

    def _run_unit(self, unit: Unit) -> Any:
        if self._watched is None:
            return self._done(unit)
        with self._watched.around(unit):
            return self._done(unit)

    async def _arun_unit(self, unit: Unit) -> Any:
        if self._watched is None:
            return await self._adone(unit)
        with self._watched.around(unit):
            return await self._adone(unit)

    def _done(self, unit: Unit) -> Any:
        process = self._current_process()
        here = threading.get_ident()  # so that the next unit of this thread replaces one that an interrupt left behind
        try:
            while (halt := process.underway.enter(here, here)) is not None:
                halt.result()
            given = self._lent.innermost()
            if given is not None:
                return self._only_attempt(lending.connection_of(given), unit, process)
            return self._attempts(unit, process, self._in_vain(unit, process))
        finally:
            process.underway.leave(here)

    async def _adone(self, unit: Unit) -> Any:
        given = self._lent.innermost()
        if given is not None and lending.is_awaited(given):
            return await self._arun_lent(await lending.awaited_connection_of(given), unit)
        if given is not None:
            return self._done(unit)
        process = self._current_process()
        if self._source.awaits:
            loop = await process.loop()
            token = await _entered(process, loop)
            work = loop.start(self._attempts_awaiting(unit, process, loop, self._in_vain(unit, process)))
            work.add_done_callback(lambda _: process.underway.leave(token))
            return await settled(work, lambda: loop.give_up(work))
        if self._source.thread_bound:
            return self._done(unit)
        return await self._run_in_thread(unit, process)

    async def _arun_lent(self, connection: AsyncConnection, unit: Unit) -> Any:
        process = self._current_process()
        token = await _entered(process, ANYWHERE)
        try:
            return await connection.run_sync(self._only_attempt, unit, process)
        finally:
            process.underway.leave(token)

    def _only_attempt(self, connection: Connection, unit: Unit, process: Process) -> Any:
        """Carry out *unit* on a connection that the application has lent, and raise what a failure of it means."""
        database, settings = self._source.database, self._source.settings
        try:
            with Naming(connection, self._source.names):
                return lending.carried_out(connection, unit, database, settings, prepared=process.prepared)
        except ZepMemoryError:
            raise
        except Exception as error:
            failure = database.failure(error)
        if failure.unprepared:
            process.look_again(replaced=False)
        raise failure.error

    async def _run_in_thread(self, unit: Unit, process: Process) -> Any:
        token = await _entered(process, ANYWHERE)
        try:
            work = process.threads(unit).submit(self._attempts, unit, process, self._in_vain(unit, process))
        except RuntimeError:  # the interpreter is shutting down, and starts no threads any more
            process.underway.leave(token)
            return self._done(unit)
        work.add_done_callback(lambda _: process.underway.leave(token))
        return await settled(asyncio.wrap_future(work), work.cancel)

    def _attempts(self, unit: Unit, process: Process, in_vain: str | None) -> Any:
        started, handled = time.monotonic(), sys.exc_info()[1]
        while True:
            try:
                return self._attempt(unit, process, in_vain)
            except ZepMemoryError:
                raise
            except Exception as error:
                interrupt = interrupt_behind(error, handled)
                outcome = self._outcome_of(error, unit, process, started)
            if interrupt is not None:
                raise interrupt
            time.sleep(self._pause_after(outcome, process))

    async def _attempts_awaiting(self, unit: Unit, process: Process, loop: Loop, in_vain: str | None) -> Any:
        started = time.monotonic()
        while True:
            try:
                return await self._attempt_awaiting(unit, process, loop, in_vain)
            except ZepMemoryError:
                raise
            except Exception as error:
                outcome = self._outcome_of(error, unit, process, started)
            await asyncio.sleep(self._pause_after(outcome, process))

    def _outcome_of(self, error: Exception, unit: Unit, process: Process, started: float) -> Outcome:
        database = self._source.database
        return outcome_of(error, unit, database, started, known=process.known, patience=self._patience)

    def _pause_after(self, outcome: Outcome, process: Process) -> float:
        """Return how long to wait before the unit is sent again, or raise what its caller gets."""
        if outcome.failure.unprepared:
            process.look_again(replaced=outcome.failure.replaced)
        if outcome.pause is None:
            raise outcome.failure.error
        return outcome.pause

    def _attempt(self, unit: Unit, process: Process, in_vain: str | None) -> Any:
        queue = process.queue if self._queues(unit) else nullcontext()
        owned = process.owns_engine
        held = Held(process.engine(), self._source.database, owned=owned, kept=self._source.in_memory)
        with queue, held as connection:
            if self._locks(unit, process) and process.blocks_its_loop():
                in_vain = LOCKED_BY_OWN_LOOP
            return self._carry_out(connection, unit, process, owned=owned, in_vain=in_vain)

    async def _attempt_awaiting(self, unit: Unit, process: Process, loop: Loop, in_vain: str | None) -> Any:
        queue = loop.writers if unit.writes else nullcontext()
        async with queue, loop.turn():
            with loop.at_work(locks=self._locks(unit, process)):
                # An AsyncConnection would switch to the driver and back again for connecting and for closing, too.
                return await greenlet_spawn(self._carry_out_on_loop, loop, unit, process, in_vain)

    def _carry_out_on_loop(self, loop: Loop, unit: Unit, process: Process, in_vain: str | None) -> Any:
        given_to = None if loop.owned else loop.opened
        kept = self._source.in_memory
        engine = loop.engine.sync_engine
        with Held(engine, self._source.database, owned=loop.owned, kept=kept, given_to=given_to) as connection:
            try:
                return self._carry_out(connection, unit, process, owned=loop.owned, in_vain=in_vain)
            finally:
                if loop.wanted_elsewhere:
                    connection.invalidate()

    def _carry_out(
        self, connection: Connection, unit: Unit, process: Process, *, owned: bool, in_vain: str | None
    ) -> Any:
        """Carry out *unit*; a connection of the application, which is not *owned*, gets back as it was.

        Where locks may be waited for *in_vain*, because who holds them waits for the unit, they are waited for only for
        a moment, and those words say what it failed at.
        """
        with nullcontext() if owned else self._source.database.autocommit(connection, self._source.settings):
            if in_vain is not None:
                return self._carried_out_impatiently(connection, unit, process, owned=owned, in_vain=in_vain)
            return self._carried_out(connection, unit, process, owned=owned)

    def _carried_out_impatiently(
        self, connection: Connection, unit: Unit, process: Process, *, owned: bool, in_vain: str
    ) -> Any:
        try:
            with self._source.database.impatient(connection, PATIENCE_IN_VAIN):
                return self._carried_out(connection, unit, process, owned=owned)
        except ZepMemoryError:
            raise
        except Exception as error:
            if not self._source.database.failure(error).locked_out:
                raise
        raise DatabaseUnavailable(in_vain)

    def _carried_out(self, connection: Connection, unit: Unit, process: Process, *, owned: bool) -> Any:
        if not process.prepared:
            process.prepare(connection)
        with self._source.database.tolerant(connection) if unit.stamp.tolerant else nullcontext():
            result = lending.operated(connection, unit)
        if unit.writes and not owned:
            self._source.database.confirm(connection)
        return result

    def _in_vain(self, unit: Unit, process: Process) -> str | None:
        """Return what to say when *unit* waits in vain because its caller has locks, or None where it has none."""
        return LOCKED_BY_CALLER if self._locks(unit, process) and process.is_amid_a_transaction() else None

    def _locks(self, unit: Unit, process: Process) -> bool:
        """Tell whether *unit* may hold locks over several statements."""
        return unit.writes or not process.prepared

    def _queues(self, unit: Unit) -> bool:
        """Tell whether *unit* waits for others of this process, rather than in the driver."""
        return self._source.in_memory or (unit.writes and self._source.database.one_writer)

    def _current_process(self) -> Process:
        """Return what belongs to this process, also where it was forked without a word to Python."""
        if self._process.pid != os.getpid():
            self.start_anew()
        return self._process


class RunnerOfOneUser(Runner):
    """Has another runner run what is for one user, so that the database itself can hold it to what is theirs."""

    def __init__(self, runner: Runner, user_id: str) -> None:
        self._runner = runner
        self._user_id = user_id

    @property
    def shown_url(self) -> str:
        """Where the database is, without anything secret."""
        return self._runner.shown_url

    @property
    def closed(self) -> bool:
        """Whether the other runner is closed."""
        return self._runner.closed

    def using(self, connection: object) -> Block[LentConnection]:
        """Return a block in which *connection*, of the application, is what units are carried out on."""
        return self._runner.using(connection)

    def watch(self, watcher: Watcher | None) -> None:
        """Let *watcher* be around each unit of the other runner."""
        self._runner.watch(watcher)

    def open(self) -> None:
        """Begin anew after the other runner's `close`."""
        self._runner.open()

    def flush(self) -> None:
        """Wait until what was put off is done, whosever it is."""
        self._runner.flush()

    async def aflush(self) -> None:
        """Wait until what was put off is done, whosever it is."""
        await self._runner.aflush()

    def _put_off(self, session_id: str, runner: Runner | None = None) -> None:
        self._runner._put_off(session_id, runner or self)

    async def _aput_off(self, session_id: str, runner: Runner | None = None) -> None:
        await self._runner._aput_off(session_id, runner or self)

    def _run_unit(self, unit: Unit) -> Any:
        return self._runner._run_unit(replace(unit, user_id=self._user_id))

    async def _arun_unit(self, unit: Unit) -> Any:
        return await self._runner._arun_unit(replace(unit, user_id=self._user_id))


async def _entered(process: Process, where: object) -> object:
    """Note that a unit is about to begin *where*, when it may, and return the token with which it leaves."""
    token = object()
    while (halt := process.underway.enter(token, where)) is not None:
        await asyncio.wait([asyncio.wrap_future(halt)])
    return token


def _asked(ask: Ask) -> Any:
    """Return what the application's function answers a blocking caller."""
    answer = ask.function(*ask.arguments)
    return _awaited(answer) if inspect.isawaitable(answer) else answer


async def _aasked(ask: Ask) -> Any:
    """Return what the application's function answers an async caller."""
    if ask.awaitable is not None:
        return await ask.awaitable(*ask.arguments)
    if inspect.iscoroutinefunction(ask.function):
        return await ask.function(*ask.arguments)
    answer = await asyncio.to_thread(ask.function, *ask.arguments)
    return await answer if inspect.isawaitable(answer) else answer


def _awaited(answer: Awaitable[Any]) -> Any:
    """Await *answer* for a blocking caller, whose own thread may have an event loop running."""
    run = partial(asyncio.run, cast("Coroutine[Any, Any, Any]", answer))
    with ThreadPoolExecutor(1, thread_name_prefix="zep-memory-ask") as thread:
        try:
            asked = thread.submit(run)
        except RuntimeError:  # the interpreter is shutting down, and starts no threads any more
            return run()
        return asked.result()
