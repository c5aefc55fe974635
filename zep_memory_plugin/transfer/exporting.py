"""Exporting: pages of rows, each read in a unit of its own, and written between units."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core import checks, exporting
from ..core.exporting import ROWS_OF_PAGE, STATES_OF_PAGE, Wanted
from ..core.records import OF_SESSION
from ..errors import InvalidInput, shown
from ..models import TransferReport
from ..types import TransferFormat, TransferProgress, TransferTarget
from ..units import Ask, Flow, Unit, late, read
from .files import Target
from .formats import FORMATS, Format

Pages = Flow[None]


class _Export:
    """An export under way: where it is written, how, and how much was."""

    def __init__(self, target: Target, written: Format, total: int | None, progress: TransferProgress | None) -> None:
        self._target = target
        self._format = written
        self._total = total
        self._progress = progress
        self.counts: Counter[str] = Counter()

    def write(self, kind: str, rows: Sequence[Any]) -> Pages:
        """Write *rows*, and say how far it is."""
        yield Ask(lambda: self._target.write(self._format.rows(kind, rows)), ())
        self.counts[kind] += len(rows)
        if self._progress is not None and kind == "message":
            self._progress(self.counts[kind], self._total)


def format_named(name: TransferFormat) -> Format:
    """Return the format *name*, ready to write."""
    if name not in FORMATS:
        raise InvalidInput("file_format", f"is {shown(name)}; allowed are {', '.join(FORMATS)}")
    return FORMATS[name]()


def export(
    what: Wanted, target: TransferTarget, file_format: TransferFormat, progress: TransferProgress | None
) -> Flow[TransferReport]:
    """Write *what* is wanted to *target*, with as much in memory as one page has."""
    written = format_named(file_format)
    checks.told("progress", progress)
    yield _read(exporting.make_sure, what)
    total = None if progress is None else (yield _read(exporting.count_messages, what))
    file: Target = yield Ask(Target, (target,))
    try:
        yield Ask(file.write, (written.head(),))
        work = _Export(file, written, total, progress)
        yield from _users(what, work)
        yield from _sessions(what, work)
        yield Ask(file.finish, ())
    finally:
        file.discard()
    counts = work.counts
    return TransferReport(
        users=counts["user"], sessions=counts["session"], messages=counts["message"], summaries=counts["summary"]
    )


def _read(operation: Callable[..., Any], *args: object) -> Unit:
    """Return the unit that reads a part, which is no older than the parts before it, wherever those were read."""
    return late(read(operation, *args), since=time.monotonic())


def _users(what: Wanted, work: _Export) -> Pages:
    cursor = 0
    while page := (yield _read(exporting.users_after, what, cursor)):
        yield from work.write("user", page)
        yield from _states("user_state", [user.user_id for user in page], work)
        cursor = page[-1].id


def _sessions(what: Wanted, work: _Export) -> Pages:
    cursor = 0
    while page := (yield _read(exporting.sessions_after, what, cursor)):
        yield from work.write("session", page)
        yield from _states("session_state", [session.session_id for session in page], work)
        for kind in OF_SESSION:
            for group in _groups(page):
                yield from _rows(kind, what, group, work)
        cursor = page[-1].id


def _states(kind: str, keys: Sequence[str], work: _Export) -> Pages:
    """Write the states of users or sessions, few at a time, as each may be large."""
    for start in range(0, len(keys), STATES_OF_PAGE):
        if rows := (yield _read(exporting.states_of, kind, keys[start : start + STATES_OF_PAGE])):
            yield from work.write(kind, rows)


def _groups(page: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut a page of sessions into groups that have few messages together, or are one session."""
    group: list[Any] = []
    for session in page:
        if group and sum(each.last_seq for each in group) + session.last_seq > ROWS_OF_PAGE:
            yield group
            group = []
        group.append(session)
    yield group


def _rows(kind: str, what: Wanted, sessions: Sequence[Any], work: _Export) -> Pages:
    """Write what is in *sessions*, at once where that is little, else page by page."""
    ids = [session.session_id for session in sessions]
    if len(ids) > 1:
        if rows := (yield _read(exporting.rows_of, kind, what, ids)):
            yield from work.write(kind, rows)
        return
    after = 0
    while rows := (yield _read(exporting.rows_of, kind, what, ids, after, ROWS_OF_PAGE)):
        yield from work.write(kind, rows)
        after = rows[-1].seq
